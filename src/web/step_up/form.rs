//! A form that waits for a proof: its fields as they came, to be sent once more.

use crate::auth::form_tokens;
use crate::auth::second::Shown;
use crate::web::error::PageError;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use url::form_urlencoded;

/// The largest form of a grave route is the import of tenants.
const LARGEST: usize = 1024 * 1024 + 32 * 1024;
const CODE: &str = "proof_code";
const RECOVERY: &str = "proof_recovery";
/// The answer of a passkey, or [`BEGIN`].
const PASSKEY: &str = "proof_passkey";
/// A passkey was chosen, and is to be asked for.
const BEGIN: &str = "begin";

pub struct Form {
    fields: Vec<(String, String)>,
    token: String,
    multipart: bool,
    wants_passkey: bool,
    /// As it came, until something is taken out or put in.
    as_sent: Option<Bytes>,
}

impl Form {
    /// Reads a form, encoded either way; of a file only its text.
    pub async fn read(parts: &Parts, body: Body) -> Result<Self, PageError> {
        let too_large = || PageError::BadRequest("The form is too large.".into());
        let bytes = to_bytes(body, LARGEST).await.map_err(|_| too_large())?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let multipart = kind.starts_with("multipart/");
        let mut fields = if multipart {
            let mut request = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
            DefaultBodyLimit::max(LARGEST).apply(&mut request);
            in_parts(request).await.ok_or_else(|| PageError::BadRequest("The form could not be read: a file must be UTF-8 text.".into()))?
        } else {
            form_urlencoded::parse(&bytes).into_owned().collect()
        };
        let token = taken(&mut fields, form_tokens::FIELD).unwrap_or_default();
        Ok(Self { fields, token, multipart, wants_passkey: false, as_sent: Some(bytes) })
    }

    /// A form with these fields.
    pub fn of(fields: Vec<(String, String)>) -> Self {
        Self { fields, token: String::new(), multipart: false, wants_passkey: false, as_sent: None }
    }

    /// A form that leads on to a page.
    pub fn leading_to(next: &str) -> Self {
        Self::of(vec![("next".to_owned(), next.to_owned())])
    }

    /// The first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Whether a passkey was chosen, see [`Self::take_shown`].
    pub const fn wants_passkey(&self) -> bool {
        self.wants_passkey
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn set_token(&mut self, token: String) {
        self.token = token;
        self.as_sent = None;
    }

    pub const fn is_multipart(&self) -> bool {
        self.multipart
    }

    /// What was shown as a proof along with the form.
    pub fn take_shown(&mut self) -> Option<Shown> {
        let many = self.fields.len();
        let (code, recovery) = (taken(&mut self.fields, CODE), taken(&mut self.fields, RECOVERY));
        let passkey = taken(&mut self.fields, PASSKEY).filter(|answer| !answer.is_empty());
        if self.fields.len() < many {
            self.as_sent = None;
        }
        self.wants_passkey = passkey.as_deref() == Some(BEGIN);
        let passkey = passkey.filter(|_| !self.wants_passkey).map(|answer| Shown::Passkey(answer.into()));
        let code = code.filter(|code| !code.trim().is_empty()).map(|code| Shown::Code(code.into()));
        let recovery = recovery.filter(|code| !code.trim().is_empty()).map(|code| Shown::Recovery(code.into()));
        code.or(recovery).or(passkey)
    }

    pub fn into_fields(self) -> Vec<(String, String)> {
        self.fields
    }

    /// The request as it came, without the proof.
    pub fn into_request(self, mut parts: Parts) -> Request {
        if let Some(bytes) = self.as_sent {
            return Request::from_parts(parts, Body::from(bytes));
        }
        let fields = self.fields.into_iter().chain([(form_tokens::FIELD.to_owned(), self.token)]);
        let (kind, body) = if self.multipart {
            let boundary = uuid::Uuid::new_v4().simple().to_string();
            let part = |(name, value): (String, String)| {
                let name: String = name.chars().filter(|c| !c.is_control() && *c != '"').collect();
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            };
            (format!("multipart/form-data; boundary={boundary}"), fields.map(part).collect::<String>() + &format!("--{boundary}--\r\n"))
        } else {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            ("application/x-www-form-urlencoded".to_owned(), body)
        };
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if let Ok(kind) = HeaderValue::try_from(kind) {
            parts.headers.insert(header::CONTENT_TYPE, kind);
        }
        Request::from_parts(parts, Body::from(body))
    }
}

/// Takes a field out; the first of its name counts.
fn taken(fields: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let value = fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    fields.retain(|(field, _)| field != name);
    value
}

async fn in_parts(request: Request) -> Option<Vec<(String, String)>> {
    let mut parts = Multipart::from_request(request, &()).await.ok()?;
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.ok()? {
        let name = part.name().unwrap_or_default().to_owned();
        fields.push((name, String::from_utf8(part.bytes().await.ok()?.into()).ok()?));
    }
    Some(fields)
}
