//! The filters of a list that have choices.

use super::extract::User;
use super::queue::Frame;
use super::show::{visible, words};
use crate::model::{Product, Severity, SlaState, Status};
use crate::store::overview::TenantName;

/// Tactics of MITRE ATT&CK, as Microsoft writes them in alerts.
const TACTICS: [&str; 16] = [
    "InitialAccess",
    "Execution",
    "Persistence",
    "PrivilegeEscalation",
    "DefenseEvasion",
    "CredentialAccess",
    "Discovery",
    "LateralMovement",
    "Collection",
    "CommandAndControl",
    "Exfiltration",
    "Impact",
    "Ransomware",
    "Malware",
    "SuspiciousActivity",
    "UnwantedSoftware",
];
const CLASSIFICATIONS: [(&str, &str); 4] = [
    ("truepositive", "True positive"),
    ("falsepositive", "False positive"),
    ("informationalexpectedactivity", "Informational, expected activity"),
    ("none", "None yet"),
];

/// Tenants that a filter offers at once; with so many or more there may be others, which are found by name.
pub const TENANTS: i64 = 100;

/// One choice of a filter.
pub struct Choose {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

/// One filter with choices.
pub struct Pick {
    pub name: &'static str,
    pub title: &'static str,
    pub choices: Vec<Choose>,
    /// What is chosen, in a word or two.
    pub told: String,
    /// What is chosen is not wanted.
    pub not: bool,
}

impl Pick {
    /// `nothing`: how it is told that nothing is chosen.
    pub fn new(name: &'static str, title: &'static str, choices: Vec<Choose>, nothing: &str) -> Self {
        let chosen: Vec<&Choose> = choices.iter().filter(|choice| choice.chosen).collect();
        let told = match chosen.as_slice() {
            [] => nothing.to_owned(),
            [one] => one.label.clone(),
            more => more.len().to_string(),
        };
        Self { name, title, choices, told, not: false }
    }

    /// Whether finding a choice by its name is faster than looking.
    pub fn is_long(&self) -> bool {
        self.choices.len() > 20
    }

    pub fn is_on(&self) -> bool {
        self.choices.iter().any(|choice| choice.chosen)
    }
}

/// Whether there may be more tenants than these.
pub fn are_cut(tenants: &[TenantName]) -> bool {
    tenants.len() >= usize::try_from(TENANTS).unwrap_or(usize::MAX)
}

impl Frame {
    /// The filters with choices.
    pub fn picks(&self, user: &User) -> Vec<Pick> {
        let tenants = self.tenants.iter().map(|tenant| (tenant.tenant_id.to_string(), visible(&tenant.name)));
        let groups = self.groups.iter().map(|group| (group.clone(), visible(group)));
        let statuses = Status::ALL.iter().map(|status| (status.to_string(), status.label().to_owned()));
        let plain =
            |words: &[(&str, &str)]| words.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect::<Vec<_>>();
        let mut picks = vec![self.pick("tenant", "Tenant", tenants.collect())];
        if !self.groups.is_empty() {
            picks.push(self.pick("group", "Group", groups.collect()));
        }
        picks.extend([
            self.pick(
                "severity",
                "Severity",
                Severity::ALL.iter().map(|s| (s.as_str().to_owned(), format!("{} {}", s.sign(), s.label()))).collect(),
            ),
            self.pick("status", "Status", statuses.chain([("all".to_owned(), "Any".to_owned())]).collect()),
            self.pick("owner", "Owner", self.owners(user)),
            self.pick("product", "Product", Product::ALL.iter().map(|p| (p.as_str().to_owned(), p.short().to_owned())).collect()),
            self.pick("classification", "Verdict", plain(&CLASSIFICATIONS)),
            self.pick("category", "Category", TACTICS.iter().map(|word| ((*word).to_owned(), words(word))).collect()),
        ]);
        if self.has_sla() {
            let states = SlaState::ALL.iter().map(|state| (state.to_string(), state.label().to_owned()));
            picks.push(self.pick("sla", "SLA", states.collect()));
        }
        picks
    }

    fn owners(&self, user: &User) -> Vec<(String, String)> {
        let fixed = [("me".to_owned(), "Me".to_owned()), ("none".to_owned(), "Nobody".to_owned())];
        let names = self.asked.address.all("owner").filter(|name| !matches!(*name, "me" | "none"));
        let label = |name: &str| if name == user.login { "Me".to_owned() } else { visible(name) };
        fixed.into_iter().chain(names.map(|name| (name.to_owned(), label(name)))).collect()
    }

    fn pick(&self, name: &'static str, title: &'static str, choices: Vec<(String, String)>) -> Pick {
        let address = &self.asked.address;
        let mut choices: Vec<Choose> =
            choices.into_iter().map(|(value, label)| Choose { chosen: address.has(name, &value), value, label }).collect();
        // What a link asks for and no list names, such as another category.
        for value in address.all(name) {
            if !choices.iter().any(|choice| choice.value == value) {
                choices.push(Choose { chosen: true, value: value.to_owned(), label: visible(value) });
            }
        }
        let mut pick = Pick::new(name, title, choices, if name == "status" { "Open" } else { "" });
        pick.not = address.has("not", name);
        if pick.not && !pick.told.is_empty() {
            pick.told = format!("not {}", pick.told);
        }
        pick
    }

    /// Whether a filter may have more choices than it shows.
    pub fn is_cut(&self, pick: &Pick) -> bool {
        pick.name == "tenant" && are_cut(&self.tenants)
    }
}
