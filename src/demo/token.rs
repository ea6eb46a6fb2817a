//! The token endpoints, v1 and v2.

use super::assertion::{self, Proof};
use super::call::{Answer, Call, find};
use super::faults::Fault;
use super::hosts::{self, Api};
use super::id_token;
use super::keys::encode;
use super::login::{self, EntraError};
use super::world::{App, World};
use crate::model::{Cloud, DirectoryId, Product};
use aws_lc_rs::digest;
use serde_json::{Value, json};

/// Life of a token, in seconds.
pub(super) const LIFETIME: i64 = 3599;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

pub(super) fn answer(world: &mut World, call: &Call, tenant: &str, version: Version) -> Answer {
    let now = world.now();
    // Where the address names no directory, it is that of the person whose code is brought.
    let directory = login::directory(world, call, tenant).map(|directory| directory.id);
    let directory = directory.or_else(|| world.codes.get(find(&call.form(), "code")?).map(|code| code.directory));
    let fault = directory.and_then(|id| {
        if let Some(seconds) = world.limits.remaining(id, Api::Token.as_str(), now) {
            let mut early = super::gate::refusal(Api::Token, 429, "", "Wait as you were told.");
            early.early = true;
            return Some(Err(early.header(axum::http::header::RETRY_AFTER, seconds.to_string())));
        }
        world.faults.take(id, Api::Token, true).map(Ok)
    });
    let answer = match fault {
        Some(Err(early)) => early,
        Some(Ok(fault)) => faulty(world, call, tenant, version, directory, &fault),
        None => {
            issue(world, call, tenant, version, None).map_or_else(|error| error.answer(now, &call.host), |body| Answer::json(200, &body))
        }
    };
    match directory {
        Some(id) => answer.of(Api::Token, id),
        None => answer,
    }
}

fn faulty(world: &mut World, call: &Call, tenant: &str, version: Version, directory: Option<DirectoryId>, fault: &Fault) -> Answer {
    let now = world.now();
    if let (Fault::Throttle(Some(retry_after)), Some(id)) = (fault, directory) {
        world.limits.told(id, Api::Token.as_str(), retry_after, now);
    }
    if let Some(answer) = fault.instead(Api::Token) {
        return answer;
    }
    if let Fault::Entra(status, error, code) = fault {
        return EntraError::new(*status, error, *code, "The stand-in was asked to answer so.").answer(now, &call.host);
    }
    let answer = issue(world, call, tenant, version, Some(fault));
    fault.bend(call, answer.map_or_else(|error| error.answer(now, &call.host), |body| Answer::json(200, &body)))
}

fn issue(world: &mut World, call: &Call, tenant: &str, version: Version, fault: Option<&Fault>) -> Result<Value, EntraError> {
    if !call.is_form() {
        return Err(EntraError::missing("grant_type"));
    }
    let form = call.form();
    let grant = find(&form, "grant_type").ok_or_else(|| EntraError::missing("grant_type"))?;
    let basic_id = assertion::basic(call).map(|(id, _)| id);
    let client = find(&form, "client_id").map(str::to_owned).or(basic_id).ok_or_else(|| EntraError::missing("client_id"))?;
    let directory = match login::directory(world, call, tenant) {
        Some(directory) => Some((directory.id, directory.name.clone())),
        None if login::is_common(tenant) => None,
        None if login::is_elsewhere(world, call, tenant) => return Err(EntraError::cross_cloud()),
        None => return Err(EntraError::no_such_tenant(tenant, "invalid_request")),
    };
    if grant == "client_credentials" && directory.is_none() {
        return Err(no_tenant(tenant));
    }
    let place = directory.as_ref().map_or(tenant, |(_, name)| name);
    let unknown = || EntraError::app_not_found(&client, place);
    let app = world.app_at(&call.host, &client).cloned().ok_or_else(unknown)?;
    let audiences = audiences(world, call, directory.as_ref().map(|(id, _)| *id), tenant, version);
    match (grant, directory.as_ref()) {
        ("client_credentials", Some((id, _))) => {
            if !world.grants.contains_key(&(*id, app.client_id)) {
                return Err(unknown());
            }
            let proof = assertion::check(world, call, &form, &app, &audiences)?;
            if let Some(resource) = vault(version, &form) {
                return Ok(vault_token(world, *id, &app, resource));
            }
            client_credentials(world, *id, &app, proof, version, &form, fault)
        }
        ("authorization_code", _) => {
            assertion::check(world, call, &form, &app, &audiences)?;
            authorization_code(world, directory.as_ref().map(|(id, _)| *id), &app, &form, fault)
        }
        _ => {
            Err(EntraError::new(400, "unsupported_grant_type", 70_003, &format!("The app requested an unsupported grant type '{grant}'.")))
        }
    }
}

