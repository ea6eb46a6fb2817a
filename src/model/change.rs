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

    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled | Self::Lost)
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
