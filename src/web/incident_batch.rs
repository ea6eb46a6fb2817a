//! Changing several incidents from their list, and taking that back.

use super::acting::refused;
use super::error::PageError;
use super::extract::{Analyst, Posted};
use super::scope::ScopedDb;
use super::triage::{given, tags_of, verdict};
use crate::app::AppState;
pub use crate::app::triage::batch::can_change;
use crate::app::triage::batch::{self, Chosen, Undo};
use crate::app::triage::{Now, Wish};
use crate::auth::Person;
use crate::model::{ChangeId, IncidentId};
use crate::store;
use crate::store::Scoped;
use crate::store::audit::By;
use crate::store::incidents::Incident;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::post;
use serde::Deserialize;
use std::collections::BTreeMap;
use url::form_urlencoded;

/// The rows of the longest page.
const MOST: usize = 200;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/batch", post(change)).route("/incidents/batch/undo", post(undo))
}

/// A row of the list that somebody chose: its id, alone or with what the row showed, as [`Picked::value`] writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Picked {
    id: IncidentId,
    shown: Option<Now>,
}

impl Picked {
    /// The value of a row's check box.
    pub fn value(of: &Incident) -> String {
        let Now { status, assigned_to, classification, determination, tags: _ } = of.into();
        format!("{}/{status}/{classification}/{determination}/{assigned_to}", of.incident_id)
    }
}

impl TryFrom<String> for Picked {
    type Error = uuid::Error;
    fn try_from(text: String) -> Result<Self, uuid::Error> {
        let mut parts = text.splitn(5, '/');
        let id = parts.next().unwrap_or_default().parse()?;
        let shown = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(status), Some(classification), Some(determination), Some(owner)) => Some(Now {
                status: status.to_owned(),
                assigned_to: owner.to_owned(),
                classification: classification.to_owned(),
                determination: determination.to_owned(),
                tags: Vec::new(),
            }),
            _ => None,
        };
        Ok(Self { id, shown })
    }
}

/// The form below the list, and those of the dialogs, which leave fields out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchForm {
    change: ChangeId,
    #[serde(default)]
    pub(super) incident: Vec<Picked>,
    #[serde(default)]
    status: String,
    /// "Classification/Determination".
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    take: Option<String>,
    /// Somebody else, as Microsoft names them; empty: the owner stays.
    #[serde(default)]
    assigned_to: String,
    /// These are added to what an incident has.
    #[serde(default)]
    tags: String,
    #[serde(default)]
    comment: String,
    /// The list's filters, as its address has them.
    #[serde(default)]
    back: String,
}

impl BatchForm {
    /// What is wished for; something must be.
    pub(super) fn wish(&self, login: &str) -> Result<Wish, PageError> {
        let (classification, determination) = verdict(&self.verdict);
        let wish = Wish {
            status: given(&self.status),
            assigned_to: if self.take.is_some() { Some(login.to_owned()) } else { given(&self.assigned_to) },
            classification: given(classification),
            determination: given(determination),
            tags: Some(tags_of(&self.tags)).filter(|tags| !tags.is_empty()),
            comment: given(&self.comment),
            ..Wish::default()
        };
        let Wish { status, assigned_to, classification, tags, comment, .. } = &wish;
        if [status, assigned_to, classification, comment].into_iter().all(Option::is_none) && tags.is_none() {
            return Err(PageError::BadRequest(
                "Say what is to change: a status, a verdict, an owner, tags or a comment, or take them.".into(),
            ));
        }
        Ok(wish)
    }
}

/// The chosen incidents, each once; all of them, or none if one is not the reader's.
async fn chosen(tx: &mut Scoped, picked: Vec<Picked>) -> Result<Vec<Chosen>, PageError> {
    let mut shown: BTreeMap<IncidentId, Option<Now>> = picked.into_iter().map(|row| (row.id, row.shown)).collect();
    let found = store::incidents::these(tx, &shown.keys().copied().collect::<Vec<_>>()).await?;
    if found.len() < shown.len() {
        return Err(PageError::NotFound);
    }
    let chosen = |incident: Incident| {
        let mut shown = shown.remove(&incident.incident_id).flatten();
        if let Some(shown) = &mut shown {
            shown.tags.clone_from(&incident.tags); // tags are added to, whatever is there
        }
        Chosen { incident, shown }
    };
    Ok(found.into_iter().map(chosen).collect())
}

