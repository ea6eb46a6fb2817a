use super::*;
use crate::model::{Role, Scope, UserId, clock};
use crate::store::users::{Density, Theme};

#[test]
fn an_address_keeps_what_is_not_changed_and_begins_again_at_the_first_page() {
    let asked = Asked::read("/incidents", "q=a+b&severity=high&severity=low&not=tag&tag=x&cols=status&size=100&group=").unwrap();
    assert_eq!(
        asked.address.with("sort", "updated"),
        "/incidents?q=a+b&severity=high&severity=low&not=tag&tag=x&cols=status&size=100&sort=updated"
    );
    assert_eq!(asked.address.with("severity", ""), "/incidents?q=a+b&not=tag&tag=x&cols=status&size=100");
    assert_eq!(asked.address.bare(), "/incidents?cols=status&size=100");
    assert_eq!(
        (asked.severities.any, asked.tags.any.len(), asked.tags.not),
        (vec![Severity::High, Severity::Low], 0, vec!["x".to_owned()])
    );
    for bad in ["severity=terrible", "after=high.1.00000000000000000000000000000000", "sort=worst", "updated=2h", "from=yesterday", "q=%00"]
    {
        assert!(Asked::read("/incidents", bad).is_err(), "{bad}");
    }
}

#[test]
fn open_incidents_come_by_what_is_due_first_and_no_other_list_does() {
    let order = |path, query| Asked::read(path, query).unwrap().order;
    for query in ["", "status=new", "not=severity&severity=low"] {
        assert_eq!(order("/incidents", query), Order::queue(), "{query}");
    }
    for query in ["status=all", "status=resolved&status=new", "not=status&status=in_progress"] {
        assert_eq!(order("/incidents", query), Order::default(), "{query}");
    }
    assert_eq!(order("/alerts", ""), Order::default());
}

fn person() -> Person {
    Person {
        id: UserId::new(),
        login: "ada".to_owned(),
        name: "Ada".to_owned(),
        role: Role::Analyst,
        scope: Scope::All,
        theme: Theme::System,
        density: Density::Comfortable,
        keys: true,
        looked_at: None,
        behind: None,
    }
}

#[test]
fn tenants_are_those_of_the_groups_as_far_as_they_are_asked_for() {
    let ids = [TenantId::new(), TenantId::new(), TenantId::new()];
    let of = |query: &str, grouped: Option<&[TenantId]>| {
        Asked::read("/incidents", query).unwrap().filter_within(grouped.map(<[_]>::to_vec), &person(), clock::now()).tenants
    };
    assert_eq!(of("", None), None);
    assert_eq!(of("group=gold", Some(&ids[..2])), Some(vec![ids[0], ids[1]]));
    assert_eq!(of(&format!("tenant={}&not=tenant", ids[0]), None), None, "left out by the query");
    assert_eq!(of(&format!("tenant={}", ids[2]), None), Some(vec![ids[2]]));
    assert_eq!(of(&format!("tenant={}&group=gold", ids[1]), Some(&ids[..2])), Some(vec![ids[1]]));
    assert_eq!(of(&format!("tenant={}&group=gold", ids[2]), Some(&ids[..2])), Some(vec![]));
}

#[test]
fn a_link_to_one_value_does_not_mean_the_opposite_and_none_of_nothing_is_no_filter() {
    let id = TenantId::new();
    let asked = Asked::read("/alerts", &format!("tenant={id}&not=tenant&severity=high&not=severity&not=status")).unwrap();
    let here = format!("/alerts?severity=high&not=severity&tenant={id}");
    assert_eq!(asked.address.with("tenant", &id.to_string()), here);
    assert_eq!((asked.statuses.any.len(), asked.statuses.not.len(), asked.address.has("not", "status")), (0, 0, false));
    assert!(!Asked::read("/alerts", "not=status").unwrap().is_filtered());
    assert!(Asked::read("/incidents", "sort=alerts").is_ok() && Asked::read("/alerts", "sort=severity,alerts").is_err());
    let many = |n: usize| "tag=x&".repeat(n);
    assert_eq!(Asked::read("/incidents", &many(60)).unwrap().tags.any.len(), 60);
    assert!(Asked::read("/incidents", &many(1_001)).is_err());
}
