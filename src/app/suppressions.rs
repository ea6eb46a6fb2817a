//! Making a rule that hides alerts: what is checked, the same for pages and programs, and how far back it is tried out first.

use super::acting::Refusal;
use crate::model::{Scope, SuppressionId, TenantId, TenantState, hex};
use crate::store::audit::By;
use crate::store::suppressions::{self, Criteria, New, Preview, Rule};
use crate::store::{Db, Scoped, tenants, tickets};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

/// How long a rule is in force at most, and unless somebody says otherwise.
pub const LONGEST: i64 = 365;
pub const USUAL: i64 = 30;
/// How many days a rule is tried out over; the shorter one where the longer takes too long.
pub const TRIED: [i64; 2] = [90, 7];
/// Alerts that are hidden or brought back while somebody waits.
const WHILE_WAITING: i64 = 5_000;
/// The longest texts, in characters.
const DETECTOR: usize = 200;
const TITLE: usize = 300;
const ENTITY: usize = 500;
const REASON: usize = 1_000;
/// Letters and digits that a title needs where nothing else is asked for.
const TELLING: usize = 3;

/// The field of a rule that nobody has previewed.
pub const PREVIEWED: &str = "previewed";

/// For which tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    Tenant(TenantId),
    /// Whoever is in this group.
    Group(String),
}

/// What somebody wants hidden, as they wrote it.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    pub over: Over,
    pub detector: &'a str,
    pub title: &'a str,
    pub entity: &'a str,
}

/// What a rule is to hide, checked.
#[derive(Clone, Debug)]
pub struct Checked {
    pub over: Over,
    /// The one tenant, or those that are in the group now.
    pub tenants: Vec<TenantId>,
    pub criteria: Criteria,
}

impl Checked {
    /// The same for the same group, tenants and criteria: what was previewed is what is made.
    pub fn fingerprint(&self) -> String {
        let hash = tickets::hash(&json!([self.group(), self.tenants, self.criteria]).to_string());
        hex::encode(&hash[..16])
    }

    fn group(&self) -> Option<&str> {
        match &self.over {
            Over::Tenant(_) => None,
            Over::Group(group) => Some(group),
        }
    }
}

/// Groups that are wholly in a person's scope: only these may they make rules for.
pub async fn groups(db: &Db, scope: &Scope) -> sqlx::Result<Vec<suppressions::Group>> {
    let mut tx = db.all_tenants().await?;
    let mut groups = suppressions::groups(&mut tx).await?;
    tx.commit().await?;
    groups.retain(|group| group.tenants.iter().all(|tenant| scope.holds(*tenant)));
    Ok(groups)
}

/// Checks what is to be hidden, and for whom, within somebody's scope. A tenant or group that is not wholly in it is no tenant or group.
pub async fn check(tx: &mut Scoped, db: &Db, scope: &Scope, wish: &Wish<'_>) -> Result<Checked, Refusal> {
    let criteria = criteria(wish)?;
    let tenants = match &wish.over {
        Over::Tenant(tenant) => {
            let found = tenants::get(tx, *tenant).await?.filter(|tenant| tenant.state != TenantState::Offboarded);
            vec![found.ok_or(Refusal::NoTenant)?.tenant_id]
        }
        Over::Group(name) => {
            let group = groups(db, scope).await?.into_iter().find(|group| group.name == *name);
            group.ok_or(Refusal::NoTenant)?.tenants
        }
    };
    Ok(Checked { over: wish.over.clone(), tenants, criteria })
}

fn criteria(wish: &Wish<'_>) -> Result<Criteria, Refusal> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (detector, title, entity) = (given(wish.detector), given(wish.title), given(wish.entity));
    for (field, text, longest) in [("detector", &detector, DETECTOR), ("title", &title, TITLE), ("entity", &entity, ENTITY)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > longest || text.contains('\0')) {
            return Err(Refusal::Wrong(field, "This is longer than anything an alert has, or holds a character that no alert can have."));
        }
    }
    if entity.as_deref().is_some_and(|entity| !is_entity(entity)) {
        return Err(Refusal::Wrong("entity", "Write an entity as kind:value, such as user:ada@example.com or ip:192.0.2.1."));
    }
    let telling = title.as_deref().map_or(TELLING, |title| title.chars().filter(|c| c.is_alphanumeric()).count());
    match (&detector, &title, &entity) {
        (None, None, None) => {
            return Err(Refusal::Wrong("title", "Say what is to be hidden: at least a title, a detector or an entity."));
        }
        (None, Some(_), None) if telling < TELLING => {
            return Err(Refusal::Wrong(
                "title",
                "A title of so few letters hides nearly everything. Write more of it, or add a detector or an entity.",
            ));
        }
        _ => {}
    }
    let lower = |text: String| text.to_lowercase();
    Ok(Criteria { detector: detector.map(lower), title, entity: entity.map(lower) })
}

/// Alerts have more kinds than are searched for, such as sha256.
fn is_entity(text: &str) -> bool {
    let is_kind = |kind: &str| !kind.is_empty() && kind.len() <= 30 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.split_once(':').is_some_and(|(kind, value)| is_kind(kind) && !value.trim().is_empty())
}

