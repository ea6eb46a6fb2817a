//! Whom work can be given to.

use super::Scoped;

/// Somebody whom work can be given to.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Colleague {
    pub login: String,
    #[serde(rename = "name")]
    pub display_name: String,
}

/// Everybody, whatever tenants they see, who may change incidents and is not disabled, by login; at most 500.
pub async fn list(tx: &mut Scoped) -> sqlx::Result<Vec<Colleague>> {
    sqlx::query_as("select login, display_name from users where disabled_at is null and role <> 'viewer' order by login limit 500")
        .fetch_all(&mut **tx)
        .await
}
