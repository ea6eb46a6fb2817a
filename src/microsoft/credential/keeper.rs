//! Keeps an app's one or two credentials: looks whether they have changed, knows which to use first and which Microsoft refused.

use super::status::{CredentialStatus, Standing};
use super::{Loaded, Stamp, files};
use crate::config::{self, Source};
use crate::microsoft::lanes::locked;
use crate::microsoft::{App, CallError, Client};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// A credential is looked at again after this, and after a refusal of Microsoft's at once, but then no more often than [`PATIENCE`].
const MINUTE: TimeDelta = TimeDelta::minutes(1);
const PATIENCE: TimeDelta = TimeDelta::seconds(5);
/// A credential that Microsoft refused gets another chance after this: it may be registered by now.
const SECOND_CHANCE: TimeDelta = TimeDelta::hours(1);

/// The credentials of one app, and how they stand with Microsoft.
#[derive(Debug)]
pub(in crate::microsoft) struct Keepers {
    list: Vec<Keeper>,
    pub(super) standing: Mutex<Standing>,
}

#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) source: Source,
    /// As the operator says.
    expires_at: Option<DateTime<Utc>>,
    held: Mutex<Held>,
    /// One looks at a time.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    loaded: Option<Arc<Loaded>>,
    looked_at: Option<DateTime<Utc>>,
    /// Why it could not be read when it was looked at last. What was read before stays in use.
    trouble: Option<String>,
    /// Set together with `trouble` when nothing was ever read.
    error: Option<CallError>,
    /// When Microsoft refused what is loaded, and its number.
    refused: Option<(DateTime<Utc>, Option<u32>)>,
}

/// A credential to be used now.
pub(in crate::microsoft) struct Offer {
    place: usize,
    pub(in crate::microsoft) loaded: Arc<Loaded>,
}

/// Why a credential could not be had.
pub(super) struct Unread {
    pub sentence: String,
    pub error: CallError,
}

impl From<anyhow::Error> for Unread {
    fn from(error: anyhow::Error) -> Self {
        Self { sentence: format!("{error:#}"), error: CallError::OurCredential { aadsts: None } }
    }
}

impl Keepers {
    /// Reads what lies in files.
    ///
    /// # Errors
    /// One sentence that names key and file, when no credential can be had at all.
    pub(in crate::microsoft) fn load(credentials: &[config::Credential], now: DateTime<Utc>) -> anyhow::Result<Self> {
        let (mut list, mut first_error, mut usable) = (Vec::new(), None, false);
        for credential in credentials {
            let keeper = Keeper::new(credential);
            match files::load(&keeper.source, now) {
                Ok(Some(loaded)) => keeper.take(loaded, now),
                Ok(None) => {}
                Err(error) => {
                    keeper.failed(Unread { sentence: format!("{error:#}"), error: CallError::OurCredential { aadsts: None } }, now);
                    first_error = first_error.or(Some(error));
                    list.push(keeper);
                    continue;
                }
            }
            usable = true;
            list.push(keeper);
        }
        match first_error.filter(|_| !usable) {
            Some(error) => Err(error),
            None => Ok(Self { list, standing: Mutex::default() }),
        }
    }

    /// Of what is loaded the one to use first: not refused, not ended, the newest.
    fn best(&self, tried: &[Uuid], now: DateTime<Utc>) -> Option<Offer> {
        let offers = self.list.iter().enumerate().filter_map(|(place, keeper)| {
            let held = locked(&keeper.held);
            let loaded = held.loaded.clone().filter(|loaded| !tried.contains(&loaded.id))?;
            let refused = held.refused.is_some_and(|(at, _)| now - at < SECOND_CHANCE);
            let ended = keeper.ends_at(Some(&loaded)).is_some_and(|end| end <= now);
            Some(((refused, ended, std::cmp::Reverse(loaded.made_at)), Offer { place, loaded }))
        });
        offers.min_by_key(|(order, _)| *order).map(|(_, offer)| offer)
    }

    /// Microsoft took it.
    pub(in crate::microsoft) fn accepted(&self, offer: &Offer, now: DateTime<Utc>) {
        if let Some(keeper) = self.list.get(offer.place) {
            let mut held = locked(&keeper.held);
            if held.loaded.as_ref().is_some_and(|loaded| loaded.id == offer.loaded.id) {
                held.refused = None;
            }
        }
        locked(&self.standing).accepted(self.place(offer.place), now);
    }

    /// What one of two credentials is called. `None`: it is the only one, and the app's verdict says all.
    fn place(&self, place: usize) -> Option<String> {
        self.list.get(place).filter(|_| self.list.len() > 1).map(|keeper| super::status::place(&keeper.source))
    }

    /// Microsoft refused it.
    pub(in crate::microsoft) fn refused(&self, offer: &Offer, aadsts: Option<u32>, now: DateTime<Utc>) {
        if let Some(keeper) = self.list.get(offer.place) {
            let mut held = locked(&keeper.held);
            if held.loaded.as_ref().is_some_and(|loaded| loaded.id == offer.loaded.id) {
                held.refused = Some((now, aadsts));
            }
        }
        if let Some(place) = self.place(offer.place) {
            locked(&self.standing).blamed(place, aadsts, now);
        }
    }

    /// Each credential as it stands.
    pub(in crate::microsoft) fn statuses(&self, now: DateTime<Utc>) -> Vec<CredentialStatus> {
        let in_use = self.best(&[], now).map(|offer| offer.place);
        let status = |(place, keeper): (usize, &Keeper)| {
            let held = locked(&keeper.held);
            CredentialStatus {
                kind: super::status::kind(&keeper.source),
                place: super::status::place(&keeper.source),
                ends_at: keeper.ends_at(held.loaded.as_deref()),
                in_use: in_use == Some(place),
                refused: held.refused,
                trouble: held.trouble.clone(),
                loaded: held.loaded.is_some(),
            }
        };
        self.list.iter().enumerate().map(status).collect()
    }
}

