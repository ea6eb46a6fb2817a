//! Does an API answer this app for this directory? Calls made for their being allowed.

use super::cloud_apps::envelope;
use super::lanes::Watch;
use super::odata;
use super::operations::probes::{self, Probe, Shape};
use super::request::Ask;
use super::{CallError, Client, Target};
use crate::model::Product;
use chrono::{DateTime, Utc};
use serde_json::Value;

impl Client {
    /// Makes the call by which the product is read, for one record, and forgets it.
    pub async fn probe(&self, target: &Target, app: &str, product: Product, now: DateTime<Utc>) -> Result<(), CallError> {
        self.prove(target, app, probes::of_reading(product), None, now).await.map(drop)
    }

    /// Makes the call of a probe. `device` takes the place in a path that needs one. The id of the first record, where the answer is a
    /// list of things with ids.
    ///
    /// # Errors
    /// Why the call was not answered as Microsoft documents; [`CallError::answer`] gives Microsoft's own words of it.
    pub async fn prove(
        &self,
        target: &Target,
        app: &str,
        probe: &Probe,
        device: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, CallError> {
        let args: Vec<&str> = device.into_iter().filter(|_| probe.of_device).collect();
        let mut ask = Ask::new(self, target, app, probe.operation, &args)?;
        if !probe.query.is_empty() {
            ask.query(probe.query);
        }
        if let Some(body) = probe.body.and_then(|body| serde_json::from_str(body).ok()) {
            ask = ask.json(&body);
        }
        match probe.shape {
            // The list of devices is a 404 when it is empty, see Microsoft's page "List machines API".
            Shape::List => match odata::page(self, ask, 1, now).await {
                Ok(page) => Ok(page.records.first().and_then(|record| id_of(record.get()))),
                Err(CallError::NotFound) if probe.operation.product == Product::DefenderEndpoint => Ok(None),
                Err(error) => Err(error),
            },
            Shape::Envelope => envelope(&self.ask(&ask, &Watch::start(now)).await?).map(|_| None),
            Shape::Results => results(&self.ask(&ask, &Watch::start(now)).await?).map(|()| None),
            Shape::Json => json(&self.ask(&ask, &Watch::start(now)).await?).map(|()| None),
        }
    }
}

fn id_of(record: &str) -> Option<String> {
    let record: Value = serde_json::from_str(record).ok()?;
    record.get("id")?.as_str().map(str::to_owned)
}

fn results(body: &str) -> Result<(), CallError> {
    let body: Value = serde_json::from_str(odata::object(body)?).map_err(|_| CallError::Unexpected("it is broken JSON"))?;
    let has = ["Results", "results"].iter().any(|name| body.get(name).is_some_and(Value::is_array));
    if has { Ok(()) } else { Err(CallError::Unexpected("it holds no results")) }
}

fn json(body: &str) -> Result<(), CallError> {
    match serde_json::from_str(body) {
        Ok(Value::Object(body)) if body.contains_key("error") => Err(CallError::Unexpected("it says success and holds an error")),
        Ok(Value::Object(_) | Value::Array(_)) => Ok(()),
        _ => Err(CallError::Unexpected("it is no JSON object or list")),
    }
}

impl CallError {
    /// Microsoft's own answer in short, as people look it up: "HTTP 403 Forbidden", "AADSTS700016". `None`: there was none, or it was good
    /// and not what is documented.
    pub fn answer(&self) -> Option<String> {
        let http = |status: u16, code: Option<&str>| {
            let code = code.map(|code| format!(" {code}")).unwrap_or_default();
            Some(format!("HTTP {status}{code}"))
        };
        match self {
            Self::ConsentLost { aadsts: Some(number) }
            | Self::NoLicence { aadsts: Some(number) }
            | Self::OurCredential { aadsts: Some(number) }
            | Self::Entra { aadsts: Some(number), .. } => Some(format!("AADSTS{number}")),
            Self::Entra { aadsts: None, error } => Some(error.clone()),
            Self::NoLicence { aadsts: None } => http(403, Some("DisabledFeature")),
            Self::Forbidden { code } => http(403, code.as_deref()),
            Self::Unauthorized => http(401, None),
            Self::NotFound => http(404, None),
            Self::Throttled { .. } | Self::Quota { .. } => http(429, None),
            Self::Rejected { status, code, .. } => http(*status, code.as_deref()),
            Self::Server { status } => http(*status, None),
            Self::ConsentLost { aadsts: None }
            | Self::OurCredential { aadsts: None }
            | Self::WrongTenantToken
            | Self::Network(_)
            | Self::Unexpected(_)
            | Self::RefusedLink
            | Self::TooLarge
            | Self::NotConfigured(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microsofts_answer_is_told_in_its_own_words() {
        for (error, answer) in [
            (CallError::Forbidden { code: Some("Forbidden".to_owned()) }, Some("HTTP 403 Forbidden")),
            (CallError::Unauthorized, Some("HTTP 401")),
            (CallError::NoLicence { aadsts: Some(500_011) }, Some("AADSTS500011")),
            (CallError::NoLicence { aadsts: None }, Some("HTTP 403 DisabledFeature")),
            (CallError::Entra { aadsts: Some(900_382), error: "invalid_request".to_owned() }, Some("AADSTS900382")),
            (CallError::WrongTenantToken, None),
        ] {
            assert_eq!(error.answer().as_deref(), answer);
        }
    }

    #[test]
    fn what_is_no_answer_of_that_kind_proves_nothing() {
        assert!(results(r#"{"Results":[{}]}"#).is_ok() && results(r#"{"results":[]}"#).is_ok());
        assert!(json("[]").is_ok() && json(r#"{"streams":[]}"#).is_ok());
        for bad in ["", "<html>", "null", "{}", r#"{"error":{}}"#] {
            assert!(results(bad).is_err(), "{bad}");
        }
        for bad in ["", "<html>", "null", r#"{"error":{}}"#] {
            assert!(json(bad).is_err(), "{bad}");
        }
    }
}
