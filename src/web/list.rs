//! The state of a list lives in its address: filters, order, page. Reading it, and making the addresses of its neighbours.

use super::error::PageError;
use super::extract::User;
use crate::auth::Person;
use crate::model::{Product, Severity, Status, TenantId};
use crate::store::lists::{Filter, OPEN, Order, Owner, Position};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::str::FromStr;
use url::form_urlencoded;

/// Rows of a page.
pub const SIZES: [i64; 3] = [50, 100, 200];

/// The query of a list as it was sent, without what is empty.
#[derive(Clone, Debug)]
pub struct Address {
    path: &'static str,
    pairs: Vec<(String, String)>,
}

/// A list as it is asked for by address.
#[derive(Clone, Debug)]
pub struct Asked {
    pub address: Address,
    pub order: Order,
    pub after: Option<Position>,
    pub size: i64,
    pub text: String,
    pub tenants: Vec<TenantId>,
    pub severities: Vec<Severity>,
    /// Empty: the open ones. With `all_statuses`: every one.
    pub statuses: Vec<Status>,
    pub all_statuses: bool,
    /// "me", "none", a name, or nothing.
    pub owner: String,
    pub products: Vec<Product>,
    pub tags: Vec<String>,
    pub categories: Vec<String>,
    pub without_incident: bool,
}

impl Address {
    /// The values of one parameter.
    fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn one(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    /// This list with a parameter set to one value (or, with an empty one, without it), from its first page.
    pub fn with(&self, name: &str, value: &str) -> String {
        let kept = self.pairs.iter().filter(|(key, _)| key != name && key != "after").map(|(key, value)| (key.as_str(), value.as_str()));
        self.url(kept.chain((!value.is_empty()).then_some((name, value))))
    }

    /// The page of this list that begins after a position.
    pub fn page(&self, after: &str) -> String {
        let kept = self.pairs.iter().filter(|(key, _)| key != "after").map(|(key, value)| (key.as_str(), value.as_str()));
        self.url(kept.chain([("after", after)]))
    }

    /// This list without filters; order and size stay.
    pub fn bare(&self) -> String {
        self.url(self.kept().iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// This very page of the list.
    pub fn here(&self) -> String {
        self.url(self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// What stands behind the question mark of [`Self::here`].
    pub fn query(&self) -> String {
        self.here().split_once('?').map_or_else(String::new, |(_, query)| query.to_owned())
    }

    /// What a new filter keeps: order and size.
    pub fn kept(&self) -> Vec<(String, String)> {
        self.pairs.iter().filter(|(key, _)| key == "sort" || key == "size").cloned().collect()
    }

    fn url<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { self.path.to_owned() } else { format!("{}?{query}", self.path) }
    }
}

impl Asked {
    /// Reads a query string.
    ///
    /// # Errors
    /// A parameter that no link or form of ours makes, such as a forged page position.
    pub fn read(path: &'static str, query: &str) -> Result<Self, PageError> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .filter(|(_, value)| !value.trim().is_empty())
            .take(50)
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        if pairs.iter().any(|(_, value)| value.contains('\0')) {
            return Err(unreadable()); // the database has no such character
        }
        let address = Address { path, pairs };
        let all_statuses = address.one("status") == Some("all");
        Ok(Self {
            order: address.one("sort").map(order).transpose()?.unwrap_or_default(),
            after: address.one("after").map(|text| text.parse().map_err(|_| unreadable())).transpose()?,
            size: parsed::<i64>(&address, "size")?.into_iter().find(|size| SIZES.contains(size)).unwrap_or(SIZES[0]),
            text: address.one("q").unwrap_or_default().trim().chars().take(200).collect(),
            tenants: parsed(&address, "tenant")?,
            severities: parsed(&address, "severity")?,
            statuses: if all_statuses { Vec::new() } else { parsed(&address, "status")? },
            all_statuses,
            owner: address.one("owner").unwrap_or_default().chars().take(254).collect(),
            products: parsed(&address, "product")?,
            tags: address.all("tag").map(str::to_owned).collect(),
            categories: address.all("category").map(str::to_owned).collect(),
            without_incident: address.one("incident") == Some("none"),
            address,
        })
    }

    /// Whether anything but order, size and page is asked for.
    pub fn is_filtered(&self) -> bool {
        self.address.pairs.iter().any(|(key, _)| !matches!(key.as_str(), "sort" | "size" | "after"))
    }

    /// For the store: what `person` may see of it.
    pub fn filter(&self, person: &Person) -> Filter {
        let statuses = if self.statuses.is_empty() && !self.all_statuses { OPEN.to_vec() } else { self.statuses.clone() };
        Filter {
            tenants: person.scope.narrowed(&self.tenants),
            severities: self.severities.clone(),
            statuses,
            owner: match self.owner.as_str() {
                "" => None,
                "none" => Some(Owner::Nobody),
                "me" => Some(Owner::Is(person.login.clone())),
                name => Some(Owner::Is(name.to_owned())),
            },
            products: self.products.clone(),
            tags: self.tags.clone(),
            categories: self.categories.clone(),
            without_incident: self.without_incident,
            text: (!self.text.is_empty()).then(|| self.text.clone()),
            updated_since: None,
            created_since: None,
        }
    }

    /// What the list would show without filters: everything open.
    pub fn everything(person: &Person) -> Filter {
        Filter { tenants: person.scope.narrowed(&[]), statuses: OPEN.to_vec(), ..Filter::default() }
    }
}

fn parsed<T: FromStr>(address: &Address, name: &'static str) -> Result<Vec<T>, PageError> {
    address.all(name).map(|value| value.parse().map_err(|_| unreadable())).collect()
}

fn unreadable() -> PageError {
    PageError::BadRequest("The address of this list is not one that Watchfloor makes. Go back, or begin with the whole list.".into())
}

fn order(text: &str) -> Result<Order, PageError> {
    match text {
        "severity" => Ok(Order::Severity),
        "updated" => Ok(Order::Updated),
        _ => Err(unreadable()),
    }
}

/// The query string as it was sent.
#[derive(Clone, Debug)]
pub struct RawQuery(pub String);

impl<S: Send + Sync> FromRequestParts<S> for RawQuery {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        Ok(Self(parts.uri.query().unwrap_or_default().to_owned()))
    }
}

/// The owner's name as a filter shows it.
pub fn owner_label<'a>(asked: &'a Asked, user: &User) -> Option<&'a str> {
    match asked.owner.as_str() {
        "" => None,
        "none" => Some("nobody"),
        "me" => Some("me"),
        name if name == user.login => Some("me"),
        name => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_is_not_changed_and_begins_again_at_the_first_page() {
        let asked =
            Asked::read("/incidents", "q=a+b&severity=high&severity=low&after=high.1.00000000000000000000000000000000&size=100&tag=")
                .unwrap();
        assert_eq!(asked.address.with("sort", "updated"), "/incidents?q=a+b&severity=high&severity=low&size=100&sort=updated");
        assert_eq!(asked.address.with("severity", ""), "/incidents?q=a+b&size=100");
        assert_eq!(asked.address.bare(), "/incidents?size=100");
        assert!(asked.is_filtered() && asked.after.is_some());
        assert!(Asked::read("/incidents", "severity=terrible").is_err());
    }
}
