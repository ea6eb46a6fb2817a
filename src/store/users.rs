//! Users and the tenants they may see.

use super::Scoped;
use super::sessions::Behind;
use crate::model::words::words;
use crate::model::{Role, TenantId, UserId};
use chrono::{DateTime, Utc};
use uuid::Uuid;

words! {
    /// Colours of the pages.
    Theme {
        /// As the browser says.
        System = "system",
        Light = "light",
        Dark = "dark",
    }
}

words! {
    /// Height of the rows.
    Density {
        Comfortable = "comfortable",
        Compact = "compact",
    }
}

impl Theme {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::System => "Auto",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }
}

impl Density {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Comfortable => "Comfortable",
            Self::Compact => "Compact",
        }
    }
}

/// Who a session or an API token belongs to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Identity {
    pub user_id: UserId,
    pub login: String,
    pub display_name: String,
    pub role: Role,
    pub all_tenants: bool,
    pub theme: Theme,
    pub density: Density,
    /// Whether single keys do things on pages.
    pub keys: bool,
    /// When they said last that they have seen what had changed.
    pub looked_at: Option<DateTime<Utc>>,
    /// Those that are seen, see [`super::reach`]; empty where `all_tenants` is set.
    pub tenants: Vec<TenantId>,
    /// The administrator in whose session this is, where that shows the portal as somebody else sees it.
    #[sqlx(json(nullable), default)]
    pub behind: Option<Behind>,
}

/// A user as administrators see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    pub user_id: UserId,
    pub login: String,
    pub display_name: String,
    pub role: Role,
    pub all_tenants: bool,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub locked_until: Option<DateTime<Utc>>,
    /// How many second factors there are here.
    pub factors: i64,
    /// Who it is in the provider's own directory; `None`: an account of the portal, with a password.
    pub entra_object: Option<Uuid>,
    /// Of any session that has not ended.
    pub last_seen_at: Option<DateTime<Utc>>,
    pub tenant_groups: Vec<String>,
    /// Whether a tenant of the transaction's scope is denied to this user.
    pub has_denied: bool,
}

impl Account {
    /// Which tenants they see, for people.
    pub fn sees(&self) -> &'static str {
        match (self.all_tenants, self.role == Role::Admin || !self.has_denied, self.tenant_groups.is_empty()) {
            (true, true, _) => "All tenants",
            (true, false, _) => "All tenants but some",
            (false, _, false) => "Groups of tenants",
            (false, _, true) => "Some tenants",
        }
    }

    /// Whether it signs in at Entra, which then says its name and its role.
    pub const fn is_of_entra(&self) -> bool {
        self.entra_object.is_some()
    }
}

/// The columns of [`Account`].
macro_rules! account {
    () => {
        "select u.*, (select max(s.last_seen_at) from sessions as s where s.user_id = u.user_id) as last_seen_at,
                (select count(*) from factors as f where f.user_id = u.user_id) as factors,
                exists (select from grants as g where g.user_id = u.user_id and g.denied) as has_denied,
                (select a.locked_until from sign_in_attempts as a where a.login_hash = sha256(convert_to(u.login, 'UTF8'))) as locked_until
         from users as u "
    };
}

/// A user to be made. Administrators always see all tenants.
#[derive(Clone, Debug)]
pub struct NewUser<'a> {
    /// Lower case.
    pub login: &'a str,
    pub display_name: &'a str,
    pub role: Role,
    pub all_tenants: bool,
    pub password_hash: &'a str,
}

/// Adds a user. `None` if the login is taken.
pub async fn insert(tx: &mut Scoped, user: &NewUser<'_>) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar(
        "insert into users (user_id, login, display_name, role, all_tenants, password_hash)
         values ($1, $2, $3, $4, $5 or $4 = 'admin', $6) on conflict (login) do nothing returning user_id",
    )
    .bind(UserId::new())
    .bind(user.login)
    .bind(user.display_name)
    .bind(user.role)
    .bind(user.all_tenants)
    .bind(user.password_hash)
    .fetch_optional(&mut **tx)
    .await
}

/// Everybody, by login; at most 1,000.
pub async fn list(tx: &mut Scoped) -> sqlx::Result<Vec<Account>> {
    sqlx::query_as(concat!(account!(), "order by login limit 1000")).fetch_all(&mut **tx).await
}

/// One user by id.
pub async fn find(tx: &mut Scoped, user: UserId) -> sqlx::Result<Option<Account>> {
    sqlx::query_as(concat!(account!(), "where user_id = $1")).bind(user).fetch_optional(&mut **tx).await
}

/// Who somebody is now, unless disabled; of the tenants that they see, those in the transaction's scope.
pub async fn identity(tx: &mut Scoped, user: UserId) -> sqlx::Result<Option<Identity>> {
    sqlx::query_as(
        "select u.user_id, u.login, u.display_name, u.role, u.theme, u.density, u.keys, u.looked_at,
                r.reach is null as all_tenants, coalesce(r.reach, '{}') as tenants
         from users as u cross join lateral (select reach_of(u) as reach offset 0) as r where u.user_id = $1 and u.disabled_at is null",
    )
    .bind(user)
    .fetch_optional(&mut **tx)
    .await
}

/// The id behind a login (lower case).
pub async fn find_by_login(tx: &mut Scoped, login: &str) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar("select user_id from users where login = $1").bind(login).fetch_optional(&mut **tx).await
}

