//! What can be done to a device.

super::words::words! {
    /// An action on a device, as a person chooses it. Several may be one operation of Microsoft's with another word in its body.
    Deed {
        Isolate = "isolate",
        IsolateSelective = "isolate_selective",
        Release = "release",
        ScanQuick = "scan_quick",
        ScanFull = "scan_full",
        Collect = "collect_package",
        Restrict = "restrict",
        Lift = "lift_restriction",
        Quarantine = "quarantine_file",
        LiveResponse = "live_response",
        Investigate = "investigate",
        Offboard = "offboard",
    }
}

impl Deed {
    /// On buttons, before the device's name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Isolate => "Isolate",
            Self::IsolateSelective => "Isolate selectively",
            Self::Release => "Release from isolation",
            Self::ScanQuick => "Quick antivirus scan",
            Self::ScanFull => "Full antivirus scan",
            Self::Collect => "Collect investigation package",
            Self::Restrict => "Restrict code execution",
            Self::Lift => "Lift the code restriction",
            Self::Quarantine => "Stop and quarantine a file",
            Self::LiveResponse => "Live response",
            Self::Investigate => "Start an investigation",
            Self::Offboard => "Offboard",
        }
    }

    /// What it does to the people at the device.
    pub const fn effect(self) -> &'static str {
        match self {
            Self::Isolate => "The device loses every network connection except the one to Defender. Whoever works on it is cut off.",
            Self::IsolateSelective => "The device loses its network connections, but Outlook, Teams and Skype for Business keep theirs.",
            Self::Release => "The device gets its network connections back.",
            Self::ScanQuick => "Defender Antivirus looks through the usual hiding places. The device may become slower for some minutes.",
            Self::ScanFull => "Defender Antivirus looks through every file. The device may become slower for hours.",
            Self::Collect => "Logs and state of the device are packed for download.",
            Self::Restrict => "Only programs signed by Microsoft run from now on. Whoever works on the device may not be able to.",
            Self::Lift => "Programs run again as before.",
            Self::Quarantine => "The file is stopped and put away on this device.",
            Self::LiveResponse => "Commands run on the device with the rights of the system.",
            Self::Investigate => "Defender begins an automated investigation on the device, which may remediate what it finds.",
            Self::Offboard => {
                "The device leaves Defender for Endpoint: it reports and can be acted on no more. This cannot be taken back from here."
            }
        }
    }

    /// Whether the work at the device suffers.
    pub const fn is_grave(self) -> bool {
        matches!(self, Self::Isolate | Self::IsolateSelective | Self::Restrict | Self::Quarantine | Self::LiveResponse | Self::Offboard)
    }

    /// The name of the operation of Microsoft's.
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Isolate | Self::IsolateSelective => "endpoint.act.isolate",
            Self::Release => "endpoint.act.unisolate",
            Self::ScanQuick | Self::ScanFull => "endpoint.act.scan",
            Self::Collect => "endpoint.act.collect",
            Self::Restrict => "endpoint.act.restrict",
            Self::Lift => "endpoint.act.unrestrict",
            Self::Quarantine => "endpoint.act.quarantine",
            Self::LiveResponse => "endpoint.act.live_response",
            Self::Investigate => "endpoint.act.investigate",
            Self::Offboard => "endpoint.act.offboard",
        }
    }

    /// An action of this operation.
    pub fn of_operation(operation: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|deed| deed.operation() == operation)
    }

    /// The `type` of the machine action it becomes, after Microsoft's page "MachineAction resource type".
    pub const fn microsofts_type(self) -> &'static str {
        match self {
            Self::Isolate | Self::IsolateSelective => "Isolate",
            Self::Release => "Unisolate",
            Self::ScanQuick | Self::ScanFull => "RunAntiVirusScan",
            Self::Collect => "CollectInvestigationPackage",
            Self::Restrict => "RestrictCodeExecution",
            Self::Lift => "UnrestrictCodeExecution",
            Self::Quarantine => "StopAndQuarantineFile",
            Self::LiveResponse => "LiveResponse",
            Self::Investigate => "Investigation",
            Self::Offboard => "Offboard",
        }
    }
}
