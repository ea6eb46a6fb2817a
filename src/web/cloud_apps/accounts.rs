//! Accounts, which Microsoft calls entities: a list, one of them, and its tree.

use super::{Head, Shown, Told, answer, ask, next_of, path, pretty};
use crate::app::AppState;
use crate::app::cloud_apps::{self, Account};
use crate::model::cloud_apps::{everything, is_id};
use crate::model::{LookupId, TenantId, clock};
use crate::store::lookups::{Lookup, New};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Posted, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

const LIST: &str = "cloud_apps.entities.list";
const GET: &str = "cloud_apps.entities.get";
const TREE: &str = "cloud_apps.entities.tree";

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}/cloud-apps/entities", get(show).post(find))
        .route("/tenants/{tenant}/cloud-apps/entities/one", post(one))
}

/// One account of an answer.
pub(super) struct Row {
    pub account: Account,
    pub key: Option<String>,
    pub json: String,
}

impl Row {
    fn new((account, original): (Account, String)) -> Self {
        Self { key: account.key(), json: pretty(&original), account }
    }

    fn flag(text: Option<&String>) -> bool {
        text.is_some_and(|text| text == "true")
    }

    pub fn is_admin(&self) -> bool {
        Self::flag(self.account.is_admin.as_ref())
    }

    pub fn is_external(&self) -> bool {
        Self::flag(self.account.is_external.as_ref())
    }
}

/// The accounts of a list's answer, and whether there are more. `None`: there is no answer that can be read.
pub(super) fn rows(lookup: &Lookup) -> Option<(Vec<Row>, bool)> {
    let list = cloud_apps::list::<Account>(lookup.answer.as_deref()?)?;
    let unread = list.unread.into_iter().map(|original| (Account::default(), original));
    Some((list.records.into_iter().chain(unread).map(Row::new).collect(), list.more))
}

/// What hangs below an account in its tree, as far as it is named: its shape is not documented.
fn branches(answer: &str) -> Vec<String> {
    let tree: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
    let children = ["children", "accounts", "data"].iter().find_map(|name| tree[*name].as_array());
    let name = |child: &serde_json::Value| {
        let parts = ["appName", "displayName", "id"].iter().filter_map(|name| child[*name].as_str());
        parts.collect::<Vec<_>>().join(" · ")
    };
    children.into_iter().flatten().map(name).filter(|name| !name.is_empty()).collect()
}

#[derive(Template)]
#[template(path = "cloud_apps/entities.html")]
struct AccountsPage {
    user: User,
    head: Head,
    told: Option<Told>,
    lookup: Option<LookupId>,
    rows: Vec<Row>,
    more: bool,
    /// One account or its tree, where that was asked.
    single: Option<(&'static str, Vec<String>, String)>,
}

async fn show(user: User, db: ScopedDb, Id(tenant): Id<TenantId>, Query(shown): Query<Shown>) -> Result<Page<AccountsPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "entities", now).await?;
    let found = answer(&mut tx, tenant, shown.answer, &[LIST, GET, TREE]).await?;
    tx.commit().await?;
    let mut single = None;
    let listed = found.as_ref().and_then(|found| match (found.operation.as_str(), found.answer.as_deref()) {
        (GET, Some(text)) => Some((vec![Row::new((serde_json::from_str(text).unwrap_or_default(), text.to_owned()))], false)),
        (TREE, Some(text)) => {
            single = Some(("The tree of one account", branches(text), pretty(text)));
            None
        }
        _ => rows(found),
    });
    let told = found.as_ref().map(|found| Told::of(found, now, listed.is_some()));
    let (lookup, (rows, more)) = (found.map(|found| found.lookup_id), listed.unwrap_or_default());
    Ok(Page(AccountsPage { user, head, told, lookup, rows, more, single }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    /// all, admins or external.
    #[serde(default)]
    which: String,
    after: Option<LookupId>,
}

async fn find(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, find): Posted<Find>,
) -> Result<Redirect, PageError> {
    let request = match (find.after, find.which.as_str()) {
        (Some(after), _) => next_of(&state, &user, tenant, after, LIST).await?,
        (None, "admins") => json!({"filters": {"isAdmin": {"eq": true}}, "skip": 0, "limit": 100}),
        (None, "external") => json!({"filters": {"isExternal": {"eq": true}}, "skip": 0, "limit": 100}),
        (None, _) => everything(),
    };
    let asked = ask(&state, &user, tenant, &New { operation: LIST, request: Some(request), ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, &format!("entities?answer={}", asked.lookup_id))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    key: String,
    /// "tree", or the account itself.
    #[serde(default)]
    what: String,
}

async fn one(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, One { key, what }): Posted<One>,
) -> Result<Redirect, PageError> {
    if !is_id(&key) {
        return Err(PageError::BadRequest("That is no account's key.".into()));
    }
    let operation = if what == "tree" { TREE } else { GET };
    let asked = ask(&state, &user, tenant, &New { operation, args: &[&key], ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, &format!("entities?answer={}", asked.lookup_id))))
}
