//! The store that logs of cloud discovery are put into, after Azure's "Put Blob": whoever knows the address may write there once.

use crate::demo::call::{Answer, Call};
use crate::demo::world::World;
use axum::http::{HeaderName, Method, header};

/// In one piece, a file may have this size.
const LARGEST: usize = 64 * 1024 * 1024;

pub(in crate::demo) fn is_store(host: &str) -> bool {
    let suffixes = [".blob.core.windows.net", ".blob.core.usgovcloudapi.net"];
    suffixes
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix))
        .is_some_and(|account| !account.is_empty() && account.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn refused(status: u16, code: &str) -> Answer {
    let mut answer = Answer::text(status, "");
    answer.set_body("application/xml", format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code></Error>"));
    answer
}

pub(in crate::demo) fn answer(world: &mut World, call: &Call) -> Answer {
    let now = world.now();
    let url = format!("https://{}{}", call.host, call.path);
    // A token of Entra's beside a signature is refused; it should never have come here.
    let signature = call.query("sig").filter(|_| call.header(&header::AUTHORIZATION).is_none());
    let all = world.directories.values_mut().flat_map(|directory| &mut directory.shelf.pending);
    let mine = |pending: &&mut super::shelf::Pending| {
        pending.url.split('?').next() == Some(&url) && Some(pending.signature.as_str()) == signature && pending.until > now
    };
    let Some(pending) = all.into_iter().find(mine) else { return refused(403, "AuthenticationFailed") };
    if call.method != Method::PUT {
        return refused(403, "AuthorizationPermissionMismatch");
    }
    if call.header(&HeaderName::from_static("x-ms-blob-type")) != Some("BlockBlob") {
        return refused(400, "MissingRequiredHeader");
    }
    if call.header(&header::CONTENT_LENGTH).is_none() {
        return refused(411, "MissingContentLengthHeader");
    }
    if call.body.len() > LARGEST {
        return refused(413, "RequestBodyTooLarge");
    }
    pending.content = Some(call.body.to_vec());
    Answer::text(201, "")
}