/// Whether there is an administrator who can sign in.
pub async fn any_admin(tx: &mut Scoped) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from users where role = 'admin' and disabled_at is null)").fetch_one(&mut **tx).await
}

/// Whether another administrator could still sign in if this one could not. Locks the administrators until the transaction ends,
/// so that two of them cannot remove each other at once.
pub async fn has_other_admin(tx: &mut Scoped, user: UserId) -> sqlx::Result<bool> {
    let admins: Vec<UserId> =
        sqlx::query_scalar("select user_id from users where role = 'admin' and disabled_at is null order by user_id for update")
            .fetch_all(&mut **tx)
            .await?;
    Ok(admins.into_iter().any(|admin| admin != user))
}

/// Changes name, role and reach. Sessions end, because what they may do has changed. The caller protects the last administrator with
/// [`has_other_admin`]. False if there is no such user.
pub async fn change(tx: &mut Scoped, user: UserId, display_name: &str, role: Role, all_tenants: bool) -> sqlx::Result<bool> {
    let changed = sqlx::query("update users set display_name = $2, role = $3, all_tenants = $4 or $3 = 'admin' where user_id = $1")
        .bind(user)
        .bind(display_name)
        .bind(role)
        .bind(all_tenants)
        .execute(&mut **tx)
        .await?;
    shut_out(tx, user).await?;
    Ok(changed.rows_affected() == 1)
}

/// Disables or enables. Disabling ends sessions and revokes API tokens. The caller protects the last administrator.
pub async fn set_disabled(tx: &mut Scoped, user: UserId, disabled: bool) -> sqlx::Result<bool> {
    let changed = sqlx::query("update users set disabled_at = case when $2 then now() end where user_id = $1")
        .bind(user)
        .bind(disabled)
        .execute(&mut **tx)
        .await?;
    shut_out(tx, user).await?;
    Ok(changed.rows_affected() == 1)
}

/// Sets a new password, ends every session and revokes every API token. An account of Entra's never gets one.
pub async fn set_password(tx: &mut Scoped, user: UserId, password_hash: &str) -> sqlx::Result<()> {
    sqlx::query("update users set password_hash = $2 where user_id = $1 and password_hash is not null")
        .bind(user)
        .bind(password_hash)
        .execute(&mut **tx)
        .await?;
    shut_out(tx, user).await
}

/// Ends every session, also those that show the portal as this user sees it, and whatever was begun, revokes every API token, and makes every link
/// for a new password void.
pub async fn shut_out(tx: &mut Scoped, user: UserId) -> sqlx::Result<()> {
    super::flows::end(tx, user).await?;
    sqlx::query("delete from sessions where user_id = $1 or views_as = $1").bind(user).execute(&mut **tx).await?;
    super::api_tokens::revoke_of(tx, user).await?;
    super::sessions::void_links(tx, user).await
}

/// Keeps how a user likes the pages.
pub async fn set_appearance(tx: &mut Scoped, user: UserId, theme: Theme, density: Density, keys: bool) -> sqlx::Result<()> {
    sqlx::query("update users set theme = $2, density = $3, keys = $4 where user_id = $1")
        .bind(user)
        .bind(theme)
        .bind(density)
        .bind(keys)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes that a user has seen what had changed until `at`. The mark moves forward only, and never into the future.
pub async fn looked(tx: &mut Scoped, user: UserId, at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update users set looked_at = greatest(looked_at, least($2, now())) where user_id = $1")
        .bind(user)
        .bind(at)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The user with this login (lower case) and the hash of their password; none of somebody who is disabled or has no password.
pub async fn credential(tx: &mut Scoped, login: &str) -> sqlx::Result<Option<(UserId, String)>> {
    if login.contains('\0') {
        return Ok(None); // no text of PostgreSQL's
    }
    sqlx::query_as("select user_id, password_hash from users where login = $1 and password_hash is not null and disabled_at is null")
        .bind(login)
        .fetch_optional(&mut **tx)
        .await
}

/// The user, if their password still has this hash and they are not disabled; neither changes until the transaction ends.
pub async fn with_password(tx: &mut Scoped, user: UserId, password_hash: &str) -> sqlx::Result<Option<Account>> {
    let locked: Option<UserId> =
        sqlx::query_scalar("select user_id from users where user_id = $1 and password_hash = $2 and disabled_at is null for update")
            .bind(user)
            .bind(password_hash)
            .fetch_optional(&mut **tx)
            .await?;
    match locked {
        Some(user) => find(tx, user).await,
        None => Ok(None),
    }
}

/// The user, unless disabled. What proves who they are does not change until the transaction ends.
pub async fn hold(tx: &mut Scoped, user: UserId) -> sqlx::Result<Option<Account>> {
    let locked: Option<UserId> = sqlx::query_scalar("select user_id from users where user_id = $1 and disabled_at is null for update")
        .bind(user)
        .fetch_optional(&mut **tx)
        .await?;
    match locked {
        Some(user) => find(tx, user).await,
        None => Ok(None),
    }
}

/// Another hash of the same password.
pub async fn set_hash(tx: &mut Scoped, user: UserId, password_hash: &str) -> sqlx::Result<()> {
    sqlx::query("update users set password_hash = $2 where user_id = $1").bind(user).bind(password_hash).execute(&mut **tx).await?;
    Ok(())
}
