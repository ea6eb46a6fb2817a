//! `watchfloor user …`

use super::{database, say};
use crate::auth::passwords::{Hasher, check_new};
use crate::auth::second::own;
use crate::auth::{links, secret};
use crate::config::Config;
use crate::model::{Role, UserId};
use crate::store::audit::{Actor, By, Event, record};
use crate::store::users::{self, NewUser};
use crate::store::{Db, Scoped};
use anyhow::{Context, Result, anyhow, ensure};
use clap::Subcommand;
use secrecy::SecretString;
use std::process::ExitCode;
use url::Url;

/// Accounts of staff.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  watchfloor user add ann@example.com --name \"Ann Example\" --role analyst --all-tenants")]
pub enum Args {
    /// Add an account; prints a link with which its owner chooses a password.
    Add {
        /// The sign-in name; an e-mail address is fine.
        login: String,
        #[arg(long)]
        name: String,
        /// admin, lead, responder, analyst or viewer.
        #[arg(long)]
        role: Role,
        /// Sees every tenant, also those to come. Otherwise an administrator grants tenants on the users page.
        #[arg(long)]
        all_tenants: bool,
        /// Read the password from the first line of standard input instead of printing a link.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the accounts.
    List,
    /// End an account's sessions and tokens and let it sign in no more.
    Disable { login: String },
    /// Print a link with which the account's owner chooses a new password; good for 30 minutes.
    Reset {
        login: String,
        /// Remove the account's second factors instead and end its sessions and tokens; it sets a new one up at the next sign-in.
        #[arg(long)]
        second_factor: bool,
    },
}

pub async fn run(config: &Config, args: Args) -> Result<ExitCode> {
    let (_database, db) = database::open(config).await?;
    match args {
        Args::Add { login, name, role, all_tenants, password_stdin } => {
            let password = if password_stdin { Some(first_line()?) } else { None };
            add(&db, &config.public_url, (&login, &name), role, all_tenants, password).await?;
        }
        Args::List => list(&db).await?,
        Args::Disable { login } => disable(&db, &login).await?,
        Args::Reset { login, second_factor: true } => reset_factors(&db, &login).await?,
        Args::Reset { login, second_factor: false } => reset(&db, &config.public_url, &login).await?,
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

fn first_line() -> Result<SecretString> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned().into())
}

async fn add(
    db: &Db,
    public_url: &Url,
    (login, name): (&str, &str),
    role: Role,
    all_tenants: bool,
    password: Option<SecretString>,
) -> Result<()> {
    let login = login.trim().to_lowercase();
    ensure!(
        !login.is_empty() && login.len() <= 254 && !login.contains(char::is_whitespace),
        "the sign-in name must have 1 to 254 characters and no spaces"
    );
    let by_link = password.is_none();
    let password = match password {
        Some(password) => {
            check_new(&password, &[&login, name]).map_err(|why| anyhow!("the password is refused: {why}"))?;
            password
        }
        None => secret::random()?, // known to nobody; the link replaces it
    };
    let password_hash = Hasher::default().hash(&password).await?;
    let mut tx = db.no_tenant().await?;
    let new = NewUser { login: &login, display_name: name.trim(), role, all_tenants, password_hash: &password_hash };
    let user = users::insert(&mut tx, &new).await?.with_context(|| format!("there is an account {login} already"))?;
    record(&mut tx, Event::new(Actor::Operator, "user.create").object(&login)).await?;
    let link = if by_link { Some(links::reset(&mut tx, public_url, user).await?) } else { None };
    tx.commit().await?;
    say(format_args!("Added {login}."))?;
    if let Some(link) = link {
        say(format_args!("Its owner chooses a password within 30 minutes at {link}"))?;
    }
    Ok(())
}

async fn list(db: &Db) -> Result<()> {
    let mut tx = db.no_tenant().await?;
    for user in users::list(&mut tx).await? {
        let reach = if user.all_tenants { "all tenants" } else { "granted tenants" };
        let state = if user.disabled_at.is_some() { "disabled" } else { "active" };
        let from = if user.is_of_entra() { "Microsoft" } else { "password" };
        say(format_args!("{:<32} {:<8} {reach:<16} {state:<9} {from:<10} {}", user.login, user.role.as_str(), user.display_name))?;
    }
    Ok(())
}

async fn find(tx: &mut Scoped, login: &str) -> Result<UserId> {
    users::find_by_login(tx, &login.trim().to_lowercase()).await?.with_context(|| format!("there is no account {login}"))
}

async fn disable(db: &Db, login: &str) -> Result<()> {
    let mut tx = db.no_tenant().await?;
    let user = find(&mut tx, login).await?;
    ensure!(users::has_other_admin(&mut tx, user).await?, "{login} is the last administrator who can sign in: add another one first");
    users::set_disabled(&mut tx, user, true).await?;
    record(&mut tx, Event::new(Actor::Operator, "user.disable").object(login)).await?;
    tx.commit().await?;
    say(format_args!("Disabled {login}; its sessions and tokens have ended."))?;
    Ok(())
}

async fn reset(db: &Db, public_url: &Url, login: &str) -> Result<()> {
    let mut tx = db.no_tenant().await?;
    let user = find(&mut tx, login).await?;
    let account = users::find(&mut tx, user).await?.with_context(|| format!("there is no account {login}"))?;
    ensure!(!account.is_of_entra(), "{login} signs in with Microsoft and has no password here");
    let link = links::reset(&mut tx, public_url, user).await?;
    record(&mut tx, Event::new(Actor::Operator, "user.reset_link").object(login)).await?;
    tx.commit().await?;
    say(format_args!("{login} chooses a new password within 30 minutes at {link}"))?;
    Ok(())
}

async fn reset_factors(db: &Db, login: &str) -> Result<()> {
    let mut tx = db.no_tenant().await?;
    let user = find(&mut tx, login).await?;
    let by = By { actor: Actor::Operator, ip: None };
    ensure!(own::reset(&mut tx, &by, user, login).await?, "{login} has no second factor here");
    tx.commit().await?;
    say(format_args!("Removed the second factors of {login}; its sessions and tokens have ended."))?;
    Ok(())
}
