//! Closing alerts, and feedback.

use super::{is_id, is_mail};
use serde_json::{Value, json};

/// Alerts that one call may close. Microsoft names no limit; a page of the list holds as many.
pub const MOST_IDS: usize = 100;
const LONGEST: usize = 2000;

crate::model::words::words! {
    /// As what an alert is closed.
    Verdict {
        Benign = "benign",
        FalsePositive = "false_positive",
        TruePositive = "true_positive",
    }
}

impl Verdict {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Benign => "Benign",
            Self::FalsePositive => "False positive",
            Self::TruePositive => "True positive",
        }
    }

    /// The operation that closes so.
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Benign => "cloud_apps.alerts.close_benign",
            Self::FalsePositive => "cloud_apps.alerts.close_false_positive",
            Self::TruePositive => "cloud_apps.alerts.close_true_positive",
        }
    }

    /// The verdict of such an operation.
    pub fn of_operation(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|verdict| verdict.operation() == name)
    }

    /// The member of the answer that counts the alerts closed.
    pub const fn counted_as(self) -> &'static str {
        match self {
            Self::Benign => "closed_benign",
            Self::FalsePositive => "closed_false_positive",
            Self::TruePositive => "closed_true_positive",
        }
    }

    /// The values of `resolutionStatusValue` that say so; the second is the older word.
    pub const fn resolutions(self) -> &'static [i64] {
        match self {
            Self::Benign => &[4],
            Self::FalsePositive => &[3, 1],
            Self::TruePositive => &[5, 2],
        }
    }

    /// The reasons that may be given, by number. A true positive has none.
    pub const fn reasons(self) -> &'static [(i64, &'static str)] {
        match self {
            Self::Benign => {
                &[(5, "Confirmed with the end user"), (6, "Triggered by a test"), (2, "The severity is lower in fact"), (4, "Other")]
            }
            Self::FalsePositive => &[(3, "Not accurate"), (0, "Not of interest"), (1, "Too many similar alerts"), (4, "Other")],
            Self::TruePositive => &[],
        }
    }
}

/// What Microsoft is told about its own detection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    pub text: String,
    /// Where Microsoft may ask back.
    pub contact: Option<String>,
}

/// Alerts to be closed. There is none without ids: an empty filter would close every alert of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    ids: Vec<String>,
    verdict: Verdict,
    reason: Option<i64>,
    comment: String,
    feedback: Option<Feedback>,
}

impl Closing {
    /// # Errors
    /// One sentence, when there is no id or too many, or the reason does not belong to the verdict.
    pub fn new(
        mut ids: Vec<String>,
        verdict: Verdict,
        reason: Option<i64>,
        comment: &str,
        feedback: Option<Feedback>,
    ) -> Result<Self, &'static str> {
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Err("Choose at least one alert.");
        }
        if ids.len() > MOST_IDS {
            return Err("At most 100 alerts can be closed at once.");
        }
        if !ids.iter().all(|id| is_id(id)) {
            return Err("That is no id of an alert of Defender for Cloud Apps.");
        }
        match reason {
            Some(reason) if !verdict.reasons().iter().any(|(number, _)| *number == reason) => {
                return Err("This reason does not go with this way of closing.");
            }
            None if !verdict.reasons().is_empty() => return Err("Choose a reason."),
            _ => {}
        }
        let texts = [comment, feedback.as_ref().map_or("", |feedback| feedback.text.as_str())];
        if texts.iter().any(|text| text.chars().count() > LONGEST || text.contains('\0')) {
            return Err("A text is longer than 2,000 characters, or holds what cannot be sent.");
        }
        if feedback.as_ref().and_then(|feedback| feedback.contact.as_deref()).is_some_and(|mail| !is_mail(mail)) {
            return Err("The contact is no e-mail address.");
        }
        Ok(Self { ids, verdict, reason, comment: comment.trim().to_owned(), feedback })
    }

    /// The alerts.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// As what.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// As it is sent. A reason of 0 is a reason.
    pub fn body(&self) -> Value {
        let mut body = json!({"filters": {"id": {"eq": self.ids}}, "comment": self.comment, "sendFeedback": self.feedback.is_some()});
        if let Some(reason) = self.reason {
            body["reasonId"] = json!(reason);
        }
        if let Some(feedback) = &self.feedback {
            body["feedbackText"] = json!(feedback.text);
            body["allowContact"] = json!(feedback.contact.is_some());
            if let Some(contact) = &feedback.contact {
                body["contactEmail"] = json!(contact);
            }
        }
        body
    }
}

/// What Microsoft is told about one activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityFeedback {
    value: String,
    feedback: Feedback,
}

impl ActivityFeedback {
    /// `value` is Microsoft's: its sample says "0", and no page lists others.
    ///
    /// # Errors
    /// One sentence.
    pub fn new(value: &str, feedback: Feedback) -> Result<Self, &'static str> {
        if value.is_empty() || value.len() > 10 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("The value is a number, such as 0.");
        }
        if feedback.text.trim().is_empty() || feedback.text.chars().count() > LONGEST {
            return Err("Say something, in at most 2,000 characters.");
        }
        if feedback.contact.as_deref().is_some_and(|mail| !is_mail(mail)) {
            return Err("The contact is no e-mail address.");
        }
        Ok(Self { value: value.to_owned(), feedback })
    }

    /// As it is sent.
    pub fn body(&self) -> Value {
        let contact = self.feedback.contact.as_deref();
        let mut body = json!({"feedbackValue": self.value, "feedbackText": self.feedback.text, "allowContact": contact.is_some()});
        if let Some(contact) = contact {
            body["contactEmail"] = json!(contact);
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_closed_without_an_id_and_every_reason_belongs_to_its_verdict() {
        let close = |ids: &[&str], verdict, reason| Closing::new(ids.iter().map(|&id| id.to_owned()).collect(), verdict, reason, "", None);
        assert!(close(&[], Verdict::Benign, Some(5)).is_err());
        assert!(close(&[""], Verdict::Benign, Some(5)).is_err());
        assert!(close(&["a"], Verdict::Benign, Some(0)).is_err());
        assert!(close(&["a"], Verdict::Benign, None).is_err());
        assert!(close(&["a"], Verdict::TruePositive, Some(4)).is_err());
        let zero = close(&["b", "a", "a"], Verdict::FalsePositive, Some(0)).unwrap();
        assert_eq!(zero.body(), json!({"filters": {"id": {"eq": ["a", "b"]}}, "comment": "", "sendFeedback": false, "reasonId": 0}));
        assert!(close(&["a"], Verdict::TruePositive, None).unwrap().body().get("reasonId").is_none());
        let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
        assert!(Closing::new(many, Verdict::TruePositive, None, "", None).is_err());
    }
}
