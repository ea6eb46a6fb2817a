//! How each app of a tenant stands: asked, approved, refused, skipped, and what to do about it.

use crate::app::onboarding;
use crate::config::{Config, ConsentForm};
use crate::model::{ConsentOutcome, DirectoryId};
use crate::store::consents::Attempt;
use crate::store::reconsent::Needed;
use crate::store::tenants::Tenant;
use crate::web::chips::{self, Chip};
use chrono::{DateTime, Utc};

/// One app of a tenant.
#[derive(Debug)]
pub(super) struct AppLine {
    pub name: String,
    pub optional: bool,
    pub form: ConsentForm,
    /// The newest trip on the newest link that led to it.
    pub last: Option<Attempt>,
    /// What it asks for now and was not granted, although the customer consented to it once.
    pub again: Vec<String>,
    now: DateTime<Utc>,
}

/// The apps of a tenant that are configured, in its order.
pub(super) fn lines(config: &Config, tenant: &Tenant, attempts: &[Attempt], again: &[Needed], now: DateTime<Utc>) -> Vec<AppLine> {
    let line = |app: &crate::config::App| AppLine {
        name: app.name.clone(),
        optional: app.optional,
        form: app.consent,
        last: attempts.iter().find(|attempt| attempt.app == app.name).cloned(),
        again: again.iter().find(|needed| needed.app == app.name).map(|needed| needed.permissions.clone()).unwrap_or_default(),
        now,
    };
    onboarding::apps_of(config, tenant).into_iter().map(line).collect()
}

impl AppLine {
    fn outcome(&self) -> Option<ConsentOutcome> {
        self.last.as_ref()?.outcome
    }

    /// The customer came back without it.
    pub fn has_failed(&self) -> bool {
        self.outcome().is_some_and(|outcome| !outcome.is_well())
    }

    /// How the last trip went, where there was one.
    pub fn chip(&self) -> Option<Chip> {
        self.outcome().map(chips::outcome)
    }

    pub fn aadsts(&self) -> Option<i32> {
        self.last.as_ref()?.aadsts
    }

    /// What happened or what to do, where that is more than the chip says.
    pub fn remedy(&self) -> Option<&str> {
        let last = self.last.as_ref()?;
        match last.outcome {
            None if !self.form.comes_back() => {
                Some("The customer went to Microsoft. This link does not come back: they tell us on their page.")
            }
            None if self.now >= last.expires_at => Some("No answer came back from Microsoft. Ask the customer what the page said."),
            None => Some("The customer is at Microsoft."),
            Some(ConsentOutcome::Reported) => Some("The customer says it accepted; tokens have to prove it."),
            Some(ConsentOutcome::Skipped) => Some("The customer does without it."),
            Some(_) => last.error.as_deref(),
        }
    }

    /// The directory the customer named, unproven.
    pub fn hint(&self) -> Option<DirectoryId> {
        self.last.as_ref().filter(|last| last.outcome == Some(ConsentOutcome::Reported))?.directory_id
    }
}
