//! The form that changes an incident or alert: what of it is sent, and how it comes back when it cannot be.

use super::acting::refused;
use super::error::PageError;
use super::extract::{Analyst, Id, Posted};
use super::scope::ScopedDb;
use super::{alert, incident};
use crate::app::AppState;
use crate::app::acting::{self, Refusal};
use crate::app::triage::{self, Now, Wish};
use crate::model::verdict::Words;
use crate::model::visible;
use crate::model::{AlertId, ChangeId, IncidentId};
use crate::store;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/{id}", post(change_incident)).route("/alerts/{id}", post(change_alert))
}

/// The form as the browser sends it. `was_…`: what the page showed; whoever shows anything sends `was_verdict`, which is never empty. An
/// empty field is no field to the reader of forms.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    change: ChangeId,
    /// Empty: as it is.
    status: String,
    assigned_to: String,
    #[serde(default)]
    take: Option<String>,
    /// "Classification" or "Classification/Determination"; empty: as it is.
    verdict: String,
    #[serde(default)]
    tags: String,
    comment: String,
    #[serde(default)]
    was_status: String,
    #[serde(default)]
    was_owner: String,
    #[serde(default)]
    was_verdict: Option<String>,
    #[serde(default)]
    was_tags: String,
}

/// A text that is not empty.
pub fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Classification and determination of a form's word.
pub fn verdict(word: &str) -> (&str, &str) {
    word.split_once('/').unwrap_or((word, ""))
}

/// Tags with commas between, each once however it is written.
pub fn tags_of(text: &str) -> Vec<String> {
    visible::each_once(text.split(','))
}

impl Sent {
    /// What the person changed, and what they saw.
    fn wish(&self, login: &str) -> Wish {
        let (classification, determination) = verdict(&self.verdict);
        let owner = if self.take.is_some() { login } else { self.assigned_to.trim() };
        Wish {
            status: given(&self.status),
            assigned_to: self.is_other_owner(owner).then(|| owner.to_owned()),
            classification: given(classification),
            determination: given(determination),
            tags: self.has_other_tags().then(|| tags_of(&self.tags)),
            comment: given(&self.comment),
            shown: self.shown(),
            ..Wish::default()
        }
    }

    fn is_other_owner(&self, owner: &str) -> bool {
        self.was_verdict.is_none() || self.was_owner.trim() != owner.trim()
    }

    fn has_other_tags(&self) -> bool {
        if self.was_verdict.is_some() { tags_of(&self.was_tags) != tags_of(&self.tags) } else { !self.tags.is_empty() }
    }

    fn shown(&self) -> Option<Now> {
        let (classification, determination) = verdict(self.was_verdict.as_deref()?);
        Some(Now {
            status: self.was_status.clone(),
            assigned_to: self.was_owner.clone(),
            classification: classification.to_owned(),
            determination: determination.to_owned(),
            // One text, which is how they are compared.
            tags: Some(self.was_tags.clone()).filter(|tags| !tags.is_empty()).into_iter().collect(),
        })
    }
}

/// The form as a page shows it.
pub struct Form {
    pub path: String,
    pub words: Words,
    pub tenant: String,
    /// Whether there are tags.
    pub tagged: bool,
    /// What is there now: with it the form begins, and it comes back with the form.
    pub now: Now,
    pub change: ChangeId,
    /// What is chosen; empty: as it is.
    pub status: String,
    pub owner: String,
    pub verdict: String,
    pub tags: String,
    pub comment: String,
    pub problem: Option<String>,
    /// Which field the problem is with.
    pub wrong: Option<&'static str>,
}

impl Form {
    /// For what is there `now`; `back`: what was sent, and why it was refused.
    pub fn new(path: String, tenant: &str, (words, tagged): (Words, bool), now: Now, back: Option<(Sent, Refusal)>) -> Self {
        let (owner, tags, tenant) = (now.assigned_to.clone(), now.tags.join(", "), tenant.to_owned());
        let (change, empty) = (acting::fresh(), String::new);
        let mut form = Self {
            path,
            words,
            tenant,
            tagged,
            now,
            change,
            status: empty(),
            owner,
            verdict: empty(),
            tags,
            comment: empty(),
            problem: None,
            wrong: None,
        };
        if let Some((sent, refusal)) = back {
            form.fill(sent, &refusal);
        }
        form
    }

