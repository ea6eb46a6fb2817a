//! Cookies of sessions and of ways to Microsoft.

use crate::config::Config;
use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use secrecy::SecretString;

/// The session cookie's name: `__Host-` needs https, which only a loopback address may do without.
pub fn session_name(config: &Config) -> &'static str {
    if config.public_url.scheme() == "https" { "__Host-sid" } else { "sid" }
}

/// A session's cookie.
pub fn session_cookie(config: &Config, name: &'static str, value: String) -> Cookie<'static> {
    let secure = config.public_url.scheme() == "https";
    Cookie::build((name, value)).path("/").http_only(true).secure(secure).same_site(SameSite::Lax).build()
}

/// A cookie that binds a way to Microsoft to one browser: ten minutes, as long as that may take. Lax, because Microsoft sends the browser
/// back from another site.
pub fn trip_cookie(config: &Config, name: &'static str, value: &str) -> Cookie<'static> {
    let secure = if config.public_url.scheme() == "https" { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=600{secure}");
    Cookie::parse(text).unwrap_or_else(|_| Cookie::new(name, ""))
}

/// The secret of staff's session, where the browser sends one.
pub fn session_of(headers: &HeaderMap, config: &Config) -> Option<SecretString> {
    CookieJar::from_headers(headers).get(session_name(config)).map(|cookie| cookie.value().to_owned().into())
}
