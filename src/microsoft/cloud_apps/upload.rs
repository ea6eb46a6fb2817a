//! Brings a log to cloud discovery, in three steps: an address is asked for, the log is put there, and the end is told. Sources: Microsoft's
//! pages "Initiate file upload", "Perform file upload" and "Finalize file upload".
//!
//! The address opens a store of Microsoft's for whoever knows it: it is used once, and neither logged nor stored.

use super::CallError;
use crate::microsoft::lanes::Watch;
use crate::microsoft::log_store::Store;
use crate::microsoft::operations::cloud_apps::{DISCOVERY_DONE, DISCOVERY_UPLOAD_URL};
use crate::microsoft::request::Ask;
use crate::microsoft::{Client, Target};
use crate::model::cloud_apps::{LARGEST_LOG, Upload};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncRead;
use url::Url;

#[derive(Deserialize)]
struct Address {
    url: String,
    #[serde(default)]
    provider: String,
}

/// A log that lies in Microsoft's store, whose address nobody sees.
pub struct Placed(Url);

impl Client {
    /// The first two steps for a log of `size` bytes, read once from `content`, minutes long for a large one. Nothing has happened at
    /// Microsoft then, so a failure never says that it may have acted.
    ///
    /// # Errors
    /// [`CallError::RefusedLink`] where Microsoft names an address outside its stores; else as of any call.
    pub async fn cloud_apps_put(
        &self,
        target: &Target,
        app: &str,
        upload: &Upload,
        (size, content): (u64, impl AsyncRead + Send + 'static),
        now: DateTime<Utc>,
    ) -> Result<Placed, CallError> {
        if size == 0 || size > LARGEST_LOG as u64 {
            return Err(CallError::NotConfigured("a log is between 1 byte and 64 MiB; split a larger one"));
        }
        let mut ask = Ask::new(self, target, app, &DISCOVERY_UPLOAD_URL, &[])?;
        ask.query(&[("filename", &upload.filename), ("source", &upload.source)]);
        let answer = self.ask(&ask, &Watch::start(now)).await.map_err(CallError::before_sending)?;
        let told = address(&answer)?;
        self.http().put(&told.0, told.1, (size, content)).await.map_err(CallError::before_sending)?;
        Ok(Placed(told.0))
    }

    /// The third step: the log is taken in.
    ///
    /// # Errors
    /// As of any change.
    pub async fn cloud_apps_done(
        &self,
        target: &Target,
        app: &str,
        upload: &Upload,
        placed: &Placed,
        now: DateTime<Utc>,
    ) -> Result<String, CallError> {
        let mut body = json!({"uploadUrl": placed.0.as_str(), "inputStreamName": upload.stream});
        if upload.snapshot {
            body["uploadAsSnapshot"] = json!(true);
        }
        self.ask(&Ask::new(self, target, app, &DISCOVERY_DONE, &[])?.json(&body), &Watch::start(now)).await
    }
}

fn address(answer: &str) -> Result<(Url, Store), CallError> {
    let unusable = CallError::Rejected { status: 200, code: None, told: Some("No address to upload to came back.".to_owned()) };
    let Ok(told) = serde_json::from_str::<Address>(answer) else { return Err(unusable) };
    let Ok(url) = Url::parse(&told.url) else { return Err(unusable) };
    let store = Store::of(&url, &told.provider).ok_or(CallError::RefusedLink)?;
    Ok((url, store))
}
