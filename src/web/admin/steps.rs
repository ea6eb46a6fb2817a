//! How far the onboarding of a tenant is: seven steps, each with what happened and what to do.

use super::consents::AppLine;
use crate::model::{ConsentOutcome, ConsentStep, PermissionState, SyncHealth, TenantState};
use crate::store::consents::Attempt;
use crate::store::coverage::Coverage;
use crate::store::entries::Entry;
use crate::store::invites::Invite;
use crate::store::permissions::Permission;
use crate::store::tenants::Tenant;
use crate::web::show::left;
use chrono::{DateTime, Utc};

/// What is known of a tenant's onboarding.
#[derive(Debug)]
pub(super) struct Known {
    pub tenant: Tenant,
    pub invite: Option<Invite>,
    /// Newest first.
    pub attempts: Vec<Attempt>,
    pub apps: Vec<AppLine>,
    /// The directory that staff entered and somebody else must confirm.
    pub entry: Option<Entry>,
    pub permissions: Vec<Permission>,
    pub coverage: Vec<Coverage>,
    pub now: DateTime<Utc>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub title: &'static str,
    pub mark: Mark,
    /// What happened.
    pub text: String,
    /// What to do, where there is something to do.
    pub remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Done,
    Now,
    Failed,
    Next,
}

impl Mark {
    pub const fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "now",
            Self::Failed => "failed",
            Self::Next => "next",
        }
    }

    /// For readers who do not see the colours.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "under way",
            Self::Failed => "needs attention",
            Self::Next => "to come",
        }
    }
}

fn step(title: &'static str, mark: Mark, text: impl Into<String>) -> Step {
    Step { title, mark, text: text.into(), remedy: None }
}

