//! Page after page of one product's list, with the lease kept while Microsoft answers.

use super::read::{Reading, Stop};
use super::rows::{Origin, Rows};
use super::{adapter, plan};
use crate::microsoft::graph::Place;
use crate::microsoft::{CallError, CloudAppsQuery, Granted, Links, Pace, Page, Target};
use crate::model::{Places, Product};
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::time::Duration;

/// More pages than this in one pass are not a list but a loop.
const MOST_PAGES: u32 = 1000;
/// How often the same page may come again before it is a loop.
const MOST_REPEATS: u32 = 2;
/// Limits that count by the minute are waited for in the middle of a pass: what is new has no place to go on from in another run.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// So often in a row, should somebody else use up meanwhile what was waited for.
const WAITS: u32 = 3;
/// The lease lasts 15 s; a page may take longer.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Records stored in one transaction, about.
const FULL: usize = 500;

/// Rows on their way into the store.
#[derive(Default)]
pub(super) struct Batch {
    pub rows: Rows,
}

impl Batch {
    pub fn add(&mut self, page: Rows) {
        self.rows.incidents.extend(page.incidents);
        self.rows.alerts.extend(page.alerts);
        self.rows.bad.extend(page.bad);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.incidents.is_empty() && self.rows.alerts.is_empty() && self.rows.bad.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.rows.incidents.len() + self.rows.alerts.len() + self.rows.bad.len() >= FULL
    }
}

/// The app to read as: of the tenant's apps the one that has been granted the least that is enough.
pub(super) fn app(reading: &Reading<'_>) -> Result<String, Stop> {
    let operation = adapter::operation(reading.product, reading.adapter);
    let granted: Vec<Granted> = adapter::grants(&reading.claim).collect();
    reading.reader.microsoft.app_to_call(operation, &reading.claim.apps, &granted).map_err(Stop::Microsoft)
}

/// A page as either API sends it.
struct Fetched {
    records: Vec<Box<RawValue>>,
    more: bool,
    /// Graph: where the next one is.
    next: Option<String>,
}

impl From<Page> for Fetched {
    fn from(page: Page) -> Self {
        Self { records: page.records, more: page.more, next: None }
    }
}

impl From<Links> for Fetched {
    fn from(page: Links) -> Self {
        Self { records: page.records, more: page.next.is_some(), next: page.next }
    }
}

/// Walks through the lists of one product.
pub(super) struct Pager {
    product: Product,
    pace: Pace,
    queries: Vec<Query>,
    pub skip: u32,
    /// Graph: the page to ask for next.
    pub link: Option<String>,
    /// Every link asked for.
    links: HashSet<String>,
    pages: u32,
    repeats: u32,
    /// How often the next page may be waited for. None is before the first one has come: whoever cannot begin tries again later.
    waits: u32,
    last_page: Option<(String, String)>,
    /// Rows received and not yet stored.
    pub batch: Batch,
    /// The latest credible time of update seen.
    pub newest: Option<DateTime<Utc>>,
    /// Of every record that came, in order.
    pub digest: Digest,
}

/// What a list of records looks like as a whole.
pub(super) struct Digest(aws_lc_rs::digest::Context);

impl Digest {
    fn new() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }

    fn add(&mut self, text: &str) {
        self.0.update(&text.len().to_le_bytes());
        self.0.update(text.as_bytes());
    }

    pub fn finish(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.finish().as_ref());
        bytes
    }
}

#[derive(Clone, Copy)]
enum Query {
    Updated(DateTime<Utc>),
    Resolved(DateTime<Utc>),
}

impl Pager {
    /// Everything new or changed since then.
    pub fn new(product: Product, since: DateTime<Utc>) -> Self {
        let mut pager = Self { pace: Pace::Sync, ..Self::history(product, since, 0, None) };
        if product == Product::CloudApps {
            pager.queries.insert(0, Query::Resolved(since));
        }
        pager
    }

    /// One list since then, from where an earlier run left off. Rows only ever move towards the end of such a list, so none is
    /// passed over; what moves to its other end is new and found by the next run. Graph says by `link` where it goes on.
    pub fn history(product: Product, since: DateTime<Utc>, skip: u32, link: Option<String>) -> Self {
        let queries = vec![Query::Updated(since)];
        Self {
            product,
            pace: Pace::Background,
            queries,
            skip,
            link,
            links: HashSet::new(),
            pages: 0,
            repeats: 0,
            waits: 0,
            last_page: None,
            batch: Batch::default(),
            newest: None,
            digest: Digest::new(),
        }
    }

