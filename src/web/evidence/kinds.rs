//! The kinds of evidence and what is shown of each. Sources: Microsoft's page "alertEvidence resource type" of the Graph security API with
//! the pages of its derived types, and the pages "List incidents" of Defender XDR and "Alert resource type" of Defender for Endpoint.

mod cloud;

/// What is shown of a kind: members as JSON pointers, the first that is filled counts.
pub struct Kind {
    /// Microsoft's words, lower case.
    pub names: &'static [&'static str],
    pub icon: &'static str,
    pub label: &'static str,
    pub title: &'static [&'static str],
    pub facts: &'static [Shown],
}

/// A word for people, and where it is found.
type Shown = (&'static str, &'static [&'static str]);

const fn kind(
    names: &'static [&'static str],
    (icon, label): (&'static str, &'static str),
    title: &'static [&'static str],
    facts: &'static [Shown],
) -> Kind {
    Kind { names, icon, label, title, facts }
}

const SHA256: Shown = ("SHA-256", &["/sha256", "/fileDetails/sha256", "/imageFile/sha256"]);
const SHA1: Shown = ("SHA-1", &["/sha1", "/fileDetails/sha1", "/imageFile/sha1"]);
const MD5: Shown = ("MD5", &["/md5", "/fileDetails/md5", "/imageFile/md5"]);
const NAME: &[&str] = &["/name", "/label"];

/// The kinds we know.
pub const KINDS: &[&[Kind]] = &[PEOPLE, MACHINES, MAIL, cloud::APPS, cloud::RESOURCES, cloud::CONTAINERS, cloud::CODE];

const PEOPLE: &[Kind] = &[
    kind(
        &["user", "account"],
        ("user", "User"),
        &["/userPrincipalName", "/userAccount/userPrincipalName", "/pa", "/accountName", "/userAccount/accountName", "/label"],
        &[
            ("Account", &["/accountName", "/userAccount/accountName", "/label"]),
            ("Domain", &["/domainName", "/userAccount/domainName"]),
            ("Name", &["/userAccount/displayName"]),
            ("SID", &["/userSid", "/userAccount/userSid"]),
            ("Entra id", &["/aadUserId", "/userAccount/azureAdUserId"]),
        ],
    ),
    kind(
        &["securitygroup", "grouptag"],
        ("user", "Group"),
        &["/securityGroupName", "/displayName", "/friendlyName", "/label", "/distinguishedName", "/securityGroupId"],
        &[("Distinguished name", &["/distinguishedName"]), ("SID", &["/sid"]), ("Id", &["/securityGroupId"])],
    ),
    kind(
        &["activedirectorydomain"],
        ("user", "Active Directory domain"),
        &["/activeDirectoryDomainName"],
        &[("Trusts", &["/trustedDomains"])],
    ),
    kind(
        &["cloudlogonsession"],
        ("key", "Cloud sign-in"),
        &["/account/userAccount/userPrincipalName", "/account/userAccount/accountName", "/sessionId"],
        &[
            ("Session", &["/sessionId"]),
            ("Begun", &["/startUtcDateTime"]),
            ("Before that", &["/previousLogonDateTime"]),
            ("Device", &["/deviceName"]),
            ("System", &["/operatingSystem"]),
            ("Browser", &["/browser"]),
            ("User agent", &["/userAgent"]),
            ("Protocol", &["/protocol"]),
        ],
    ),
    kind(&["cloudlogonrequest"], ("key", "Cloud sign-in request"), &["/requestId"], &[]),
    kind(
        &["hostlogonsession"],
        ("key", "Sign-in to a device"),
        &["/account/userAccount/userPrincipalName", "/account/userAccount/accountName", "/sessionId"],
        &[
            ("Device", &["/host/deviceDnsName", "/host/hostName"]),
            ("Session", &["/sessionId"]),
            ("Begun", &["/startUtcDateTime"]),
            ("Ended", &["/endUtcDateTime"]),
        ],
    ),
];

