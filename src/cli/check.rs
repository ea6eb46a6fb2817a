//! `watchfloor check`

use super::database::Database;
use super::{Usage, keys, say};
use crate::config::{Config, EntraLogin};
use crate::microsoft::{Client, CredentialStatus, LOGIN};
use crate::model::clock::now;
use crate::model::{TenantId, Verdict};
use crate::store::permissions::{self, Permission};
use crate::store::tenants::Tenant;
use crate::store::{Db, DbRole, alarms, tenant_lists, tenants};
use crate::sync;
use crate::sync::verify::{find, rows};
use anyhow::{Context, Result};
use chrono::TimeDelta;
use std::process::ExitCode;

/// A credential that ends within this is worth a word.
const SOON: TimeDelta = TimeDelta::days(30);

/// Check the configuration, the database, and the customers' apps, tokens, permissions and APIs by real calls.
///
/// Prints a table; exit code 1 if anything in it is bad. Without --tenant or --all no call to Microsoft is made. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  watchfloor check --all")]
pub struct Args {
    /// Check this customer.
    #[arg(long, conflicts_with = "all")]
    tenant: Option<TenantId>,
    /// Check every customer with a connected directory.
    #[arg(long)]
    all: bool,
}

pub async fn run(config: &Config, args: Args) -> Result<ExitCode> {
    let microsoft = Client::configured(config, now()).map_err(Usage)?;
    let mut table = Table::default();
    table.row("configuration", true, "every key is valid")?;
    microsoft.look_at_credentials(now()).await;
    for app in microsoft.every_app() {
        for credential in app.credentials(now()) {
            let subject = format!("app {} · {} {}", app.name, credential.kind.to_lowercase(), credential.place);
            let (good, note) = of_credential(&credential);
            table.row(&subject, good, &note)?;
        }
    }
    match database(config).await {
        Ok((database, db)) => {
            table.row("database", true, "reachable, and its schema fits")?;
            let (good, note) = keys::look(config, database.connect(DbRole::Web, 1).await?).await;
            table.row("master keys", good, &note)?;
            let mut tx = db.no_tenant().await?;
            for alarm in alarms::list(&mut tx).await? {
                if alarm.app == LOGIN {
                    table.row(
                        "staff sign-in",
                        false,
                        &format!("the directory does not vouch for staff: {} {}", alarm.reason, alarm.remedy),
                    )?;
                    continue;
                }
                let which = if alarm.credential.is_empty() { "every credential" } else { &alarm.credential };
                table.row(
                    &format!("app {}", alarm.app),
                    !alarm.credential.is_empty(),
                    &format!("Microsoft refuses {which}: {}", alarm.remedy),
                )?;
            }
            tx.commit().await?;
            if args.all
                && let Some(login) = &config.login.entra
            {
                staff(&microsoft, login, &mut table).await?;
            }
            for tenant in chosen(&db, &args).await? {
                let known = known(&db, &tenant).await?;
                customer(&microsoft, &tenant, &known, &mut table).await?;
            }
            db.close().await;
        }
        Err(error) => table.row("database", false, &format!("{error:#}"))?,
    }
    Ok(ExitCode::from(u8::from(table.bad)))
}

fn of_credential(credential: &CredentialStatus) -> (bool, String) {
    if let Some(trouble) = &credential.trouble {
        return (false, trouble.clone());
    }
    match credential.ends_at {
        Some(at) if at <= now() + SOON => (at > now(), format!("it ends on {}", at.date_naive())),
        Some(at) => (true, format!("it is good until {}", at.date_naive())),
        None => (true, "it can be used".to_owned()),
    }
}

/// Works as the worker does, so that its rights are checked too.
async fn database(config: &Config) -> Result<(Database, Db)> {
    let database = Database::ready(config).await?;
    let db = database.connect(DbRole::Worker, 1).await?;
    Ok((database, db))
}

async fn chosen(db: &Db, args: &Args) -> Result<Vec<Tenant>> {
    let mut tx = db.all_tenants().await?;
    if let Some(id) = args.tenant {
        return Ok(vec![tenants::get(&mut tx, id).await?.with_context(|| format!("there is no tenant {id}"))?]);
    }
    let all = if args.all { tenant_lists::full(&mut tx).await? } else { Vec::new() };
    Ok(all.into_iter().filter(|tenant| tenant.directory_id.is_some()).collect())
}

/// What is stored of its permissions: it tells which dear calls were made lately.
async fn known(db: &Db, tenant: &Tenant) -> Result<Vec<Permission>> {
    let mut tx = db.tenant(tenant.tenant_id).await?;
    Ok(permissions::list(&mut tx, tenant.tenant_id).await?)
}

/// What the portal asks about its staff, asked about nobody.
async fn staff(microsoft: &Client, login: &EntraLogin, table: &mut Table) -> Result<()> {
    let users = microsoft.staff_standing(uuid::Uuid::nil(), None, &[], now()).await.map(|_| ());
    let roles = if login.roles.is_empty() { Ok(()) } else { microsoft.staff_roles(now()).await.map(|_| ()) };
    for (what, permission, asked) in [("accounts", "User.Read.All", users), ("app roles", "Directory.Read.All", roles)] {
        let subject = format!("staff sign-in · {what} · {permission}");
        match asked {
            Ok(()) => table.row(&subject, true, "the directory answers")?,
            Err(error) => table.row(&subject, false, &error.reason())?,
        }
    }
    Ok(())
}

/// A token for each product of each app, and a call for each permission.
async fn customer(microsoft: &Client, tenant: &Tenant, known: &[Permission], table: &mut Table) -> Result<()> {
    let Some(target) = sync::target(tenant) else {
        return table.row(&tenant.name, false, "no directory is connected: the customer has not consented yet");
    };
    for app in microsoft.apps().filter(|app| tenant.apps.contains(&app.name)) {
        for (&product, expected) in &app.permissions {
            let finding = find(microsoft, &target, (&app.name, product, expected), known, now()).await;
            for row in rows(&finding, known, false, now()) {
                let subject = format!("{} · {} · {} · {}", tenant.name, app.name, product.label(), row.permission);
                table.row(&subject, row.verdict().is_good(), &told(&row))?;
            }
        }
    }
    Ok(())
}

/// What is known of a permission, and what to do, in one line.
fn told(row: &Permission) -> String {
    let verdict = match (row.verdict(), &row.proof) {
        (Verdict::Works, Some(proof)) => format!("works: {proof}"),
        (verdict, _) => verdict.label().to_lowercase(),
    };
    let answer = row.answer.as_ref().filter(|_| row.verdict() != Verdict::Works).map(|answer| format!(" ({answer})"));
    let rest = [&row.reason, &row.remedy].into_iter().flatten().map(|text| format!(" {text}")).collect::<String>();
    format!("{verdict}{}{}{rest}", answer.unwrap_or_default(), if rest.is_empty() { "" } else { "." })
}

/// What was found, a line each.
#[derive(Default)]
struct Table {
    bad: bool,
}

impl Table {
    fn row(&mut self, subject: &str, good: bool, note: &str) -> Result<()> {
        self.bad |= !good;
        say(format_args!("{} {subject:<60} {note}", if good { "ok " } else { "BAD" }))?;
        Ok(())
    }
}
