//! What the fuzz target of id_tokens calls.

use super::*;

/// A key that may sign for every directory. Its private half is kept nowhere.
const N: &str = "xPJvMfSaGZcEcHCn4NkylThom470WL09MojOR0TypfuncjbscY6m-FV-sBpGadD0UOfaRVrw5TS9N6KaHUVHZBPuQaWC0TmKl9cf5zLwlfcboCONkhLDwvWtffmh9LY_eYqudETOoyauB30NzJ4Cd62jt5Mp2VcbzepW3wRQeH4pCAgsHbircD8-rlsbb6Y5JLDm4rwSanotLFop00EF4cTbnpYOHwVXcVVP4LpUeCni1oxWfPHAsEkVCEvWR6FjSNEU1fSpDs9YMPqs13zhZPohN61UhEALNfvU9SNN70IVmZ9fCrehLyYYI56jDyXYOtVgb0mT9CNcVPb8YOsrYQ";
const NONCE: &str = "n-0S6_WzA2Mj";
const DIRECTORY: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const CLIENT: Uuid = Uuid::from_u128(7);

fn expected() -> Option<Expected<'static>> {
    Some(Expected { cloud: Cloud::Commercial, directory: DirectoryId::parse(DIRECTORY)?, audience: CLIENT, nonce: NONCE })
}

/// Who a text proves to be there at this time: as a token, or, `signed`, as the claims of one whose signature is good. Nobody has the
/// key, so that no token is.
pub fn accepted(text: &str, signed: bool, now: DateTime<Utc>) -> Option<SignedIn> {
    let (expected, key) = (expected()?, Key { kid: "any".to_owned(), n: N.to_owned(), e: "AQAB".to_owned(), issuer: None });
    if signed {
        return judge(serde_json::from_str(text).ok()?, key.issuer.as_deref(), &expected, now).ok();
    }
    key_named(text).ok()?;
    proven(text, &key, &expected, now).ok()
}

/// The directory and the nonce that a token must name.
pub const EXPECTED: (&str, &str) = (DIRECTORY, NONCE);