fn no_tenant(tenant: &str) -> EntraError {
    if tenant == "organizations" {
        let text = "No tenant-identifying information found in either the request or implied by any provided credentials.";
        return EntraError::new(400, "invalid_request", 50_059, text);
    }
    let text = "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.";
    EntraError::new(400, "invalid_request", 9_001_023, text)
}

/// What an assertion may be made out to: this token endpoint, by the segment used or by the directory's id.
fn audiences(world: &World, call: &Call, directory: Option<DirectoryId>, tenant: &str, version: Version) -> Vec<String> {
    let tail = if version == Version::V2 { "oauth2/v2.0/token" } else { "oauth2/token" };
    let mut names = vec![tenant.to_owned()];
    if let Some(directory) = directory.and_then(|id| world.directories.get(&id)) {
        names.push(directory.id.to_string());
    }
    names.iter().map(|name| format!("https://{}/{name}/{tail}", call.host)).collect()
}

/// The resource asked for, in a directory of this cloud: `(as written, product)`.
fn resource(cloud: Cloud, version: Version, form: &[(String, String)]) -> Result<(String, Product), EntraError> {
    let no_resource = |name: &str| {
        let text = format!("The resource principal named {name} was not found in the tenant.");
        EntraError::new(400, "invalid_resource", 500_011, &text)
    };
    if version == Version::V1 {
        let name = find(form, "resource").ok_or_else(|| EntraError::missing("resource"))?;
        return hosts::resource_in(cloud, name).map(|product| (name.to_owned(), product)).ok_or_else(|| no_resource(name));
    }
    if find(form, "resource").is_some() {
        return Err(EntraError::new(400, "invalid_request", 901_002, "The 'resource' request parameter is not supported."));
    }
    let scope = find(form, "scope").ok_or_else(|| EntraError::missing("scope"))?;
    let Some(name) = scope.strip_suffix("/.default").filter(|name| !name.contains(' ')) else {
        let text = format!("The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.");
        return Err(EntraError::new(400, "invalid_scope", 70_011, &text));
    };
    hosts::resource_in(cloud, name).map(|product| (name.to_owned(), product)).ok_or_else(|| no_resource(name))
}

/// Key Vault as the resource asked for.
fn vault(version: Version, form: &[(String, String)]) -> Option<&str> {
    let name = if version == Version::V1 { find(form, "resource")? } else { find(form, "scope")?.strip_suffix("/.default")? };
    ["https://vault.azure.net", "https://vault.usgovcloudapi.net"].contains(&name).then_some(name)
}

fn vault_token(world: &World, id: DirectoryId, app: &App, resource: &str) -> Value {
    let now = world.now().timestamp();
    let claims = json!({
        "aud": resource, "iss": format!("https://sts.windows.net/{id}/"), "iat": now, "nbf": now, "exp": now + LIFETIME,
        "appid": app.client_id, "tid": id.to_string(), "ver": "1.0",
    });
    json!({"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": world.keys.sign(&claims)})
}

