//! What became of a form over several incidents: a line for each tenant, and the failed ones to be tried again.

use super::error::PageError;
use super::extract::{Analyst, Id, Query, User};
use super::filters;
use super::list::Asked;
use super::page::Page;
use super::scope::ScopedDb;
use crate::app::triage::Wish;
use crate::app::{AppState, acting, triage};
use crate::model::{ChangeId, ChangeState, IncidentId, TenantId};
use crate::store;
use crate::store::changes::{self, Change};
use askama::Template;
use axum::Router;
use axum::routing::get;
use serde::Deserialize;
use std::collections::BTreeMap;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/batch/{batch}", get(told))
}

#[derive(Template)]
#[template(path = "incidents_asked.html")]
struct BatchPage {
    user: User,
    tenants: Vec<Row>,
    /// Incidents that failed, for the form that tries them again, with what was wished for.
    failed: Vec<IncidentId>,
    wish: Option<Wish>,
    back: String,
}

impl BatchPage {
    fn fresh() -> ChangeId {
        acting::fresh()
    }

    /// The list's filters, for the form's way back.
    fn filters(&self) -> &str {
        self.back.split_once('?').map_or("", |(_, query)| query)
    }

    fn matched(&self) -> usize {
        self.tenants.iter().map(Row::matched).sum()
    }

    fn waiting(&self) -> usize {
        self.tenants.iter().map(|row| row.waiting).sum()
    }

    fn called_off(&self) -> usize {
        self.tenants.iter().map(|row| row.called_off).sum()
    }

    /// Something happens within seconds; what Microsoft has not told for long is looked at more rarely.
    fn moves(&self) -> bool {
        self.tenants.iter().any(|row| row.moves)
    }

    fn verdict(wish: &Wish) -> String {
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        [word(&wish.classification), word(&wish.determination)].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("/")
    }
}

/// One tenant's part.
#[derive(Default)]
struct Row {
    tenant_id: TenantId,
    tenant: String,
    waiting: usize,
    done: usize,
    failed: usize,
    /// Before they were sent.
    called_off: usize,
    moves: bool,
    /// Incidents of which something is to be said, with what.
    notes: Vec<Note>,
}

struct Note {
    subject: String,
    incident: Option<IncidentId>,
    text: String,
}

impl Row {
    const fn matched(&self) -> usize {
        self.waiting + self.done + self.failed + self.called_off
    }

    fn count(&mut self, incident: Option<IncidentId>, parts: &[Change]) -> bool {
        let failed = parts.iter().any(|part| matches!(part.state, ChangeState::Failed | ChangeState::Lost));
        if failed {
            self.failed += 1;
        } else if parts.iter().any(|part| part.state == ChangeState::Cancelled) {
            self.called_off += 1;
        } else if parts.iter().all(|part| part.state == ChangeState::Done) {
            self.done += 1;
        } else {
            self.waiting += 1;
        }
        self.moves |= parts.iter().any(|part| matches!(part.state, ChangeState::Intended | ChangeState::Sending | ChangeState::Running));
        for part in parts {
            if let Some(text) = part.reason.clone() {
                self.notes.push(Note { subject: part.subject.clone(), incident, text });
            }
        }
        failed
    }
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    back: String,
}

async fn told(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(batch): Id<ChangeId>,
    Query(Back { back }): Query<Back>,
) -> Result<Page<BatchPage>, PageError> {
    let mut tx = db.begin().await?;
    let all = changes::together(&mut tx, &user.by(), batch).await?;
    let wanted: Vec<(TenantId, &str)> = all.iter().map(|(_, change)| (change.tenant_id, change.args[0].as_str())).collect();
    let ids = store::incidents::numbered(&mut tx, &wanted).await?;
    tx.commit().await?;
    if all.is_empty() {
        return Err(PageError::NotFound);
    }
    let ids: BTreeMap<(TenantId, String), IncidentId> = ids.into_iter().map(|(tenant, number, id)| ((tenant, number), id)).collect();
    let wish = all.iter().find_map(|(_, change)| triage::batch::wish_of(change));
    let (tenants, failed) = by_tenant(all, &ids);
    let back = Asked::read("/incidents", &back).map_or_else(|_| "/incidents".to_owned(), |list| list.address.here());
    Ok(Page(BatchPage { user, tenants, failed, wish, back }))
}

/// A row for each tenant, by name, and the incidents that failed.
fn by_tenant(all: Vec<(String, Change)>, ids: &BTreeMap<(TenantId, String), IncidentId>) -> (Vec<Row>, Vec<IncidentId>) {
    let mut parts: BTreeMap<(String, TenantId, String), Vec<Change>> = BTreeMap::new();
    for (tenant, change) in all {
        parts.entry((tenant, change.tenant_id, change.args[0].clone())).or_default().push(change);
    }
    let (mut rows, mut failed): (Vec<Row>, Vec<IncidentId>) = (Vec::new(), Vec::new());
    for ((tenant, tenant_id, number), parts) in parts {
        if rows.last().is_none_or(|row| row.tenant_id != tenant_id) {
            rows.push(Row { tenant_id, tenant, ..Row::default() });
        }
        let incident = ids.get(&(tenant_id, number)).copied();
        if let Some(row) = rows.last_mut()
            && row.count(incident, &parts)
        {
            failed.extend(incident);
        }
    }
    (rows, failed)
}
