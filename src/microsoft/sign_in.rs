//! Signing a person in at Entra (authorization code with PKCE), to prove which directory they administer.
//!
//! Shapes: Microsoft's pages "OpenID Connect on the Microsoft identity platform" and "OAuth 2.0 authorization code flow".

use super::http::{Answer, Outgoing};
use super::id_token::Expected;
use super::lanes::Service;
use super::{App, CallError, Client, clouds, refusal};
use crate::model::DirectoryId;
use chrono::{DateTime, Utc};
use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, CsrfToken, EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenUrl,
};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

/// The way to Microsoft and back.
#[derive(Debug)]
pub struct SignInTrip {
    /// Where the browser goes.
    pub url: Url,
    /// To be kept until the answer comes, and given to [`Client::redeem`] once.
    pub verifier: SecretString,
}

/// Who signed in, as the verified id_token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The directory. The same as was asked for.
    pub tid: DirectoryId,
    /// The person's object id in that directory. (`tid`, `oid`) identifies a person; a name or an address does not.
    pub oid: Uuid,
    /// Who issued the token: the login host with this directory, as it was checked.
    pub issuer: String,
    /// For display only.
    pub name: Option<String>,
    /// What the person signs in as. For display only: it may be given to somebody else.
    pub username: Option<String>,
    /// Values of the app roles that the person has.
    pub roles: Vec<String>,
    /// The groups that the token names by their object id.
    pub groups: Vec<Uuid>,
    /// The person is in more groups than a token can name: Graph must be asked.
    pub more_groups: bool,
    /// When the person last showed Microsoft who they are, where the token says so.
    pub proven_at: Option<DateTime<Utc>>,
}

/// Why nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// Microsoft did not give a token.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The id_token does not prove what it should, with what is wrong. A security event.
    #[error("the sign-in was refused: {0}")]
    Refused(&'static str),
}

/// The one member of the answer that counts.
#[derive(Debug, Serialize, Deserialize)]
struct IdToken {
    id_token: SecretText,
}
impl ExtraTokenFields for IdToken {}

/// `oauth2` demands `Serialize`, which a secret must not do.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct SecretText(SecretString);
impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

type OpenId = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<IdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// What goes wrong between `oauth2` and us; the cause is kept aside.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(CallError);

impl Client {
    /// A sign-in at one directory with a fresh PKCE pair. `state` and `nonce` are random and kept by the caller; `redirect` is registered
    /// on the app. `None` when no such app is configured.
    pub fn sign_in_url(&self, app: &str, directory: DirectoryId, redirect: &Url, state: &str, nonce: &str) -> Option<SignInTrip> {
        self.sign_in_url_at(app, &directory.to_string(), redirect, state, nonce)
    }