fn client_credentials(
    world: &mut World,
    id: DirectoryId,
    app: &App,
    proof: Proof,
    version: Version,
    form: &[(String, String)],
    fault: Option<&Fault>,
) -> Result<Value, EntraError> {
    let directory = world.directories.get(&id).ok_or_else(|| EntraError::no_such_tenant(&id.to_string(), "invalid_request"))?;
    let (audience, product) = resource(directory.cloud, version, form)?;
    let licensed = directory.licences.contains(&product);
    if !licensed {
        let text = format!(
            "The resource principal named {audience} was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."
        );
        return Err(EntraError::new(400, "invalid_resource", 500_011, &text));
    }
    let granted = world.grants.get(&(id, app.client_id)).into_iter().flatten();
    let roles: Vec<String> = granted.filter(|(of, _)| *of == product).map(|(_, role)| role.clone()).collect();
    let tid = match fault {
        Some(Fault::TokenOf(other)) => *other,
        _ => id,
    };
    world.tokens_issued += 1;
    let now = world.now().timestamp();
    let principal = uuid::Builder::from_random_bytes((id.0.as_u128() ^ app.client_id.as_u128()).to_be_bytes()).into_uuid();
    let mut claims = json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{tid}/"), "iat": now, "nbf": now, "exp": now + LIFETIME,
        "appid": app.client_id, "appidacr": proof.appidacr(), "idp": format!("https://sts.windows.net/{tid}/"),
        "oid": principal, "sub": principal, "tid": tid.to_string(), "uti": world.tokens_issued.to_string(), "ver": "1.0",
    });
    if !roles.is_empty() {
        claims["roles"] = json!(roles);
    }
    let token = world.keys.sign(&claims);
    let mut body = match version {
        Version::V1 => json!({
            "token_type": "Bearer", "expires_in": LIFETIME.to_string(), "ext_expires_in": LIFETIME.to_string(),
            "expires_on": (now + LIFETIME).to_string(), "not_before": now.to_string(), "resource": audience, "access_token": token,
        }),
        Version::V2 => json!({"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token}),
    };
    if let Some(Fault::ExpiresIn(value)) = fault {
        body["expires_in"] = value.clone();
    }
    Ok(body)
}

fn authorization_code(
    world: &mut World,
    at: Option<DirectoryId>,
    app: &App,
    form: &[(String, String)],
    fault: Option<&Fault>,
) -> Result<Value, EntraError> {
    let invalid = |code, text: &str| EntraError::new(400, "invalid_grant", code, text);
    let needed = |name: &str| find(form, name).ok_or_else(|| EntraError::missing(name));
    let (code_text, redirect_uri) = (needed("code")?.to_owned(), needed("redirect_uri")?.to_owned());
    let now = world.now();
    let code = world.codes.get(&code_text).cloned().ok_or_else(|| invalid(9_002_313, "The code is malformed or unknown."))?;
    if code.redeemed {
        return Err(invalid(54_005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code."));
    }
    if code.expires <= now {
        return Err(invalid(70_008, "The provided authorization code has expired."));
    }
    if code.client_id != app.client_id || at.is_some_and(|at| at != code.directory) {
        return Err(invalid(70_000, "The provided grant was issued to another client or in another tenant."));
    }
    if code.redirect_uri != redirect_uri {
        return Err(invalid(500_112, "The reply address does not match the one of the authorization request."));
    }
    if let Some(challenge) = &code.challenge {
        let hash = |verifier: &str| encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref());
        if find(form, "code_verifier").map(hash).as_ref() != Some(challenge) {
            let text = "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
            return Err(invalid(501_481, text));
        }
    }
    world.codes.redeem(&code_text);
    let id_token = id_token::of(world, &code, fault);
    let graph =
        json!({"aud": "00000003-0000-0000-c000-000000000000", "tid": code.directory.to_string(), "exp": now.timestamp() + LIFETIME});
    Ok(json!({
        "token_type": "Bearer", "scope": code.scope, "expires_in": LIFETIME, "ext_expires_in": LIFETIME,
        "access_token": world.keys.sign(&graph), "id_token": id_token,
    }))
}