/// Writes down what is wished for of these incidents, as the form of this id; nothing if it was done before.
async fn ask(
    tx: &mut Scoped,
    state: &AppState,
    (by, who): (&By, &Person),
    (form, of): (ChangeId, &[Chosen]),
    wish: &Wish,
) -> Result<(), PageError> {
    if batch::known(tx, by, (form, of), wish).await.map_err(refused)? {
        return Ok(());
    }
    if of.iter().any(|chosen| !can_change(&chosen.incident)) {
        return Err(PageError::BadRequest("Only incidents of Defender that were not merged into others can be changed together.".into()));
    }
    let closed = batch::closed(tx, of).await.map_err(refused)?;
    if !closed.is_empty() {
        let are = if closed.len() == 1 { "is" } else { "are" };
        let text =
            format!("{} {are} not read at the moment. Nothing was sent, to no tenant: leave their incidents out.", closed.join(", "));
        return Err(PageError::Conflict(text.into()));
    }
    batch::incidents(tx, (&state.queue, &state.microsoft), (by, who), (form, of), wish).await.map_err(refused)
}

/// Where it is told what became of a form.
fn outcome(form: ChangeId, back: &str) -> Redirect {
    let back: String = form_urlencoded::Serializer::new(String::new()).append_pair("back", back).finish();
    Redirect::to(&format!("/incidents/batch/{form}?{back}"))
}

/// Changes the chosen incidents, each by a change of its own.
async fn change(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Posted(_, form): Posted<BatchForm>,
) -> Result<Redirect, PageError> {
    if form.incident.is_empty() || form.incident.len() > MOST {
        return Err(PageError::BadRequest("Choose from 1 to 200 incidents.".into()));
    }
    let wish = form.wish(&user.login)?;
    let mut tx = db.begin().await?;
    let of = chosen(&mut tx, form.incident).await?;
    ask(&mut tx, &state, (&user.by(), &user), (form.change, &of), &wish).await?;
    tx.commit().await?;
    Ok(outcome(form.change, &form.back))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UndoForm {
    change: ChangeId,
    /// The form to take back, as far as this incident goes.
    batch: ChangeId,
    incident: IncidentId,
}

/// Gives an incident the status back that it had before a form: what was not sent is called off, what was done is changed back, unless
/// somebody else has changed it since.
async fn undo(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Posted(_, undo): Posted<UndoForm>,
) -> Result<Redirect, PageError> {
    let by = user.by();
    let mut tx = db.begin().await?;
    let mut of = chosen(&mut tx, vec![Picked { id: undo.incident, shown: None }]).await?;
    let told = match batch::call_off(&mut tx, &by, undo.batch, &of[0].incident).await.map_err(refused)? {
        None => return Err(PageError::NotFound),
        Some(Undo::Nothing) => undo.batch,
        Some(Undo::Unknown) => {
            let text = "Microsoft is just being told, or its answer is awaited. Nothing was undone: try again in a few seconds.";
            return Err(PageError::Conflict(text.into()));
        }
        Some(Undo::Back(back)) => {
            let (wish, shown) = *back;
            of[0].shown = Some(shown);
            ask(&mut tx, &state, (&by, &user), (undo.change, &of), &wish).await?;
            undo.change
        }
    };
    tx.commit().await?;
    Ok(outcome(told, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_row_says_what_it_showed_or_nothing() {
        let id = "01890000-0000-7000-8000-000000000000";
        let read = |text: &str| Picked::try_from(text.to_owned()).ok();
        assert!(read(id).unwrap().shown.is_none());
        let shown = read(&format!("{id}/Active/TruePositive/Malware/a/b@c.example")).unwrap().shown.unwrap();
        assert_eq!((shown.status.as_str(), shown.assigned_to.as_str()), ("Active", "a/b@c.example"));
        assert!(read("x/Active///").is_none() && read("").is_none());
    }
}