    /// The same at any authority: a directory, or "organizations", where people pick an account of whichever directory they have one in.
    pub(super) fn sign_in_url_at(&self, app: &str, authority: &str, redirect: &Url, state: &str, nonce: &str) -> Option<SignInTrip> {
        let app = self.app(app)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, _) = open_id(app, authority)
            .set_redirect_uri(RedirectUrl::from_url(redirect.clone()))
            .authorize_url(|| CsrfToken::new(state.to_owned()))
            .add_scope(Scope::new("openid".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .add_extra_param("response_mode", "query")
            .add_extra_param("nonce", nonce)
            .set_pkce_challenge(challenge)
            .url();
        Some(SignInTrip { url: self.http().place(&url), verifier: verifier.into_secret().into() })
    }

    /// Exchanges the code of a sign-in, with the app's credential, and verifies the id_token: signature by a key of the login host, issuer
    /// and `tid` of this directory, audience, times within 5 minutes, nonce. Sent once: a code works once.
    #[expect(clippy::too_many_arguments, reason = "each is a separate fact the answer is checked against")]
    pub async fn redeem(
        &self,
        app: &str,
        directory: DirectoryId,
        redirect: &Url,
        code: &SecretString,
        verifier: &SecretString,
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, SignInError> {
        let token = self.redeem_at(app, &directory.to_string(), redirect, (code, verifier), now).await?;
        let app = self.app(app).ok_or(NO_APP)?;
        let expected = Expected { cloud: app.cloud, directory, audience: app.client_id, nonce };
        self.verify(token.expose_secret(), &expected, now).await
    }

    /// Exchanges the code of a sign-in at an authority, as [`Client::sign_in_url_at`], for an id_token of which nothing is verified.
    pub(super) async fn redeem_at(
        &self,
        app: &str,
        authority: &str,
        redirect: &Url,
        (code, verifier): (&SecretString, &SecretString),
        now: DateTime<Utc>,
    ) -> Result<SecretString, CallError> {
        let app = self.app(app).ok_or(NO_APP)?;
        let open_id = open_id(app, authority).set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
        let mut request = open_id
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()));
        let offer = self.offer(app, &[], now).await?.ok_or(CallError::OurCredential { aadsts: None })?;
        for (name, value) in offer.loaded.credential.proof(app.client_id, open_id.token_uri().url(), now)? {
            request = request.add_extra_param(name, value.expose_secret().to_owned());
        }
        // Owns what it needs: with a borrow, the future could not be spawned.
        let client = self.clone();
        let send = move |request: HttpRequest| {
            let client = client.clone();
            async move { client.exchange(request, now).await }
        };
        let answer = request.request_async(&send).await.map_err(|error| match error {
            RequestTokenError::Request(Failed(error)) => {
                if let CallError::OurCredential { aadsts } = &error {
                    // The next sign-in is tried with the other credential, if there is one.
                    app.credentials.refused(&offer, *aadsts, now);
                }
                error
            }
            RequestTokenError::ServerResponse(refusal) => match refusal.error() {
                BasicErrorResponseType::InvalidClient => CallError::OurCredential { aadsts: None },
                _ => CallError::Entra { aadsts: None, error: "invalid_grant".to_owned() },
            },
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => CallError::Unexpected("it holds no id_token"),
        })?;
        Ok(answer.extra_fields().id_token.0.clone())
    }

    /// Carries a request of `oauth2`'s over our client, and reads refusals as everywhere else.
    async fn exchange(&self, request: HttpRequest, now: DateTime<Utc>) -> Result<HttpResponse, Failed> {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body).map_err(|_| Failed(CallError::Unexpected("the request is no text")))?;
        let url = Url::parse(&head.uri.to_string()).map_err(|_| Failed(CallError::RefusedLink))?;
        let body = Some(("application/x-www-form-urlencoded", body));
        let places = self.lanes().places(Service::Login);
        let _place = places.acquire().await;
        let answer = self.http().send(&Outgoing { body, ..Outgoing::new(Method::POST, url) }, now).await.map_err(Failed)?;
        let Answer { status, retry_after, body } = answer;
        match status {
            200 => {
                let mut response = HttpResponse::new(body.into_bytes());
                let json = oauth2::http::HeaderValue::from_static("application/json");
                response.headers_mut().insert(oauth2::http::header::CONTENT_TYPE, json);
                Ok(response)
            }
            429 => Err(Failed(CallError::Throttled { retry_after })),
            500.. => Err(Failed(CallError::Server { status })),
            _ => Err(Failed(refusal::read_refusal(&body))),
        }
    }
}

const NO_APP: CallError = CallError::NotConfigured("there is no such app");

fn open_id(app: &App, authority: &str) -> OpenId {
    let url = |path| clouds::login_url(app.cloud, authority, path);
    oauth2::Client::new(ClientId::new(app.client_id.to_string()))
        .set_auth_type(oauth2::AuthType::RequestBody)
        .set_auth_uri(AuthUrl::from_url(url("oauth2/v2.0/authorize")))
        .set_token_uri(TokenUrl::from_url(url("oauth2/v2.0/token")))
}
