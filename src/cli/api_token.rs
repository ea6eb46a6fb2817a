//! `watchfloor api-token …`

use super::{Usage, database, say};
use crate::auth::api_tokens;
use crate::config::Config;
use crate::model::{Role, TenantId, TokenId};
use crate::store::api_tokens::Limits;
use crate::store::audit::{Actor, Event, record};
use crate::store::{self, Db, users};
use anyhow::{Context, Result, anyhow, ensure};
use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;
use std::process::ExitCode;

/// Tokens for the JSON API. A token acts as its account: with the same role, for the same tenants, or with less.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  watchfloor api-token create ann@example.com --name ticketing --days 90 --role viewer")]
pub enum Args {
    /// Make a token and print it, this once.
    Create {
        /// The account it acts as.
        login: String,
        /// What it is for.
        #[arg(long)]
        name: String,
        /// How long it works.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i32).range(1..=365))]
        days: i32,
        /// What it may do at most; without it, what the account may.
        #[arg(long)]
        role: Option<Role>,
        /// A tenant that it is for; may be given several times. Without it, those of the account. Takes a role of responder, analyst or viewer.
        #[arg(long = "tenant", value_name = "ID")]
        tenants: Vec<TenantId>,
    },
    /// List the tokens, newest first.
    List,
    /// End a token, by the id that `list` shows.
    Revoke { id: TokenId },
}

pub async fn run(config: &Config, args: Args) -> Result<ExitCode> {
    let (_database, db) = database::open(config).await?;
    match args {
        Args::Create { login, name, days, role, tenants } => {
            let limits = Limits { role, tenants: Some(tenants).filter(|tenants| !tenants.is_empty()) };
            create(&db, &login, (&name, days), &limits).await?;
        }
        Args::List => list(&db).await?,
        Args::Revoke { id } => revoke(&db, id).await?,
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn create(db: &Db, login: &str, (name, days): (&str, i32), limits: &Limits) -> Result<()> {
    if limits.tenants.is_some() && !limits.role.is_some_and(|role| Role::Responder.allows(role)) {
        return Err(Usage(anyhow!("a token for some tenants keeps no registry: give it --role viewer, analyst or responder")).into());
    }
    let mut tx = db.all_tenants().await?;
    for &tenant in limits.tenants.iter().flatten() {
        ensure!(store::tenants::get(&mut tx, tenant).await?.is_some(), "there is no tenant {tenant}");
    }
    let user = users::find_by_login(&mut tx, &login.to_lowercase()).await?.with_context(|| format!("there is no account {login}"))?;
    let (id, token) = api_tokens::create(&mut tx, user, name, days, limits).await?;
    let after = json!({ "login": login, "name": name, "role": limits.role, "tenants": limits.tenants });
    record(&mut tx, Event::new(Actor::Operator, "api_token.create").object(id.to_string()).after(after)).await?;
    tx.commit().await?;
    say(token.expose_secret())?;
    Ok(())
}

async fn list(db: &Db) -> Result<()> {
    let mut tx = db.no_tenant().await?;
    for token in store::api_tokens::list(&mut tx, None).await? {
        let until = match token.revoked_at {
            Some(at) => format!("revoked {}", at.date_naive()),
            None => format!("until {}", token.expires_at.date_naive()),
        };
        let role = token.role.map_or("", Role::label);
        let tenants = token.tenants.map_or_else(String::new, |tenants| format!("tenants: {}", tenants.len()));
        say(format_args!("{} {:<32} {until:<18} {role:<8} {tenants:<12} {}", token.token_id, token.login, token.name))?;
    }
    Ok(())
}

async fn revoke(db: &Db, id: TokenId) -> Result<()> {
    let mut tx = db.no_tenant().await?;
    ensure!(store::api_tokens::revoke(&mut tx, id).await?, "there is no such token that could still be used");
    record(&mut tx, Event::new(Actor::Operator, "api_token.revoke").object(id.to_string())).await?;
    tx.commit().await?;
    say("Revoked.")?;
    Ok(())
}
