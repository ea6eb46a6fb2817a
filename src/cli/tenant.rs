//! `watchfloor tenant …`

use super::{Usage, database, say};
use crate::app::onboarding::known_apps;
use crate::config::Config;
use crate::model::TenantId;
use crate::model::clock::now;
use crate::model::import::{self, Verdict};
use crate::model::registration::{Raw, Registration};
use crate::store::audit::{Actor, By};
use crate::store::{Db, invites, tenant_lists, tenants, tickets};
use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use url::Url;

/// The registry of customers.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example:\n  watchfloor tenant add \"Contoso GmbH\" --domain contoso.com --tag retail\n  watchfloor tenant invite 0193…"
)]
pub enum Args {
    /// Register a customer.
    Add {
        name: String,
        /// The id of its Entra directory, if it is known; a consent from another one is then refused.
        #[arg(long, default_value = "")]
        directory: String,
        #[arg(long, default_value = "")]
        domain: String,
        /// commercial, gcc, gcc_high or dod.
        #[arg(long, default_value = "commercial")]
        cloud: String,
        /// An app of the configuration to ask consent for; may stand several times. Default: every app of the cloud.
        #[arg(long)]
        app: Vec<String>,
        /// May stand several times.
        #[arg(long)]
        tag: Vec<String>,
        #[arg(long, default_value = "")]
        group: String,
        /// Where Defender for Endpoint is asked: us, eu, uk, au, swa, ina, aea, or auto for the fastest. Default: the general address.
        #[arg(long, default_value = "")]
        endpoint_region: String,
        /// The customer's own portal of Defender for Cloud Apps, such as contoso.us2.portal.cloudappsecurity.com.
        #[arg(long, default_value = "")]
        cloud_apps_host: String,
    },
    /// List the customers by name: id, state, name.
    List,
    /// Register every row of a CSV file whose first line names the columns: name, directory_id, domain, cloud, apps, tags, group, contacts,
    /// notes, endpoint_region, cloud_apps_host. Rows that cannot be registered are told and left out; exit code 1 then.
    Import {
        file: PathBuf,
        /// Tell what would happen, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print a new link to the customer's consent page; older links end. Good for 72 hours.
    Invite { id: TenantId },
}

const OPERATOR: By = By { actor: Actor::Operator, ip: None };

pub async fn run(config: &Config, args: Args) -> Result<ExitCode> {
    let (_database, db) = database::open(config).await?;
    let mut code = ExitCode::SUCCESS;
    match args {
        Args::Add { name, directory, domain, cloud, app, tag, group, endpoint_region: region, cloud_apps_host } => {
            let apps = (!app.is_empty()).then_some(app);
            let raw = Raw { name, directory, domain, cloud, apps, tags: tag.join(","), group, region, cloud_apps_host, ..Raw::default() };
            add(&db, &check(config, &raw)?).await?;
        }
        Args::List => list(&db).await?,
        Args::Import { file, dry_run } => code = import(&db, config, &file, dry_run).await?,
        Args::Invite { id } => invite(&db, &config.public_url, id).await?,
    }
    db.close().await;
    Ok(code)
}

fn check(config: &Config, raw: &Raw) -> Result<Registration> {
    raw.check(&known_apps(config)).map_err(|wrong| {
        let all: Vec<String> = wrong.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.why)).collect();
        Usage(anyhow!("{}", all.join(" "))).into()
    })
}

async fn add(db: &Db, new: &Registration) -> Result<()> {
    let tenant = TenantId::new();
    let mut tx = db.all_tenants().await?; // another tenant may hold the directory
    if let Some(directory) = new.directory
        && tenants::holder(&mut tx, directory, None).await?.is_some()
    {
        return Err(tenants::WriteError::DirectoryTaken.into());
    }
    tenants::create(&mut tx, &OPERATOR, tenant, new, now()).await?;
    tx.commit().await?;
    say(tenant)?;
    Ok(())
}

async fn invite(db: &Db, public_url: &Url, tenant: TenantId) -> Result<()> {
    let mut tx = db.tenant(tenant).await?;
    tenants::get(&mut tx, tenant).await?.with_context(|| format!("there is no tenant {tenant}"))?;
    let ticket = tickets::mint(tenant)?;
    invites::create(&mut tx, &OPERATOR, tenant, &ticket, None, now()).await?;
    tx.commit().await?;
    say(public_url.join(&format!("/onboard/{}", ticket.text))?)?;
    Ok(())
}

async fn list(db: &Db) -> Result<()> {
    let mut tx = db.all_tenants().await?;
    for tenant in tenant_lists::full(&mut tx).await? {
        say(format_args!("{} {:<16} {}", tenant.tenant_id, tenant.state.as_str(), tenant.name))?;
    }
    Ok(())
}

async fn import(db: &Db, config: &Config, file: &Path, dry_run: bool) -> Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display())).map_err(Usage)?;
    let mut tx = db.all_tenants().await?;
    let (names, directories) = tenant_lists::registered(&mut tx).await?;
    let rows = import::read(&text, &known_apps(config), &names, &directories).map_err(|why| Usage(anyhow!("{}: {why}", file.display())))?;
    let mut left_out = 0;
    for row in rows {
        let name = row.name.escape_debug(); // a file may hold anything, and this is a terminal
        let told = match row.verdict {
            Verdict::Good(new) => {
                tenants::create(&mut tx, &OPERATOR, TenantId::new(), &new, now()).await?;
                say(format_args!("line {}: registered {name}", row.line))?;
                continue;
            }
            Verdict::Twice => "stands further up in the file".to_owned(),
            Verdict::Registered => "is registered already".to_owned(),
            Verdict::Wrong(wrong) => wrong.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.why)).collect::<Vec<_>>().join(" "),
        };
        left_out += 1;
        say(format_args!("line {}: left out {name}: {told}", row.line))?;
    }
    if dry_run {
        say("Nothing was changed.")?;
    } else {
        tx.commit().await?;
    }
    Ok(ExitCode::from(u8::from(left_out > 0)))
}
