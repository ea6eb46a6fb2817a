//! The three forms of the consent link: the admin-consent pages v2.0 ("Admin consent on the Microsoft identity platform") and v1, and the
//! sign-in link of the partner pages of the Defender APIs ("Partner access through Microsoft Defender XDR APIs").

use crate::microsoft::clouds;
use crate::model::{Cloud, DirectoryId, Product};
use url::Url;
use uuid::Uuid;

/// The address where an administrator grants every permission of the app registration to their organisation.
///
/// `product` is any product the registration asks a permission of: with `/.default` of one resource, all configured permissions are
/// granted. Without a `directory` the administrator's own one is used (`organizations`). `redirect` must be registered on the app.
pub fn v2_url(cloud: Cloud, client_id: Uuid, product: Product, directory: Option<DirectoryId>, redirect: &Url, state: &str) -> Url {
    let mut url = clouds::login_url(cloud, &directory.map_or_else(|| "organizations".to_owned(), |id| id.to_string()), "v2.0/adminconsent");
    url.query_pairs_mut()
        .append_pair("client_id", &client_id.to_string())
        .append_pair("scope", &format!("{}/.default", clouds::general(cloud, product).audience))
        .append_pair("redirect_uri", redirect.as_str())
        .append_pair("state", state);
    url
}

/// The older admin-consent page. Every permission of the registration is granted. Without a `directory` it is `common`. Of its failures
/// Microsoft documents one without `state` and without `tenant`.
pub fn v1_url(cloud: Cloud, client_id: Uuid, directory: Option<DirectoryId>, redirect: &Url, state: &str) -> Url {
    let mut url = clouds::login_url(cloud, &directory.map_or_else(|| "common".to_owned(), |id| id.to_string()), "adminconsent");
    url.query_pairs_mut()
        .append_pair("client_id", &client_id.to_string())
        .append_pair("redirect_uri", redirect.as_str())
        .append_pair("state", state);
    url
}

/// The link of the partner pages. The browser ends at the reply URL of the registration (those pages say `https://portal.azure.com`), and
/// nothing comes back to us: the directory must be told, and is proven by a token.
pub fn authorize_url(cloud: Cloud, client_id: Uuid) -> Url {
    let mut url = clouds::login_url(cloud, "common", "oauth2/authorize");
    url.query_pairs_mut()
        .append_pair("prompt", "consent")
        .append_pair("client_id", &client_id.to_string())
        .append_pair("response_type", "code")
        .append_pair("sso_reload", "true");
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_has_the_documented_form_and_everything_is_encoded() {
        let redirect = Url::parse("https://portal.example.com/consent/callback").unwrap();
        let client = Uuid::from_u128(1);
        let url = v2_url(Cloud::Commercial, client, Product::DefenderXdr, None, &redirect, "a&b=c d");
        assert_eq!(
            url.as_str(),
            "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=00000000-0000-0000-0000-000000000001\
             &scope=https%3A%2F%2Fapi.security.microsoft.com%2F.default\
             &redirect_uri=https%3A%2F%2Fportal.example.com%2Fconsent%2Fcallback&state=a%26b%3Dc+d"
        );
    }

    #[test]
    fn a_known_directory_and_a_government_cloud_are_named_in_the_link() {
        let redirect = Url::parse("https://portal.example.com/consent/callback").unwrap();
        let directory = DirectoryId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee");
        for &cloud in Cloud::ALL {
            let url = v2_url(cloud, Uuid::from_u128(1), Product::CloudApps, directory, &redirect, "s");
            assert_eq!(url.host_str(), Some(clouds::login_host(cloud)));
            assert_eq!(url.path(), "/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0/adminconsent");
        }
    }

    #[test]
    fn the_older_forms_are_those_of_microsofts_pages() {
        let redirect = Url::parse("https://portal.example.com/consent/callback").unwrap();
        let directory = DirectoryId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee");
        let client = Uuid::from_u128(1);
        assert_eq!(
            v1_url(Cloud::Commercial, client, None, &redirect, "s").as_str(),
            "https://login.microsoftonline.com/common/adminconsent?client_id=00000000-0000-0000-0000-000000000001\
             &redirect_uri=https%3A%2F%2Fportal.example.com%2Fconsent%2Fcallback&state=s"
        );
        let url = v1_url(Cloud::Dod, client, directory, &redirect, "s");
        assert_eq!((url.host_str(), url.path()), (Some("login.microsoftonline.us"), "/aaaabbbb-0000-cccc-1111-dddd2222eeee/adminconsent"));
        assert_eq!(
            authorize_url(Cloud::Commercial, client).as_str(),
            "https://login.microsoftonline.com/common/oauth2/authorize?prompt=consent&client_id=00000000-0000-0000-0000-000000000001\
             &response_type=code&sso_reload=true"
        );
    }
}