    /// The next page. `None`: every list was read to its end.
    pub async fn next(&mut self, reading: &mut Reading<'_>, app: &str) -> Result<Option<Rows>, Stop> {
        let Some(query) = self.queries.last().copied() else { return Ok(None) };
        self.pages += 1;
        if self.pages > MOST_PAGES {
            return Err(Stop::Microsoft(CallError::Unexpected("its pages do not end")));
        }
        let page = loop {
            match fetch(reading, app, query, (self.skip, self.link.as_deref()), self.pace).await {
                Err(Stop::Microsoft(CallError::Throttled { retry_after: Some(wait) })) if self.waits > 0 && wait <= LONGEST_WAIT => {
                    self.waits -= 1;
                    held(reading, tokio::time::sleep(wait)).await?;
                }
                page => break page?,
            }
        };
        self.waits = if self.pace == Pace::Sync { WAITS } else { 0 };
        self.refuse_loop(&page)?;
        self.link.clone_from(&page.next);
        self.skip = self.skip.saturating_add(u32::try_from(page.records.len()).unwrap_or(u32::MAX));
        if !page.more {
            self.queries.pop();
            self.skip = if self.queries.is_empty() { self.skip } else { 0 };
        }
        page.records.iter().for_each(|record| self.digest.add(record.get()));
        let origin = Origin { directory: reading.claim.directory_id, cloud: reading.claim.cloud, api: reading.api() };
        let rows = Rows::read(self.product, origin, &page.records);
        let now = reading.now();
        self.newest = rows.times().filter(|time| plan::is_credible(*time, now)).chain(self.newest).max();
        reading.run.pages += 1;
        reading.run.seen += i32::try_from(page.records.len()).unwrap_or(i32::MAX);
        Ok(Some(rows))
    }

    /// Every list was read to its end.
    pub fn is_through(&self) -> bool {
        self.queries.is_empty()
    }

    /// A server that does not understand `skip` would answer with the same page for ever, and so might one that names a page twice.
    fn refuse_loop(&mut self, page: &Fetched) -> Result<(), Stop> {
        if page.next.as_ref().is_some_and(|next| !self.links.insert(next.clone())) {
            return Err(Stop::Microsoft(CallError::Unexpected("its next page is one already read")));
        }
        let ends = page.records.first().zip(page.records.last()).map(|(first, last)| (first.get().to_owned(), last.get().to_owned()));
        self.repeats = if ends.is_some() && ends == self.last_page { self.repeats + 1 } else { 0 };
        self.last_page = ends;
        if self.repeats > MOST_REPEATS { Err(Stop::Microsoft(CallError::Unexpected("its pages repeat"))) } else { Ok(()) }
    }

    /// Which part of a first reading is done, 0 to 1. Cloud Apps lists begin with the oldest, the others with the newest.
    pub fn share(&self, page: &Rows, from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
        let whole = (to - from).as_seconds_f64().max(1.0);
        let done = if self.product == Product::CloudApps {
            page.times().max().map(|newest| newest - from)
        } else {
            page.times().min().map(|oldest| to - oldest)
        };
        done.map_or(0.0, |done| (done.as_seconds_f64() / whole).clamp(0.0, 0.99))
    }
}

/// Asks for one page and keeps the lease meanwhile.
async fn fetch(reading: &mut Reading<'_>, app: &str, query: Query, (skip, link): (u32, Option<&str>), pace: Pace) -> Result<Fetched, Stop> {
    reading.run.calls += 1;
    let claim = &reading.claim;
    let places = Places { endpoint: claim.endpoint_region, cloud_apps: claim.cloud_apps_host.clone() };
    let target = Target { places, pace, ..Target::new(reading.tenant, claim.directory_id, claim.cloud) };
    let (client, product, graph, now) = (&reading.reader.microsoft, reading.product, reading.api() == Product::Graph, reading.now());
    let (Query::Updated(since) | Query::Resolved(since)) = query;
    let from = link.map_or(Place::Since(since), Place::Link);
    let call = async {
        match (product, query) {
            (Product::DefenderEndpoint, _) if graph => client.graph_alerts(&target, app, from, now).await.map(Fetched::from),
            _ if graph => client.graph_incidents(&target, app, from, now).await.map(Fetched::from),
            (Product::CloudApps, Query::Updated(_)) => {
                client.cloud_apps_alerts(&target, app, CloudAppsQuery::CreatedSince(since), skip, now).await.map(Fetched::from)
            }
            (Product::CloudApps, Query::Resolved(_)) => {
                client.cloud_apps_alerts(&target, app, CloudAppsQuery::ResolvedSince(since), skip, now).await.map(Fetched::from)
            }
            (Product::DefenderEndpoint, _) => client.endpoint_alerts(&target, app, since, skip, now).await.map(Fetched::from),
            _ => client.xdr_incidents(&target, app, since, skip, now).await.map(Fetched::from),
        }
    };
    held(reading, call).await?.map_err(Stop::Microsoft)
}

/// Keeps the lease until something has come, unless the process ends before.
async fn held<T>(reading: &Reading<'_>, coming: impl Future<Output = T>) -> Result<T, Stop> {
    tokio::pin!(coming);
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.tick().await;
    loop {
        tokio::select! {
            biased;
            () = reading.reader.stop.cancelled() => return Err(Stop::Asked),
            came = &mut coming => return Ok(came),
            _ = heartbeat.tick() => reading.hold().await?,
        }
    }
}