impl Step {
    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl Known {
    /// All steps in their order.
    pub fn steps(&self) -> Vec<Step> {
        vec![self.details(), self.services(), self.link(), self.waiting(), self.approval(), self.tests(), self.first_sync()]
    }

    /// The newest link can be opened.
    pub fn has_open_link(&self) -> bool {
        self.invite.as_ref().is_some_and(|invite| invite.is_valid(self.now))
    }

    /// The customer has consented to this app, whoever saw it happen: what it may do is known.
    pub fn is_consented(&self, app: &AppLine) -> bool {
        self.permissions.iter().any(|row| row.app == app.name && row.state == PermissionState::Granted)
    }

    fn is_bound(&self) -> bool {
        self.tenant.directory_id.is_some()
    }

    fn details(&self) -> Step {
        let text = match (self.tenant.directory_id, self.tenant.expected_directory_id) {
            (Some(id), _) => format!("The directory {id} is bound."),
            (None, Some(id)) => format!("The directory {id} is expected; a consent from another is refused."),
            (None, None) => "The directory is learnt at consent; you approve it then.".to_owned(),
        };
        step("Details", Mark::Done, text)
    }

    fn services(&self) -> Step {
        if self.tenant.apps.is_empty() {
            return step("Services", Mark::Failed, "No app is chosen.").remedy("Choose below what the customer is asked for.");
        }
        step("Services", Mark::Done, format!("Asked for: {}.", self.tenant.apps.join(", ")))
    }

    fn link(&self) -> Step {
        let Some(invite) = &self.invite else {
            if self.is_bound() {
                return step("Link", Mark::Done, "None is needed: the directory is bound.");
            }
            return step("Link", Mark::Now, "No link was made yet.").remedy("Make a link and send it to an administrator of the customer.");
        };
        if invite.used_at.is_some() {
            step("Link", Mark::Done, "The link was used.")
        } else if invite.revoked_at.is_some() {
            step("Link", Mark::Failed, "The link was revoked.").remedy("Make a new link when the customer is to try again.")
        } else if self.now >= invite.expires_at {
            step("Link", Mark::Failed, "The link is too old.").remedy("Make a new link and send it again.")
        } else {
            step("Link", Mark::Done, format!("The link works for {} more.", left(invite.expires_at - self.now)))
        }
    }

    fn waiting(&self) -> Step {
        const TITLE: &str = "Consent";
        if let Some(entry) = &self.entry {
            return if entry.is_proven() {
                step(TITLE, Mark::Done, "Approved: a token of the entered directory names permissions.")
            } else {
                step(TITLE, Mark::Now, "No token of the entered directory names a permission yet.")
                    .remedy("Ask the customer whether it accepted; then check permissions again.")
            };
        }
        if self.is_bound() {
            let open: Vec<&str> = self.apps.iter().filter(|app| app.has_failed()).map(|app| app.name.as_str()).collect();
            return if open.is_empty() {
                step(TITLE, Mark::Done, "Approved, and the directory is confirmed.")
            } else {
                step(TITLE, Mark::Failed, format!("The directory is confirmed; not approved: {}.", open.join(", ")))
                    .remedy("Each app below says why. The rest goes on.")
            };
        }
        let Some(invite) = &self.invite else { return step(TITLE, Mark::Next, "Waits for the link.") };
        let Some(last) = self.attempts.iter().find(|attempt| attempt.invite_id == invite.invite_id) else {
            return match invite.opened_at {
                Some(_) => step(TITLE, Mark::Now, "The customer has opened the link and has not gone to Microsoft yet."),
                None => step(TITLE, Mark::Now, "The customer has not opened the link yet."),
            };
        };
        let silent = self.apps.iter().any(|app| app.name == last.app && !app.form.comes_back());
        match last.outcome {
            Some(ConsentOutcome::Reported) => step(TITLE, Mark::Now, "The customer says it accepted, by a link that does not come back.")
                .remedy("Enter its directory id below. A token proves the consent, and a second person confirms it."),
            Some(ConsentOutcome::Skipped) => step(TITLE, Mark::Now, "The customer skipped an optional app; the rest is still to come."),
            None if silent => step(TITLE, Mark::Now, "The customer went to Microsoft by a link that does not come back.")
                .remedy("They tell us on their page once they accepted; or enter the directory id below when they told you."),
            None if self.now >= last.expires_at => step(TITLE, Mark::Failed, "No answer came back from Microsoft.").remedy(
                "Microsoft keeps some refusals to itself: most often the account is no administrator (\"Need admin approval\"). Ask the \
                 customer what the page said; the link can be opened again.",
            ),
            None => step(TITLE, Mark::Now, "The customer is at Microsoft; no answer yet."),
            Some(ConsentOutcome::Granted) if last.step == ConsentStep::AdminConsent => {
                step(TITLE, Mark::Now, "Approved for an app; the rest, or the sign-in that proves the directory, is still to come.")
            }
            Some(outcome) => {
                let number = last.aadsts.map(|number| format!(" (AADSTS{number})")).unwrap_or_default();
                let failed = step(TITLE, Mark::Failed, format!("{}{number}.", outcome.label()));
                failed.remedy(last.error.clone().unwrap_or_else(|| "The customer can open the link again.".to_owned()))
            }
        }
    }

    fn approval(&self) -> Step {
        const TITLE: &str = "Directory";
        if self.tenant.needs_approval {
            if let Some(entry) = &self.entry {
                return step(TITLE, Mark::Now, format!("{} entered the directory.", entry.enterer))
                    .remedy("Somebody else compares its id with what the customer said, and confirms or refuses it.");
            }
            return step(TITLE, Mark::Now, "The directory was learnt at consent.")
                .remedy("Compare its id with what the customer told you, then approve or refuse it.");
        }
        if self.is_bound() { step(TITLE, Mark::Done, "Confirmed.") } else { step(TITLE, Mark::Next, "Waits for the consent.") }
    }

    fn tests(&self) -> Step {
        const TITLE: &str = "Tests";
        // What an optional app asks for that nobody approved is not waited for.
        let expected =
            || self.permissions.iter().filter(|row| row.expected && (row.state != PermissionState::Asked || row.checked_at.is_none()));
        let (all, good) = (expected().count(), expected().filter(|row| row.state == PermissionState::Granted).count());
        let tested = expected().any(|row| row.checked_at.is_some());
        if !self.is_bound() || self.tenant.needs_approval {
            return step(TITLE, Mark::Next, "Each permission is tested by a real call.");
        }
        if !tested {
            return step(TITLE, Mark::Now, "Permissions are being tested; Microsoft takes a moment to spread a consent.");
        }
        if good == all {
            return step(TITLE, Mark::Done, format!("All {all} permissions work."));
        }
        step(TITLE, Mark::Failed, format!("{good} of {all} permissions work."))
            .remedy("Each row of the permissions table says what is wrong and what to do; then check again.")
    }

    fn first_sync(&self) -> Step {
        const TITLE: &str = "First reading";
        if !self.tenant.state.is_read() {
            let text = if self.tenant.state == TenantState::Paused { "Paused." } else { "Begins when the tests are through." };
            return step(TITLE, Mark::Next, text);
        }
        let rows: Vec<&Coverage> = self.coverage.iter().filter(|row| row.enabled).collect();
        if !rows.is_empty() && rows.iter().all(|row| row.complete_until.is_some()) {
            return step(TITLE, Mark::Done, "Every product has been read to the present.");
        }
        let one = |row: &&Coverage| match row.state {
            SyncHealth::Waiting | SyncHealth::Backfilling => format!("{} {:.0} %", row.product.label(), row.backfill_done * 100.0),
            state => format!("{}: {}", row.product.label(), state.label().to_lowercase()),
        };
        step(TITLE, Mark::Now, format!("{}.", rows.iter().map(one).collect::<Vec<_>>().join(", ")))
    }
}
