//! The conditions of a list's query that are more than a column and a value.

use super::{Choice, Filter, OPEN, Owner};
use crate::model::SlaState;
use sqlx::{Postgres, QueryBuilder};

pub(super) fn push_tenants(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(tenants) = &filter.tenants {
        query.push(" and r.tenant_id = any(").push_bind(tenants.clone()).push(")");
    }
}

/// The values as the database gets them. `words` is a condition that ends with an open bracket and is never null.
pub(super) fn push_choice<T, V>(query: &mut QueryBuilder<Postgres>, words: &str, choice: &Choice<T>, values: impl Fn(&[T]) -> V)
where
    V: for<'q> sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres>,
{
    for (not, chosen) in [("", &choice.any), ("not ", &choice.not)] {
        if !chosen.is_empty() {
            query.push(" and ").push(not).push(words).push_bind(values(chosen)).push(")");
        }
    }
}

/// Where only open rows are asked for, that is said by the column of the partial indexes; and where it says it all, by nothing else: one
/// condition too many makes the planner expect too few rows.
pub(super) fn push_statuses(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    let words = |statuses: &[crate::model::Status]| statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>();
    if filter.is_open_only() {
        query.push(" and r.is_open");
        if OPEN.iter().all(|status| filter.statuses.any.contains(status)) {
            return push_choice(query, "r.status = any(", &Choice { any: Vec::new(), not: filter.statuses.not.clone() }, words);
        }
    }
    push_choice(query, "r.status = any(", &filter.statuses, words);
}

pub(super) fn push_owners(query: &mut QueryBuilder<Postgres>, owners: &Choice<Owner>) {
    for (not, chosen) in [("", &owners.any), ("not ", &owners.not)] {
        if chosen.is_empty() {
            continue;
        }
        let name = |owner: &Owner| match owner {
            Owner::Nobody => None,
            Owner::Is(name) => Some(name.clone()),
        };
        let names: Vec<String> = chosen.iter().filter_map(name).collect();
        query.push(" and ").push(not).push("(");
        if names.len() < chosen.len() {
            query.push("r.assigned_to is null").push(if names.is_empty() { "" } else { " or " });
        }
        if !names.is_empty() {
            query.push("(r.assigned_to is not null and r.assigned_to = ");
            // One name alone leaves the rows in the order of an index that begins with it.
            match names.as_slice() {
                [name] => query.push_bind(name.clone()),
                _ => query.push("any(").push_bind(names).push(")"),
            };
            query.push(")");
        }
        query.push(")");
    }
}

/// A clock that runs is urgent by when it ends, and its index is entered there. What is at risk ends within a day. The times are asked for by
/// themselves: only what cannot tell of a row is looked for in an index, under row-level security.
pub(super) fn push_sla(query: &mut QueryBuilder<Postgres>, states: &Choice<SlaState>) {
    const SOON: &str = "r.urgency >= (select urgency_of(now() + interval '1 day'))";
    let words = |state: &SlaState| match state {
        SlaState::Breached => "r.urgency >= (select urgency_of(now()))".to_owned(),
        SlaState::AtRisk => format!("(r.urgency < (select urgency_of(now())) and {SOON} and coalesce(r.at_risk_at <= now(), false))"),
        SlaState::OnTrack => "(r.urgency < (select urgency_of(now())) and coalesce(r.at_risk_at > now(), false))".to_owned(),
    };
    for (not, chosen) in [("", &states.any), ("not ", &states.not)] {
        if !chosen.is_empty() {
            let any: Vec<String> = chosen.iter().map(words).collect();
            query.push(format!(" and {not}({})", any.join(" or ")));
        }
    }
    if !states.any.is_empty() {
        query.push(" and r.is_open"); // a clock runs
    }
    if !states.any.is_empty() && !states.any.contains(&SlaState::OnTrack) {
        query.push(" and ").push(SOON);
    }
}
