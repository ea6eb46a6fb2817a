//! The audit log: a row for each thing done or refused, written in the transaction of the thing itself.

use super::Scoped;
use crate::model::{CustomerId, TenantId, UserId};
use chrono::{DateTime, Utc};
use serde_json::Value;

tokio::task_local! {
    static REQUEST: String;
}

/// Does a part of the request with this number: each row that it writes bears it. What it spawns is no part of it, see [`carried`].
pub async fn as_request<T>(number: String, work: impl Future<Output = T>) -> T {
    REQUEST.scope(number, work).await
}

/// The same for a task of its own, spawned by a request: a part of that one.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    as_request(REQUEST.try_with(Clone::clone).unwrap_or_default(), work)
}

/// Who did it.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Somebody signed in: id and login.
    User(UserId, String),
    /// A customer's administrator with an invite.
    Customer,
    /// A person of a customer's who is signed in: id, and what they sign in as. The event names the tenant.
    Member(CustomerId, String),
    /// A job of the portal, by name.
    System(&'static str),
    /// The command line.
    Operator,
    /// Nobody known.
    Stranger,
}

/// Who changes something, and from where: what every writing function of the registry is told.
#[derive(Clone, Debug)]
pub struct By {
    pub actor: Actor,
    /// The client's address, where there is a client.
    pub ip: Option<String>,
}

impl By {
    /// An event of theirs.
    pub fn event<'a>(&self, action: &'a str) -> Event<'a> {
        Event::new(self.actor.clone(), action).ip(self.ip.clone())
    }

    /// Their login, or what they are.
    pub fn login(&self) -> &str {
        match &self.actor {
            Actor::User(_, login) | Actor::Member(_, login) => login,
            Actor::Customer => "customer",
            Actor::System(job) => job,
            Actor::Operator => "operator",
            Actor::Stranger => "stranger",
        }
    }

    /// Their user id, if they are signed in.
    pub fn user(&self) -> Option<UserId> {
        match self.actor {
            Actor::User(user, _) => Some(user),
            _ => None,
        }
    }

    /// The id of the customer's person, if it is one who is signed in.
    pub fn customer(&self) -> Option<CustomerId> {
        match self.actor {
            Actor::Member(customer, _) => Some(customer),
            _ => None,
        }
    }
}

/// One thing to record. `before` and `after` must hold no secrets.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    pub actor: Actor,
    /// The client's address, where there is a client.
    pub ip: Option<String>,
    pub tenant: Option<TenantId>,
    /// `noun.verb`: "tenant.create", "consent.declined".
    pub action: &'a str,
    /// What it was done to: an id or a name.
    pub object: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// "ok", "refused" or "failed".
    pub result: &'static str,
}

impl<'a> Event<'a> {
    /// An event that went well and concerns no tenant; set the other fields as needed.
    pub fn new(actor: Actor, action: &'a str) -> Self {
        Self { actor, ip: None, tenant: None, action, object: None, before: None, after: None, result: "ok" }
    }

    /// About one tenant.
    #[must_use]
    pub fn tenant(self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self }
    }

    /// What it was done to.
    #[must_use]
    pub fn object(self, object: impl Into<String>) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    /// From which address.
    #[must_use]
    pub fn ip(self, ip: Option<String>) -> Self {
        Self { ip, ..self }
    }

    /// What it was before, without secrets.
    #[must_use]
    pub fn before(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    /// What it is afterwards, without secrets.
    #[must_use]
    pub fn after(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }

    /// It was refused.
    #[must_use]
    pub fn refused(self) -> Self {
        Self { result: "refused", ..self }
    }
}

/// Appends one event. It exists exactly if the transaction commits.
pub async fn record(tx: &mut Scoped, event: Event<'_>) -> sqlx::Result<()> {
    let (kind, actor, user) = match event.actor {
        Actor::User(id, login) => ("user", login, Some(id)),
        Actor::Customer => ("customer", "customer".to_owned(), None),
        // What they sign in as may be given to somebody else; the id may not.
        Actor::Member(id, login) => ("customer", format!("{login} ({id})"), None),
        Actor::System(job) => ("system", job.to_owned(), None),
        Actor::Operator => ("operator", "command line".to_owned(), None),
        Actor::Stranger => ("stranger", "stranger".to_owned(), None),
    };
    sqlx::query(
        "insert into audit_log (actor_kind, actor, user_id, ip, tenant_id, action, object, before, after, result, request_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(kind)
    .bind(actor)
    .bind(user)
    .bind(event.ip)
    .bind(event.tenant)
    .bind(event.action)
    .bind(event.object)
    .bind(event.before)
    .bind(event.after)
    .bind(event.result)
    .bind(REQUEST.try_with(Clone::clone).ok().filter(|number| !number.is_empty()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// One row of the log as the audit page and the API show it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Entry {
    pub audit_id: i64,
    pub at: DateTime<Utc>,
    pub actor_kind: String,
    pub actor: String,
    pub ip: Option<String>,
    pub tenant_id: Option<TenantId>,
    pub tenant_name: Option<String>,
    pub action: String,
    pub object: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub result: String,
    /// The number of the request that did it, which its answer and the log bear as well; none of what no request did.
    pub request_id: Option<String>,
}

/// What of the log is asked for. What is `None` asks for nothing in particular.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub tenant: Option<TenantId>,
    /// Prefix of the action: "consent." or "tenant.create".
    pub action: Option<String>,
    /// Part of who did it, in any case: of a login, or of the name of a job.
    pub actor: Option<String>,
    /// "ok", "refused" or "failed".
    pub result: Option<String>,
    /// From this time on.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
    /// Rows older than this id.
    pub before: Option<i64>,
}

/// Newest first, at most `limit` rows of the transaction's scope. Rows about no tenant are seen by an all-tenants scope only.
pub async fn list(tx: &mut Scoped, filter: &Filter, limit: i64) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as(
        "select audit_id, at, actor_kind, actor, ip, a.tenant_id, t.name as tenant_name, action, object, before, after, result, request_id
         from audit_log as a left join tenants as t on t.tenant_id = a.tenant_id
         where ($1::uuid is null or a.tenant_id = $1)
           and ($2::text is null or starts_with(action, $2))
           and ($3::bigint is null or audit_id < $3)
           and ($5::text is null or strpos(lower(actor), lower($5)) > 0)
           and ($6::text is null or result = $6)
           and ($7::timestamptz is null or at >= $7) and ($8::timestamptz is null or at < $8)
         order by audit_id desc
         limit $4",
    )
    .bind(filter.tenant)
    .bind(filter.action.as_deref())
    .bind(filter.before)
    .bind(limit)
    .bind(filter.actor.as_deref())
    .bind(filter.result.as_deref())
    .bind(filter.since)
    .bind(filter.until)
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}
