//! The `id_token` of a sign-in, and the ways in which it can be made to lie. See the page "ID token claims reference".

use super::accounts::MOST_GROUPS;
use super::faults::{Fault, IdTokenLie};
use super::keys::{encode, unsigned};
use super::login;
use super::signin::Code;
use super::token::LIFETIME;
use super::world::World;
use aws_lc_rs::digest;
use serde_json::{Value, json};
use uuid::Uuid;

/// The token for a code, unless it is to lie.
pub(super) fn of(world: &World, code: &Code, fault: Option<&Fault>) -> String {
    let lie = match fault {
        Some(Fault::IdToken(lie)) => Some(*lie),
        _ => None,
    };
    let mut claims = claims(world, code, lie);
    let now = world.now().timestamp();
    match lie {
        Some(IdTokenLie::WrongNonce) => claims["nonce"] = json!("not-the-nonce"),
        Some(IdTokenLie::NoNonce) => claims["nonce"] = Value::Null,
        Some(IdTokenLie::WrongAudience) => claims["aud"] = json!(Uuid::new_v4()),
        Some(IdTokenLie::WrongIssuer) => claims["iss"] = json!(format!("https://login.example.net/{}/v2.0", code.directory)),
        Some(IdTokenLie::Expired) => claims["exp"] = json!(now - 3600),
        Some(IdTokenLie::Times { from, until }) => {
            claims["nbf"] = json!(now + from);
            claims["exp"] = json!(now + until);
        }
        Some(IdTokenLie::Unsigned) => return unsigned(&claims),
        Some(IdTokenLie::PublicKeyAsSecret) => return world.keys.sign_with_public_key(&claims),
        Some(IdTokenLie::UnknownKey) => return world.keys.sign_as(&claims, "a-key-nobody-published"),
        Some(IdTokenLie::Forged) => {
            let mut token = world.keys.sign(&claims);
            token.truncate(token.rfind('.').unwrap_or_default() + 1);
            return token + &encode(&[7; 256]);
        }
        Some(IdTokenLie::OldProof) => claims["auth_time"] = json!(now - 3600),
        Some(IdTokenLie::Directory(_)) | None => {}
    }
    world.keys.sign(&claims)
}

fn claims(world: &World, code: &Code, lie: Option<IdTokenLie>) -> Value {
    let now = world.now().timestamp();
    let tid = match lie {
        Some(IdTokenLie::Directory(other)) => other,
        _ => code.directory,
    };
    let host = world.directories.get(&code.directory).map_or("", |directory| login::host_of(directory.cloud));
    let account = &code.account;
    let mut claims = json!({
        "aud": code.client_id, "iss": format!("https://{host}/{tid}/v2.0"), "iat": now, "nbf": now, "exp": now + LIFETIME,
        "name": account.name, "preferred_username": account.upn, "email": account.upn, "oid": account.object_id,
        "sub": encode(digest::digest(&digest::SHA256, format!("{}{}", code.client_id, account.object_id).as_bytes()).as_ref()),
        "tid": tid.to_string(), "uti": Uuid::new_v4().simple().to_string(), "ver": "2.0",
    });
    if let Some(nonce) = &code.nonce {
        claims["nonce"] = json!(nonce);
    }
    if !account.roles.is_empty() {
        claims["roles"] = json!(account.roles);
    }
    if code.asked {
        claims["auth_time"] = json!(now);
    }
    // A directory's own app is set to ask for them; those of customers are not.
    if world.app(code.client_id).is_some_and(|app| app.home.is_some()) {
        if account.groups.len() > MOST_GROUPS {
            let endpoint = format!("https://graph.windows.net/{tid}/users/{}/getMemberObjects", account.object_id);
            claims["_claim_names"] = json!({"groups": "src1"});
            claims["_claim_sources"] = json!({"src1": {"endpoint": endpoint}});
        } else if !account.groups.is_empty() {
            claims["groups"] = json!(account.groups);
        }
    }
    claims
}
