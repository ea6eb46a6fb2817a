//! Ranges of IP addresses. Source: Microsoft's pages "Data Enrichment API".

use crate::model::visible;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Microsoft's categories.
pub const CATEGORIES: [(i64, &str); 6] =
    [(1, "Corporate"), (2, "Administrative"), (3, "Risky"), (4, "VPN"), (5, "Cloud provider"), (6, "Other")];

/// The name of a category; an unknown one is shown as its number.
pub fn category_name(number: i64) -> String {
    CATEGORIES.iter().find(|(known, _)| *known == number).map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// A whole range as it is to be. An update that leaves something out blanks it, so there is no other form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    name: String,
    category: i64,
    subnets: Vec<String>,
    organization: Option<String>,
    tags: Vec<String>,
}

impl Range {
    /// Reads what people write: subnets and tags apart by commas, spaces (subnets only) or line ends.
    ///
    /// # Errors
    /// The field and what is wrong with it, for each that is wrong.
    pub fn new(name: &str, category: i64, subnets: &str, organization: &str, tags: &str) -> Result<Self, Vec<(&'static str, String)>> {
        let mut wrong = Vec::new();
        let name = name.trim();
        if let Err(why) = visible::name(name) {
            wrong.push(("name", why.to_owned()));
        }
        if !CATEGORIES.iter().any(|(known, _)| *known == category) {
            wrong.push(("category", "Choose a category.".to_owned()));
        }
        let mut good = Vec::new();
        for text in subnets.split(|c: char| c == ',' || c.is_whitespace()).filter(|text| !text.is_empty()) {
            match subnet(text) {
                Some(subnet) => good.push(subnet),
                None => wrong.push(("subnets", format!("{text} is no range such as 192.0.2.0/24."))),
            }
        }
        if good.is_empty() && !wrong.iter().any(|(field, _)| *field == "subnets") {
            wrong.push(("subnets", "At least one range is needed, such as 192.0.2.0/24.".to_owned()));
        }
        if good.len() > 500 {
            wrong.push(("subnets", "At most 500 ranges.".to_owned()));
        }
        let organization = organization.trim();
        if let Err(why) = visible::line(organization, 200) {
            wrong.push(("organization", why.to_owned()));
        }
        let tags: Vec<String> = tags.split([',', '\n']).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).take(50).collect();
        if tags.iter().any(|tag| visible::line(tag, 120).is_err()) {
            wrong.push(("tags", "A tag is one line of at most 120 characters.".to_owned()));
        }
        let organization = (!organization.is_empty()).then(|| organization.to_owned());
        if wrong.is_empty() { Ok(Self { name: name.to_owned(), category, subnets: good, organization, tags }) } else { Err(wrong) }
    }

    /// Its name, which no other range of the tenant has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it is sent.
    pub fn body(&self) -> Value {
        let mut body = json!({"name": self.name, "category": self.category, "subnets": self.subnets});
        if let Some(organization) = &self.organization {
            body["organization"] = json!(organization);
        }
        if !self.tags.is_empty() {
            body["tags"] = json!(self.tags);
        }
        body
    }
}

/// A network with its length; an address alone is a network of one.
fn subnet(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(most), str::parse::<u8>).ok().filter(|length| *length <= most)?;
    // The whole internet is no place.
    (length > 0).then(|| format!("{address}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_people_write_it_and_named_where_it_is_wrong() {
        let range = Range::new(" Offices ", 1, "192.0.2.0/24, 198.51.100.7\n2001:db8::/32", "", "a, b").unwrap();
        assert_eq!(
            range.body(),
            json!({"name": "Offices", "category": 1, "subnets": ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"], "tags": ["a", "b"]})
        );
        let wrong = Range::new("", 9, "0.0.0.0/0 192.0.2.0/33 x", "", "").unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["name", "category", "subnets", "subnets", "subnets"]);
        assert!(Range::new("A", 1, " ", "", "").is_err());
    }
}
