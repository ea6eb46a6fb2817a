//! The table behind [`explain`](super::explain): a row for each kind of failure Microsoft lists.

use super::codes::{Meaning, Remedy, Trouble, Who};
use crate::model::ConsentOutcome;

/// What a customer is told when only we can act.
const WE_ACT: &str = "Something is not set up right on our side. We have been told; you need not do anything until we contact you.";

const fn row(outcome: ConsentOutcome, trouble: Trouble, who: Who, staff: &'static str, customer: &'static str) -> Meaning {
    Meaning { outcome, trouble, remedy: Remedy { who, staff, customer } }
}

/// Our secret, certificate or app: every tenant is hit.
const fn credential(staff: &'static str) -> Meaning {
    row(ConsentOutcome::Failed, Trouble::OurCredential, Who::Mssp, staff, WE_ACT)
}

/// Something else of ours.
const fn ours(staff: &'static str) -> Meaning {
    row(ConsentOutcome::Failed, Trouble::Other, Who::Mssp, staff, WE_ACT)
}

/// Something of the customer's.
const fn theirs(staff: &'static str, customer: &'static str) -> Meaning {
    row(ConsentOutcome::Failed, Trouble::Other, Who::Customer, staff, customer)
}

const fn no_product(staff: &'static str) -> Meaning {
    let customer = "A product this app reads is not set up in your directory. Enable it, then open the link again.";
    row(ConsentOutcome::MissingServicePrincipal, Trouble::NoLicence, Who::Customer, staff, customer)
}

pub(super) const DECLINED: Meaning = row(
    ConsentOutcome::Declined,
    Trouble::ConsentLost,
    Who::Customer,
    "The administrator declined. Explain what is asked for, then send the link again.",
    "The request was declined and nothing was changed. You can open the link again whenever you are ready.",
);
pub(super) const LOST: Meaning = row(
    ConsentOutcome::Failed,
    Trouble::ConsentLost,
    Who::Customer,
    "The app is not in this directory: consent was never given or has been withdrawn, or the directory id is wrong. Send a new consent link.",
    "Our app is not in your directory. Please open the link and consent again.",
);
pub(super) const CREDENTIAL: Meaning = credential(
    "Microsoft does not accept our app's credential. Check the app registration's secret or certificate; every tenant is affected.",
);
pub(super) const NO_PRODUCT: Meaning = no_product(
    "The directory does not have the product's API, or the cloud is set wrong. The customer buys or enables the product, then consents again.",
);
pub(super) const PASSING: Meaning = row(
    ConsentOutcome::Failed,
    Trouble::Passing,
    Who::Automatic,
    "Microsoft is busy or has a passing fault. It is tried again.",
    "Microsoft could not answer just now. Please try the link again in a few minutes.",
);
pub(super) const UNKNOWN: Meaning = row(
    ConsentOutcome::Failed,
    Trouble::Other,
    Who::Mssp,
    "Microsoft refused with an error this version does not know. Look the number up in Microsoft's list of AADSTS errors.",
    "Microsoft did not complete the request. Please try the link again; if it fails again, contact us.",
);
const APPROVAL: Meaning = row(
    ConsentOutcome::AdminApprovalNeeded,
    Trouble::Other,
    Who::Customer,
    "The account may not consent for the organisation. An administrator of the customer has to open the link.",
    "Your account may not approve this for your organisation. Ask a Global Administrator or Privileged Role Administrator to open the link.",
);
const RISKY: Meaning = row(
    ConsentOutcome::AdminApprovalNeeded,
    Trouble::Other,
    Who::Mssp,
    "Microsoft judges the app risky without a verified publisher. Complete publisher verification of the app registration.",
    "Your organisation's settings ask for an administrator's approval of this app. Ask an administrator to open the link.",
);
const PARTNER: Meaning = row(
    ConsentOutcome::Failed,
    Trouble::Other,
    Who::Mssp,
    "The app is not authorised for delegated (partner) administration. Consent must be given by an account of the customer's own.",
    "Please open the link with an administrator account of your own organisation.",
);
const NO_DIRECTORY: Meaning = row(
    ConsentOutcome::Failed,
    Trouble::ConsentLost,
    Who::Mssp,
    "Microsoft knows no such directory in this cloud. Check the directory id and the cloud; the directory may have been deleted.",
    WE_ACT,
);
/// "The tenant belongs to a national cloud", "cross-cloud request": the directory is not of the cloud that was asked.
pub(in crate::microsoft) const WRONG_CLOUD: [u32; 3] = [90_038, 900_382, 900_432];
const OTHER_CLOUD: Meaning = row(
    ConsentOutcome::WrongCloud,
    Trouble::Other,
    Who::Mssp,
    "This directory belongs to another national cloud: register the app there, set the tenant's cloud, send a new link.",
    "Your organisation's directory is in another of Microsoft's clouds (the US government's, for instance) than the one this link is for. \
     Nothing was changed. Your provider has been told and will send you another link.",
);
const ASSIGNMENT: Meaning = row(
    ConsentOutcome::Failed,
    Trouble::ConsentLost,
    Who::Customer,
    "The directory demands that accounts be assigned to the app. The customer assigns it under Enterprise applications.",
    "Your directory demands an assignment for this app. Assign it under Enterprise applications, then try again.",
);
const LOOP: Meaning = row(
    ConsentOutcome::Failed,
    Trouble::Passing,
    Who::Automatic,
    "Microsoft sees the same request repeated. Calls to this directory pause; if it lasts, please report it.",
    "Microsoft asks us to wait. Please try the link again in a few minutes.",
);