/// The reason and the days that somebody gives a rule.
pub fn lasting(reason: &str, days: i64) -> Result<(String, TimeDelta), Refusal> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON || reason.contains('\0') {
        return Err(Refusal::Wrong("reason", "Say why, in at most 1,000 characters: whoever meets the rule later wants to know."));
    }
    if !(1..=LONGEST).contains(&days) {
        return Err(Refusal::Wrong("days", "A rule is in force for 1 to 365 days."));
    }
    Ok((reason.to_owned(), TimeDelta::days(days)))
}

/// What the rule would have hidden, and in how many days. `None`: even a week takes too long to look through.
pub async fn preview(tx: &mut Scoped, of: &Checked, now: DateTime<Utc>) -> sqlx::Result<Option<(i64, Preview)>> {
    for days in TRIED {
        if let Some(preview) = suppressions::preview(tx, &of.criteria, &of.tenants, now - TimeDelta::days(days)).await? {
            return Ok(Some((days, preview)));
        }
    }
    Ok(None)
}

/// Makes the rule that was previewed: `seen` knows the fingerprint of that. The same under the same id again is the same rule; anything else
/// under it is refused.
pub async fn make(
    tx: &mut Scoped,
    db: &Db,
    (by, scope): (&By, &Scope),
    id: SuppressionId,
    (wish, seen): (&Wish<'_>, impl FnOnce(&str) -> bool),
    (reason, days): (&str, i64),
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let (reason, lasts) = lasting(reason, days)?;
    if let Over::Group(_) = wish.over {
        suppressions::lock_groups(tx).await?;
    }
    let of = check(tx, db, scope, wish).await?;
    if !seen(&of.fingerprint()) {
        return Err(Refusal::Wrong(PREVIEWED, "Look first at what this rule would have hidden. Nothing was saved."));
    }
    let new = New { id, group: of.group(), criteria: &of.criteria, reason: &reason, expires_at: now + lasts };
    if suppressions::create(tx, by, &new, &of.tenants, now, WHILE_WAITING).await? {
        return Ok(());
    }
    let known = suppressions::get(tx, id).await?;
    let same = known.is_some_and(|rule| {
        let over = rule.group_name.clone().map(Over::Group).or(rule.tenant_id.map(Over::Tenant));
        let lasted = rule.history.is_empty().then(|| rule.expires_at - rule.made_at);
        over.as_ref() == Some(&of.over)
            && rule.criteria == of.criteria
            && (rule.reason.as_str(), rule.user_id) == (reason.as_str(), by.user())
            && lasted.is_none_or(|lasted| lasted == lasts)
    });
    if same { Ok(()) } else { Err(Refusal::Reused) }
}

/// Ends a rule. One that has ended stays ended.
pub async fn end(tx: &mut Scoped, by: &By, rule: &Rule, now: DateTime<Utc>) -> Result<(), Refusal> {
    suppressions::end(tx, by, rule, now, WHILE_WAITING).await?;
    Ok(())
}

/// Lets a rule end so many days from now. `shown`: the end that whoever decides this has seen.
pub async fn extend(
    tx: &mut Scoped,
    by: &By,
    rule: &Rule,
    shown: DateTime<Utc>,
    (reason, days): (&str, i64),
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let (reason, lasts) = lasting(reason, days)?;
    // A page shows whole microseconds, as PostgreSQL keeps them.
    if rule.expires_at != shown || !suppressions::extend(tx, by, rule, (now + lasts, &reason), now).await? {
        return Err(Refusal::Changed(vec!["expires_at"]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish<'a>(detector: &'a str, title: &'a str, entity: &'a str) -> Wish<'a> {
        Wish { over: Over::Group("Gold".into()), detector, title, entity }
    }

    #[test]
    fn a_rule_needs_something_that_tells_alerts_apart() {
        for (detector, title, entity, field) in [
            ("", " ", "", "title"),
            ("", "*", "", "title"),
            ("", "* a-*b *", "", "title"),
            ("", "", "ada@example.com", "entity"),
            ("", "", "a planet:mars", "entity"),
            ("", "", "user: ", "entity"),
            ("\0", "", "", "detector"),
        ] {
            let refused = criteria(&wish(detector, title, entity)).unwrap_err();
            assert!(matches!(refused, Refusal::Wrong(wrong, _) if wrong == field), "{detector:?} {title:?} {entity:?}: {refused}");
        }
        let long = "x".repeat(TITLE + 1);
        assert!(criteria(&wish("", &long, "")).is_err());
        for (detector, title, entity) in
            [("", "Suspicious*", ""), ("A1", "", ""), ("", "", "User:Ada@Example.com"), ("", "", "sha256:ab12"), ("a", "*", "")]
        {
            assert!(criteria(&wish(detector, title, entity)).is_ok(), "{detector:?} {title:?} {entity:?}");
        }
        let kept = criteria(&wish(" AbC ", " Anything * Else ", "IP:2001:DB8::1")).unwrap();
        assert_eq!(kept.label(), "“Anything * Else” · detector abc · ip:2001:db8::1");
    }

    #[test]
    fn a_reason_and_at_most_a_year_are_asked_for() {
        for (reason, days) in [(" ", 30), ("a\0", 30), ("x", 0), ("x", 366), ("x", -1)] {
            assert!(lasting(reason, days).is_err(), "{reason:?} {days}");
        }
        assert_eq!(lasting(" x ", 365).unwrap(), ("x".to_owned(), TimeDelta::days(365)));
    }
}
