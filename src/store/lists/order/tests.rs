use super::*;

fn position(order: &Order, values: &[&str]) -> Result<Position, BadPosition> {
    Position::new(values.iter().map(|value| (*value).to_owned()).collect(), order)
}

const ID: &str = "00000000-0000-0000-0000-000000000007";

#[test]
fn a_position_survives_the_address_and_one_of_another_order_does_not_parse() {
    let order: Order = "tenant,-severity".parse().unwrap();
    let there = position(&order, &["ald\"er, ü", "4", "1700000000000000", ID]).unwrap();
    assert_eq!(order.position(&there.to_string()).unwrap(), there);
    assert!(Order::default().position(&there.to_string()).is_err());
}

#[test]
fn values_that_no_row_can_have_are_no_position() {
    for values in [
        &["9", "1", ID][..],
        &["high", "1", ID],
        &["4", "-1", ID],
        &["4", "9999999999999999", ID],
        &["4", "x", ID],
        &["4", "1", "7;--"],
        &["4", "1"],
        &[],
    ] {
        assert!(position(&Order::default(), values).is_err(), "{values:?}");
    }
    let by_title = "title".parse().unwrap();
    assert!(position(&by_title, &["a b", "4", "1", ID]).is_ok() && position(&by_title, &["a\0b", "4", "1", ID]).is_err());
    for bad in ["", "x", "forged", "W10", "eyJhIjoxfQ"] {
        assert!(Order::default().position(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_order_survives_the_address_and_nonsense_does_not_parse() {
    for text in ["severity", "-updated", "tenant,-severity,alerts"] {
        assert_eq!(text.parse::<Order>().unwrap().to_string(), text);
    }
    for bad in ["", "severity,", "worst", "severity,severity", "severity,tenant,title,owner", "--severity", "severity;--"] {
        assert!(bad.parse::<Order>().is_err(), "{bad}");
    }
}

#[test]
fn a_key_comes_first_when_it_is_chosen_and_turns_round_when_it_is_chosen_again() {
    let steps = [Key::Tenant, Key::Tenant, Key::Severity, Key::Created, Key::Title];
    let mut order = Order::by(Key::Updated);
    let texts = steps.map(|key| {
        order = order.toggled(key);
        order.to_string()
    });
    assert_eq!(
        texts,
        ["tenant,updated", "-tenant,updated", "severity,-tenant,updated", "created,severity,-tenant", "title,created,severity"]
    );
}

#[test]
fn what_is_due_first_says_nothing_behind_another_key() {
    assert_eq!(Order::queue().to_string(), "sla,severity");
    assert_eq!(Order::queue().toggled(Key::Title).to_string(), "title,severity");
    assert_eq!(Order::queue().toggled(Key::Severity).to_string(), "severity");
    assert_eq!(Order::by(Key::Title).toggled(Key::Sla).to_string(), "sla,title");
    assert!(Order::queue().is_indexed() && !Order::by(Key::Title).toggled(Key::Sla).is_indexed());
}

#[test]
fn every_list_ends_with_severity_the_last_update_and_the_id_as_its_indexes_do() {
    assert_eq!(Order::default().sql("incident_id"), "r.severity desc, r.updated_at desc, r.incident_id desc");
    assert_eq!("-updated".parse::<Order>().unwrap().sql("alert_id"), "r.updated_at asc, r.alert_id asc");
    assert_eq!(Order::by(Key::Title).sql("alert_id"), "lower(r.title) asc, r.severity desc, r.updated_at desc, r.alert_id desc");
    assert_eq!("title,updated".parse::<Order>().unwrap().sql("alert_id"), "lower(r.title) asc, r.updated_at desc, r.alert_id desc");
    assert!(Order::by(Key::Updated).is_indexed() && !"-severity".parse::<Order>().unwrap().is_indexed());
}
