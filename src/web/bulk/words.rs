//! A list's filter in words, for whoever changes all that it finds.

use super::super::list::{Asked, Within};
use super::super::show::{visible, words};
use crate::app::triage::batch;
use crate::model::{Product, Severity, Status};
use crate::store::bulk::Bulk;
use crate::store::lists::{Hidden, Only};
use crate::store::overview::TenantName;

/// "status new or in progress · severity high · not tenant Alder". Nothing but what is asked for; without a status, the open ones are.
pub fn told(asked: &Asked, names: &[TenantName]) -> String {
    let mut parts = Vec::new();
    if !asked.text.is_empty() {
        parts.push(format!("“{}”", visible(&asked.text)));
    }
    for (name, title) in [
        ("status", "status"),
        ("severity", "severity"),
        ("tenant", "tenant"),
        ("group", "group"),
        ("owner", "owner"),
        ("product", "product"),
        ("classification", "verdict"),
        ("category", "category"),
        ("sla", "SLA"),
        ("tag", "tag"),
        ("entity", "entity"),
        ("title", "title"),
        ("detector", "detector"),
    ] {
        let values: Vec<String> = asked.address.all(name).map(|value| label(name, value, names)).collect();
        if !values.is_empty() {
            let not = if asked.address.has("not", name) { "not " } else { "" };
            parts.push(format!("{not}{title} {}", values.join(" or ")));
        } else if name == "status" {
            parts.push("status open".to_owned());
        }
    }
    for (within, did, title) in [(asked.updated, "changed", "last activity within"), (asked.created, "opened", "opened within")] {
        let Some(within) = within else { continue };
        let label = Within::ALL.into_iter().find(|(word, _, _)| *word == within.as_str());
        parts.push(label.map_or_else(|| format!("{did} {}", Within::LOOKED.1), |(_, label, _)| format!("{title} {label}")));
    }
    parts.extend(asked.days.0.map(|day| format!("opened on {day} or later")));
    parts.extend(asked.days.1.map(|day| format!("opened on {day} or earlier")));
    parts.extend((asked.only == Some(Only::Waiting)).then(|| "waiting for the customer".to_owned()));
    parts.extend(match asked.hidden {
        Hidden::No => None,
        Hidden::Too => Some("those that rules hide too".to_owned()),
        Hidden::Only => Some("only those that rules hide".to_owned()),
    });
    parts.join(" · ")
}

/// What a job is to do, in words: "Resolved · False positive · owner kim@mssp.example". Empty before it has begun.
pub fn wished(bulk: &Bulk) -> String {
    let Some(wish) = bulk.wish.as_ref().and_then(batch::read) else { return String::new() };
    let mut parts: Vec<String> =
        [&wish.status, &wish.classification, &wish.determination].into_iter().flatten().map(|word| words(word)).collect();
    parts.extend(
        wish.assigned_to.map(|owner| if owner.is_empty() { "owner nobody".to_owned() } else { format!("owner {}", visible(&owner)) }),
    );
    parts.extend(wish.tags.map(|tags| format!("tags {}", visible(&tags.join(", ")))));
    parts.extend(wish.comment.map(|_| "a comment".to_owned()));
    parts.join(" · ")
}

fn label(name: &str, value: &str, names: &[TenantName]) -> String {
    let known = match name {
        "tenant" => names.iter().find(|tenant| tenant.tenant_id.to_string() == value).map(|tenant| tenant.name.clone()),
        "severity" => value.parse::<Severity>().ok().map(|severity| severity.label().to_lowercase()),
        "status" if value == "all" => Some("whatever it is".to_owned()),
        "status" => value.parse::<Status>().ok().map(|status| status.label().to_lowercase()),
        "owner" if value == "none" => Some("nobody".to_owned()),
        "product" => value.parse::<Product>().ok().map(|product| product.short().to_owned()),
        "classification" if value == "none" => Some("none yet".to_owned()),
        "category" => Some(words(value)),
        _ => None,
    };
    visible(&known.unwrap_or_else(|| value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_told_as_it_was_chosen() {
        let told = |query: &str| told(&Asked::read("/incidents", query).unwrap(), &[]);
        assert_eq!(told(""), "status open");
        assert_eq!(told("status=new&status=resolved&severity=high&not=severity&size=100"), "status new or resolved · not severity high");
        assert_eq!(told("title=Noise&detector=d1&suppressed=yes"), "status open · title Noise · detector d1 · those that rules hide too");
        assert_eq!(told("q=rans&owner=none&updated=24h"), "“rans” · status open · owner nobody · last activity within 24 hours");
        assert_eq!(told("updated=looked&created=8h"), "status open · changed since I last looked · opened within 8 hours");
    }
}