    /// What the person changed stays; all else is as it is now.
    fn fill(&mut self, sent: Sent, refusal: &Refusal) {
        self.problem = Some(match refusal {
            Refusal::Changed(members) => format!(
                "Somebody has changed this since you opened the page: {}. Nothing was sent. Look at it, and save if you still mean it.",
                self.now.told(members)
            ),
            Refusal::Wrong(_, why) => (*why).to_owned(),
            other => other.to_string(),
        });
        if let Refusal::Wrong(field, _) = refusal {
            self.wrong = Some(*field);
        }
        if sent.is_other_owner(&sent.assigned_to) {
            self.owner.clone_from(&sent.assigned_to);
        }
        if sent.has_other_tags() {
            self.tags.clone_from(&sent.tags);
        }
        (self.status, self.verdict, self.comment) = (sent.status, sent.verdict, sent.comment);
    }

    /// The verdict as the form's hidden field holds it.
    pub fn verdict_now(&self) -> String {
        format!("{}/{}", self.now.classification, self.now.determination)
    }

    /// The tags as the form's hidden field holds them.
    pub fn tags_now(&self) -> String {
        self.now.tags.join(", ")
    }

    /// The verdict for people; empty: none yet.
    pub fn verdict_label(&self) -> String {
        let words = [&self.now.classification, &self.now.determination];
        words.into_iter().filter(|word| !word.is_empty()).map(|word| super::show::words(word)).collect::<Vec<_>>().join(", ")
    }

    /// Whether the problem is with the verdict.
    pub fn is_verdict_wrong(&self) -> bool {
        matches!(self.wrong, Some("classification" | "determination"))
    }

    /// Whether the problem is with the comment.
    pub fn is_comment_wrong(&self) -> bool {
        self.wrong == Some("comment")
    }

    /// Whether this verdict is chosen.
    pub fn is_chosen(&self, classification: &str, determination: &str) -> bool {
        verdict(&self.verdict) == (classification, determination)
    }
}

/// The status of a page that shows a refused form again; other refusals are pages of their own.
fn again(refusal: &Refusal) -> Option<StatusCode> {
    match refusal {
        Refusal::Wrong(..) => Some(StatusCode::UNPROCESSABLE_ENTITY),
        Refusal::Changed(_) => Some(StatusCode::CONFLICT),
        _ => None,
    }
}

async fn change_incident(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<IncidentId>,
    Posted(_, form): Posted<Sent>,
) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let of = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let outcome = triage::incident(&mut tx, &state, (&user.by(), &user), &of, form.change, &form.wish(&user.login)).await;
    let Err(refusal) = outcome else {
        tx.commit().await?;
        return Ok(Redirect::to(&format!("/incidents/{id}")).into_response());
    };
    drop(tx);
    match again(&refusal) {
        Some(status) => {
            Ok((status, incident::page(&db, user, id, incident::Back::Change(Box::new((form, refusal)))).await?).into_response())
        }
        None => Err(refused(refusal)),
    }
}

async fn change_alert(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<AlertId>,
    Posted(_, form): Posted<Sent>,
) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let of = store::alerts::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let outcome = triage::alert(&mut tx, &state, (&user.by(), &user), &of, form.change, &form.wish(&user.login)).await;
    let Err(refusal) = outcome else {
        tx.commit().await?;
        return Ok(Redirect::to(&format!("/alerts/{id}")).into_response());
    };
    drop(tx);
    match again(&refusal) {
        Some(status) => Ok((status, alert::page(&db, user, id, Some((form, refusal))).await?).into_response()),
        None => Err(refused(refusal)),
    }
}
