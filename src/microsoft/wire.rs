//! Reading what Microsoft sends without tripping over it: enum values, numbers and types change; only an id and a time are insisted on.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What a member holds, as far as it is a single value.
enum Scalar {
    Text(String),
    Integer(i64),
    Nothing,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(storable(text)))
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(number))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(number).map_or_else(|_| Scalar::Text(number.to_string()), Scalar::Integer))
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Text(number.to_string()))
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_string()))
    }
    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Nothing)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nothing)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nothing)
    }
}

/// PostgreSQL cannot hold U+0000 in text.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A text, or a number or boolean written as text. Anything else, and an empty text, is `None`.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Text(text) => Some(text).filter(|text| !text.is_empty()),
        Scalar::Integer(number) => Some(number.to_string()),
        Scalar::Nothing => None,
    })
}

/// A whole number, also when written as text. Anything else is `None`.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Integer(number) => Some(number),
        Scalar::Nothing => None,
    })
}

/// An identifier: text or number, never empty.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer)?.filter(|id| id.len() <= 512).ok_or_else(|| D::Error::custom("the id is missing, empty or too long"))
}

/// A time that must be there.
pub(super) fn due_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    time(deserializer)?.ok_or_else(|| D::Error::custom("the time is missing or not a time"))
}

/// A time, written as RFC 3339 with up to nine digits of a second; without a zone it is UTC. `0001-01-01` means "not set".
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(text(deserializer)?.as_deref().and_then(parse_time))
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    let time = zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc())).ok()?;
    (time.year() > 1).then_some(time)
}

/// A list; `null` and a missing member are empty.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A list whose members are all optional; what cannot be read is left out, and so is anything that is not a list.
pub(super) fn items<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let serde_json::Value::Array(items) = serde_json::Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    Ok(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}

/// An object whose members are all optional; anything else is `None`.
pub(super) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(if value.is_object() { serde_json::from_value(value).ok() } else { None })
}

/// A list of texts; what is not a text is left out, and so is anything that is not a list.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(items.iter().filter_map(serde_json::Value::as_str).map(storable).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(json: &str, how: fn(&mut serde_json::Deserializer<serde_json::de::StrRead<'_>>) -> Result<T, serde_json::Error>) -> T {
        how(&mut serde_json::Deserializer::from_str(json)).unwrap()
    }

    #[test]
    fn a_member_of_any_type_is_read_as_text_or_left_out() {
        for (json, expected) in [
            (r#""High""#, Some("High")),
            ("5", Some("5")),
            ("-880718168", Some("-880718168")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("true", Some("true")),
            ("null", None),
            (r#""""#, None),
            (r#"{"a":[1]}"#, None),
            ("[1,2]", None),
            (r#""a\u0000b""#, Some("a\u{fffd}b")),
        ] {
            assert_eq!(read(json, |d| text(d)).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn times_are_read_as_microsoft_writes_them() {
        for (json, expected) in [
            (r#""2020-09-06T14:46:57.0733333Z""#, Some("2020-09-06T14:46:57.073333300+00:00")),
            (r#""2020-09-06T14:46:57""#, Some("2020-09-06T14:46:57+00:00")),
            (r#""2020-09-06T16:46:57+02:00""#, Some("2020-09-06T14:46:57+00:00")),
            (r#""9999-12-31T23:59:59Z""#, Some("9999-12-31T23:59:59+00:00")),
            (r#""0001-01-01T00:00:00Z""#, None),
            (r#""2020-09-06T24:00:00Z""#, None),
            (r#""YYYY-MM-DD HH:MM:SSZ""#, None),
            ("null", None),
            ("12", None),
        ] {
            assert_eq!(read(json, |d| time(d)).map(|time| time.to_rfc3339()).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn numbers_may_be_texts_and_lists_may_be_null() {
        assert_eq!(read(r#""3599""#, |d| integer(d)), Some(3599));
        assert_eq!(read("3599", |d| integer(d)), Some(3599));
        assert_eq!(read(r#""banana""#, |d| integer(d)), None);
        assert!(read("null", |d| texts(d)).is_empty());
        assert_eq!(read(r#"["T1064",1,null]"#, |d| texts(d)), ["T1064"]);
    }
}