/// No number stands twice.
pub(super) const ROWS: &[(&[u32], Meaning)] = &[
    (&[65_001, 700_016, 700_011], LOST),
    (&[65_004], DECLINED),
    (&[65_005, 650_056], ours("The permissions asked for are not on the app registration. Correct them, then ask for consent again.")),
    (
        &[650_052],
        no_product(
            "The directory has no service principal for the product. The customer buys or enables it (or runs New-MgServicePrincipal \
             for the API), then consents again.",
        ),
    ),
    (&[650_054], ours("The app asks for an API that no longer exists. Remove that permission from the app registration.")),
    (&[650_057], ours("The API is not on the app registration. Add its permission, then ask for consent again.")),
    (&[500_011, 50_001], NO_PRODUCT),
    (
        &[7_000_112, 70_001],
        credential(
            "The app is disabled or was not found: in our own registration, or by the customer under Enterprise applications. Enable it there.",
        ),
    ),
    (
        &[7_000_215],
        credential("The client secret is wrong; often the secret's id was pasted instead of its value. Every tenant is affected."),
    ),
    (
        &[7_000_222],
        credential("The client secret has expired. Make a new one and put it into the configuration; every tenant is affected."),
    ),
    (&[7_000_218], credential("No credential reached Microsoft. This is a fault of ours: please report it.")),
    (&[700_025], credential("The registration is a public client, which may not use a secret. Register a web platform instead.")),
    (&[700_027], credential("Microsoft does not know our certificate. Upload it to the app registration and compare the thumbprint.")),
    (&[700_030], credential("The certificate's subject is not allowed for this app. Use a certificate that is.")),
    (
        &[50_012, 50_027, 500_133, 700_024],
        credential("Microsoft found our signed assertion invalid or outside its time. Check this machine's clock first."),
    ),
    (
        &[700_229, 70_021, 700_211, 700_212, 700_213],
        credential(
            "The app registration does not trust the token we offered. Compare issuer, subject and audience of its federated credential.",
        ),
    ),
    (
        &[901_002],
        ours("Entra's token endpoint of version 2 was asked in the form of version 1. Set token = \"v1\" in an [[api]], or remove it."),
    ),
    (
        &[70_011, 28_002, 28_003, 700_022, 700_023, 900_144, 501_481, 50_147],
        ours("Microsoft found our request malformed. This is a fault of ours: please report it."),
    ),
    (
        &[9_001_023, 90_019, 50_059, 900_023, 50_194],
        ours("The directory id does not fit this app. Use the directory's GUID and make the app registration multi-tenant."),
    ),
    (&[90_002], NO_DIRECTORY),
    (&WRONG_CLOUD, OTHER_CLOUD),
    (&[90_093, 90_094, 90_095], APPROVAL),
    (&[900_941], RISKY),
    (&[90_099], PARTNER),
    (&[50_105], ASSIGNMENT),
    (
        &[50_020],
        theirs(
            "The account is not one of this directory. The customer uses an account of their own organisation.",
            "This account does not belong to your organisation's directory. Please use one that does.",
        ),
    ),
    (&[50_011], ours("The redirect URI is not on the app registration. Register the portal's consent callback address.")),
    (
        &[50_076, 50_079, 53_003, 530_032, 530_035],
        theirs(
            "A policy of the customer's (multi-factor, conditional access, security defaults) blocked it. The customer adjusts the policy.",
            "A sign-in policy of your organisation blocked the request. Complete the sign-in it asks for, or adjust the policy.",
        ),
    ),
    (
        &[500_212, 500_213, 500_021, 500_022],
        theirs(
            "A cross-tenant or tenant-restriction policy of the customer's blocked it. The customer allows our app.",
            "A cross-tenant policy of your organisation blocked the request. Ask its owner to allow our app.",
        ),
    ),
    (
        &[54_005, 70_008, 700_082],
        theirs(
            "The sign-in was used already or took too long. The customer opens the link again.",
            "The sign-in has expired or was used already. Please open the link again.",
        ),
    ),
    (&[50_196], LOOP),
    (&[90_055, 50_033, 90_006, 90_012, 90_024, 90_033, 90_090], PASSING),
];