impl Keeper {
    pub(super) fn new(credential: &config::Credential) -> Self {
        let expires_at = credential.expires.map(|day| day.and_time(NaiveTime::MIN).and_utc());
        Self { source: credential.source.clone(), expires_at, held: Mutex::default(), looking: tokio::sync::Mutex::default() }
    }

    /// The end of a certificate or of an entry in Key Vault, or the day the operator gave, whichever is first.
    fn ends_at(&self, loaded: Option<&Loaded>) -> Option<DateTime<Utc>> {
        [loaded.and_then(|loaded| loaded.ends_at), self.expires_at].into_iter().flatten().min()
    }

    pub(super) fn loaded(&self) -> Option<Arc<Loaded>> {
        locked(&self.held).loaded.clone()
    }

    fn take(&self, loaded: Loaded, now: DateTime<Utc>) {
        *locked(&self.held) = Held { loaded: Some(Arc::new(loaded)), looked_at: Some(now), ..Held::default() };
    }

    fn unchanged(&self, now: DateTime<Utc>) {
        let mut held = locked(&self.held);
        (held.looked_at, held.trouble, held.error) = (Some(now), None, None);
    }

    fn failed(&self, unread: Unread, now: DateTime<Utc>) {
        let mut held = locked(&self.held);
        if held.trouble.as_ref() != Some(&unread.sentence) {
            tracing::error!(reason = unread.sentence, "a credential cannot be read; what was read before stays in use");
        }
        (held.looked_at, held.trouble, held.error) = (Some(now), Some(unread.sentence), Some(unread.error));
    }

    fn is_due(&self, forced: bool, now: DateTime<Utc>) -> bool {
        let held = locked(&self.held);
        let near = matches!(self.source, Source::SecretFile(_) | Source::CertificateFiles { .. });
        let since = held.looked_at.map_or(TimeDelta::MAX, |at| now - at);
        match (&self.source, held.loaded.as_ref().map(|loaded| &loaded.stamp)) {
            (Source::TokenFile(_), _) => true,
            (_, Some(Stamp::Until(until))) => now >= *until || (forced && since >= PATIENCE),
            _ => since >= MINUTE || since < TimeDelta::zero() || (forced && (near || since >= PATIENCE)),
        }
    }
}

impl Client {
    /// The best credential of an app that has not been tried. `None`: every one has.
    ///
    /// # Errors
    /// When there is none at all, why.
    pub(in crate::microsoft) async fn offer(&self, app: &App, tried: &[Uuid], now: DateTime<Utc>) -> Result<Option<Offer>, CallError> {
        let keepers = &app.credentials;
        for keeper in &keepers.list {
            self.look(app, keeper, !tried.is_empty(), now).await;
        }
        if let Some(offer) = keepers.best(tried, now) {
            return Ok(Some(offer));
        }
        if !tried.is_empty() {
            return Ok(None);
        }
        let error = keepers.list.iter().find_map(|keeper| locked(&keeper.held).error.clone());
        let error = error.unwrap_or(CallError::OurCredential { aadsts: None });
        if !error.is_passing() {
            let trouble = keepers.list.iter().find_map(|keeper| locked(&keeper.held).trouble.clone());
            locked(&keepers.standing).unreadable(trouble, now);
        }
        Err(error)
    }

    /// Looks at every credential of every app, as is done anyhow when a token is needed: for a process that needs none.
    pub async fn look_at_credentials(&self, now: DateTime<Utc>) {
        for app in self.every_app() {
            for keeper in &app.credentials.list {
                self.look(app, keeper, false, now).await;
            }
        }
    }

    async fn look(&self, app: &App, keeper: &Keeper, forced: bool, now: DateTime<Utc>) {
        if !keeper.is_due(forced, now) {
            return;
        }
        let _alone = keeper.looking.lock().await;
        if !keeper.is_due(forced, now) {
            return;
        }
        let before = keeper.loaded();
        match self.read_credential(app, &keeper.source, before.as_deref(), now).await {
            Ok(Some(loaded)) => {
                if before.is_some() && !matches!(keeper.source, Source::TokenFile(_) | Source::ManagedIdentity(_)) {
                    tracing::info!(app = app.name, "a credential was replaced");
                }
                let was_refused = locked(&keeper.held).refused.is_some();
                keeper.take(loaded, now);
                if was_refused {
                    locked(&app.credentials.standing).forgiven(super::status::place(&keeper.source), now);
                }
            }
            Ok(None) => keeper.unchanged(now),
            Err(unread) => keeper.failed(unread, now),
        }
    }

    /// `None`: it is as it was.
    async fn read_credential(
        &self,
        app: &App,
        source: &Source,
        before: Option<&Loaded>,
        now: DateTime<Utc>,
    ) -> Result<Option<Loaded>, Unread> {
        match source {
            Source::ManagedIdentity(identity) => self.identity_assertion(identity, now).await.map(Some),
            Source::Vault { vault, name, holds } => {
                let known = before.map(|loaded| &loaded.stamp);
                self.vault_entry(app.cloud, (vault, name, *holds), known, now).await
            }
            _ => {
                let stamp = files::stamp(source)?;
                if before.is_some_and(|before| Some(&before.stamp) == stamp.as_ref()) && !matches!(source, Source::TokenFile(_)) {
                    return Ok(None);
                }
                let loaded = files::load(source, now)?;
                let same = before.zip(loaded.as_ref()).is_some_and(|(before, loaded)| before.credential.is_same_token(&loaded.credential));
                Ok(loaded.filter(|_| !same))
            }
        }
    }
}