const MACHINES: &[Kind] = &[
    kind(
        &["device", "host", "machine"],
        ("device", "Device"),
        &["/deviceDnsName", "/hostName", "/computerDnsName", "/label", "/mdatpDeviceId", "/mdeDeviceId"],
        &[
            ("System", &["/osPlatform"]),
            ("Version", &["/version"]),
            ("Risk", &["/riskScore"]),
            ("Health", &["/healthStatus"]),
            ("Onboarding", &["/onboardingStatus"]),
            ("Addresses", &["/ipInterfaces", "/lastIpAddress"]),
            ("Group", &["/rbacGroupName"]),
            ("Defender id", &["/mdatpDeviceId", "/mdeDeviceId"]),
            ("Entra id", &["/aadDeviceId", "/azureAdDeviceId"]),
            ("Machine in the cloud", &["/vmMetadata/resourceId", "/vmMetadata/vmId"]),
        ],
    ),
    kind(
        &["iotdevice"],
        ("device", "IoT device"),
        &["/deviceName", "/deviceId", "/macAddress", "/serialNumber"],
        &[
            ("Type", &["/deviceType", "/deviceSubType"]),
            ("Made by", &["/manufacturer"]),
            ("Model", &["/model"]),
            ("System", &["/operatingSystem"]),
            ("Address", &["/ipAddress/ipAddress"]),
            ("MAC", &["/macAddress"]),
            ("Serial number", &["/serialNumber"]),
            ("Site", &["/site"]),
            ("Zone", &["/zone"]),
            ("Owners", &["/owners"]),
            ("Protocols", &["/protocols"]),
        ],
    ),
    kind(
        &["process"],
        ("process", "Process"),
        &["/fileName", "/imageFile/fileName"],
        &[
            ("As", &["/userAccount/userPrincipalName", "/userPrincipalName", "/userAccount/accountName", "/accountName"]),
            ("Integrity", &["/processIntegrityLevel", "/integrityLevel", "/processTokenElevation"]),
            ("Started", &["/processCreationTime", "/processCreationDateTime"]),
            ("Process id", &["/processId"]),
            ("Folder", &["/filePath", "/imageFile/filePath"]),
            ("Publisher", &["/imageFile/filePublisher"]),
            SHA256,
            SHA1,
            MD5,
        ],
    ),
    kind(
        &["file"],
        ("file", "File"),
        &["/fileName", "/fileDetails/fileName", "/label"],
        &[
            ("Folder", &["/filePath", "/fileDetails/filePath"]),
            ("Publisher", &["/fileDetails/filePublisher"]),
            ("Signed by", &["/fileDetails/signer"]),
            ("Bytes", &["/fileSize", "/fileDetails/fileSize"]),
            SHA256,
            SHA1,
            MD5,
        ],
    ),
    kind(&["filehash"], ("file", "Hash"), &["/value"], &[("Hash", &["/value"]), ("Algorithm", &["/algorithm"])]),
    kind(&["malware"], ("alert", "Malware"), NAME, &[("Category", &["/category"]), ("Files", &["/files"]), ("Processes", &["/processes"])]),
    kind(
        &["registry", "registrykey", "registryvalue"],
        ("key", "Registry"),
        &["/registryKey", "/registryValueName"],
        &[
            ("Hive", &["/registryHive"]),
            ("Key", &["/registryKey"]),
            ("Name", &["/registryValueName"]),
            ("Value", &["/registryValue"]),
            ("Type", &["/registryValueType"]),
        ],
    ),
    kind(
        &["ip"],
        ("net", "IP address"),
        &["/ipAddress", "/address", "/label"],
        &[
            ("Country", &["/location/countryName", "/countryLetterCode"]),
            ("City", &["/location/city"]),
            ("Network", &["/location/organization", "/location/carrier"]),
        ],
    ),
    kind(&["url"], ("net", "URL"), &["/url", "/label"], &[]),
    kind(
        &["dns"],
        ("net", "DNS name"),
        &["/domainName"],
        &[("Resolves to", &["/ipAddresses"]), ("Server", &["/dnsServerIp/ipAddress"]), ("Asked by", &["/hostIpAddress/ipAddress"])],
    ),
    kind(
        &["networkconnection"],
        ("net", "Connection"),
        &["/destinationAddress/ipAddress", "/sourceAddress/ipAddress"],
        &[
            ("To port", &["/destinationPort"]),
            ("From", &["/sourceAddress/ipAddress"]),
            ("From port", &["/sourcePort"]),
            ("Protocol", &["/protocol"]),
        ],
    ),
    kind(&["nic"], ("net", "Network card"), &["/macAddress"], &[("Address", &["/ipAddress/ipAddress"]), ("VLANs", &["/vlans"])]),
];

