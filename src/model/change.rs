//! Words of what is changed at Microsoft, and of what is asked of it.

super::words::words! {
    /// How far a change has come.
    ChangeState {
        /// Written down; nothing has been sent.
        Intended = "intended",
        /// It is being sent, or the process died while it was. It is never sent again.
        Sending = "sending",
        /// Microsoft has accepted it and works on it.
        Running = "running",
        /// Sent, and no answer says what became of it: Microsoft is asked.
        Unknown = "unknown",
        Done = "done",
        /// Microsoft refused it, or its work failed.
        Failed = "failed",
        Cancelled = "cancelled",
        /// Microsoft does not know of it: it was not carried out.
        Lost = "lost",
    }
}

impl ChangeState {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Intended => "Waiting",
            Self::Sending => "Being sent",
            Self::Running => "Running",
            Self::Unknown => "Not known yet",
            Self::Done => "Done",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Lost => "Not carried out",
        }
    }

    /// What happens next, and what the reader can do.
    pub const fn next(self) -> &'static str {
        match self {
            Self::Intended => "It is sent as soon as a worker is free and Microsoft lets us.",
            Self::Sending => "Microsoft's answer is awaited. It is never sent twice.",
            Self::Running => "Microsoft works on it and is asked again until it ends.",
            Self::Unknown => "No answer came back. Microsoft is asked what became of it; it is not sent again.",
            Self::Done | Self::Cancelled => "",
            Self::Failed => "Nothing more happens by itself. If it is still wanted, make a new change.",
            Self::Lost => "It was not carried out. If it is still wanted, make a new change.",
        }
    }

    /// The sign of the state.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Intended | Self::Sending | Self::Running => "note",
            Self::Unknown => "warn",
            Self::Done => "ok",
            Self::Failed | Self::Lost => "bad",
            Self::Cancelled => "",
        }
    }

    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled | Self::Lost)
    }
}

/// What an operation of Microsoft's does, for people. An operation without a line here is shown by its name.
pub fn deed(operation: &str) -> &str {
    match operation {
        "xdr.incidents.update" | "graph.incidents.update" => "Update incident",
        "graph.incidents.comment" => "Comment on incident",
        "endpoint.alerts.update" | "graph.alerts.update" => "Update alert",
        "graph.alerts.comment" => "Comment on alert",
        "endpoint.alerts.batch" => "Update alerts",
        "endpoint.alerts.create" => "Create alert",
        "endpoint.machines.update" => "Set device value",
        "endpoint.machines.tags" => "Change device tag",
        "endpoint.act.isolate" => "Isolate device",
        "endpoint.act.unisolate" => "Release from isolation",
        "endpoint.act.scan" => "Antivirus scan",
        "endpoint.act.collect" => "Collect investigation package",
        "endpoint.act.restrict" => "Restrict code execution",
        "endpoint.act.unrestrict" => "Lift code restriction",
        "endpoint.act.quarantine" => "Stop and quarantine file",
        "endpoint.act.offboard" => "Offboard device",
        "endpoint.act.live_response" => "Live response",
        "endpoint.act.investigate" => "Start investigation",
        "endpoint.actions.cancel" => "Cancel action",
        "cloud_apps.alerts.read" => "Mark alert as read",
        "cloud_apps.alerts.unread" => "Mark alert as unread",
        "cloud_apps.alerts.close_benign" => "Close as benign",
        "cloud_apps.alerts.close_false_positive" => "Close as a false positive",
        "cloud_apps.alerts.close_true_positive" => "Close as a true positive",
        "cloud_apps.activities.feedback" => "Feedback on an activity",
        "cloud_apps.subnets.create" => "Add IP range",
        "cloud_apps.subnets.update" => "Replace IP range",
        "cloud_apps.subnets.delete" => "Delete IP range",
        "cloud_apps.discovery.done_upload" => "Upload log",
        other => other,
    }
}

super::words::words! {
    /// How far a question has come.
    LookupState {
        Asked = "asked",
        Answered = "answered",
        Failed = "failed",
    }
}
