//! How long statements may take that are no ordinary ones.

use super::{CANCELLED, Scoped};
use sqlx::AssertSqlSafe;

impl Scoped {
    /// Lets the statements that follow take half an hour each: millions of rows are deleted while nobody waits.
    pub(in crate::store) async fn take_time(&mut self) -> sqlx::Result<()> {
        sqlx::query("set local statement_timeout = '30 min'").execute(&mut **self).await?;
        Ok(())
    }

    /// Lets the statements that follow take so long each, such as `400ms`. Ends with [`Self::limited`]; only reading may stand between.
    pub(in crate::store) async fn limit(&mut self, time: &'static str) -> sqlx::Result<()> {
        self.set_limited(time, "").await
    }

    /// The same for a walk along an index. How rare words are the planner does not know under row-level security: it would rather read all that
    /// there is, and sort that.
    pub(in crate::store) async fn limit_walk(&mut self, time: &'static str) -> sqlx::Result<()> {
        self.set_limited(time, "; set local enable_sort = off; set local enable_bitmapscan = off").await
    }

    async fn set_limited(&mut self, time: &'static str, more: &'static str) -> sqlx::Result<()> {
        let text = format!("savepoint limited; set local statement_timeout = '{time}'{more}");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **self).await?;
        Ok(())
    }

    /// Takes the time limit back, and what was read under it: `None` if it took longer, and the transaction goes on as if nothing had been
    /// asked.
    pub(in crate::store) async fn limited<T>(&mut self, read: sqlx::Result<T>) -> sqlx::Result<Option<T>> {
        sqlx::raw_sql("rollback to savepoint limited; release savepoint limited").execute(&mut **self).await?;
        match read {
            Ok(read) => Ok(Some(read)),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(CANCELLED) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