const MAIL: &[Kind] = &[
    kind(
        &["mailbox"],
        ("mail", "Mailbox"),
        &["/mailboxAddress", "/primaryAddress", "/upn"],
        &[
            ("Name", &["/mailboxDisplayName", "/displayName"]),
            ("User", &["/upn", "/userAccount/userPrincipalName"]),
            ("Entra id", &["/userAccount/azureAdUserId", "/aadUserId"]),
        ],
    ),
    kind(
        &["mailmessage", "analyzedmessage"],
        ("mail", "Message"),
        &["/subject", "/networkMessageId"],
        &[
            ("From", &["/sender", "/p2Sender/emailAddress", "/p1Sender/emailAddress"]),
            ("Sent as", &["/p1Sender/emailAddress"]),
            ("Sender's address", &["/senderIp"]),
            ("To", &["/recipient", "/recipientEmailAddress"]),
            ("Subject", &["/subject"]),
            ("Received", &["/receivedDateTime"]),
            ("Direction", &["/antiSpamDirection"]),
            ("Delivery", &["/deliveryAction"]),
            ("Place", &["/deliveryLocation"]),
            ("Threats", &["/threats"]),
            ("Found by", &["/threatDetectionMethods"]),
            ("URLs", &["/urls"]),
            ("Links", &["/urlCount"]),
            ("Attachments", &["/attachmentsCount"]),
            ("Network message id", &["/networkMessageId"]),
            ("Internet message id", &["/internetMessageId"]),
        ],
    ),
    kind(
        &["mailcluster"],
        ("mail", "Group of messages"),
        &["/clusterBy", "/subject", "/query"],
        &[
            ("Value", &["/clusterByValue"]),
            ("Messages", &["/emailCount"]),
            ("Query", &["/query"]),
            ("Network message ids", &["/networkMessageIds"]),
        ],
    ),
    kind(
        &["mailboxconfiguration"],
        ("mail", "Mailbox setting"),
        &["/mailboxPrimaryAddress", "/displayName", "/upn"],
        &[("Setting", &["/configurationType"]), ("User", &["/upn"]), ("Id", &["/configurationId"])],
    ),
    kind(
        &["submissionmail"],
        ("mail", "Reported message"),
        &["/subject", "/networkMessageId"],
        &[
            ("From", &["/sender"]),
            ("Sender's address", &["/senderIp"]),
            ("To", &["/recipient"]),
            ("Reported by", &["/submitter"]),
            ("Reported as", &["/reportType"]),
            ("Reported", &["/submissionDateTime"]),
            ("Network message id", &["/networkMessageId"]),
        ],
    ),
    kind(
        &["teamsmessage"],
        ("mail", "Teams message"),
        &["/subject", "/senderFromAddress", "/messageId"],
        &[
            ("From", &["/senderFromAddress"]),
            ("Sender's address", &["/senderIP"]),
            ("To", &["/recipients"]),
            ("Received", &["/receivedDateTime"]),
            ("Direction", &["/messageDirection"]),
            ("Delivery", &["/deliveryAction"]),
            ("Place", &["/deliveryLocation"]),
            ("Thread", &["/threadId"]),
            ("Message", &["/messageId"]),
        ],
    ),
];
