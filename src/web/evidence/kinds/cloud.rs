//! The kinds of evidence that lie in somebody's cloud.

use super::{Kind, NAME, Shown, kind};

const NAMESPACE: Shown = ("Namespace", &["/namespace/name", "/namespace"]);
const CLUSTER: Shown = ("Cluster", &["/namespace/cluster/name", "/cluster/name"]);

pub(super) const APPS: &[Kind] = &[
    kind(
        &["cloudapplication", "service"],
        ("net", "App"),
        &["/displayName", "/applicationName", "/label", "/name"],
        &[
            ("Id", &["/appId", "/applicationId"]),
            ("Instance", &["/instanceName"]),
            ("Instance id", &["/instanceId"]),
            ("Id in Cloud Apps", &["/saasAppId"]),
        ],
    ),
    kind(
        &["oauthapplication"],
        ("key", "OAuth app"),
        &["/displayName", "/appId"],
        &[("Publisher", &["/publisher"]), ("App id", &["/appId"]), ("Object id", &["/objectId"])],
    ),
    kind(
        &["serviceprincipal"],
        ("key", "Service principal"),
        &["/servicePrincipalName", "/appId"],
        &[
            ("Type", &["/servicePrincipalType"]),
            ("App id", &["/appId"]),
            ("Object id", &["/servicePrincipalObjectId"]),
            ("Directory of its owner", &["/appOwnerTenantId"]),
        ],
    ),
    kind(
        &["aiagent"],
        ("process", "AI agent"),
        &["/agentName", "/agentId"],
        &[("Id", &["/agentId"]), ("Platform", &["/hostingPlatformType"]), ("Instructions", &["/instructions"])],
    ),
    kind(&["policyrule"], ("more", "Policy"), &["/label"], &[("Type", &["/policyType"])]),
];

pub(super) const RESOURCES: &[Kind] = &[
    kind(
        &["azureresource", "cloudresource"],
        ("tenants", "Azure resource"),
        &["/resourceName", "/resourceId"],
        &[("Type", &["/resourceType"]), ("Id", &["/resourceId"])],
    ),
    kind(
        &["amazonresource"],
        ("tenants", "AWS resource"),
        &["/resourceName", "/amazonResourceId"],
        &[("Type", &["/resourceType"]), ("Account", &["/amazonAccountId"]), ("ARN", &["/amazonResourceId"])],
    ),
    kind(
        &["googlecloudresource"],
        ("tenants", "Google Cloud resource"),
        &["/resourceName", "/fullResourceName"],
        &[("Type", &["/resourceType"]), ("Project", &["/projectId"]), ("Place", &["/location"]), ("Full name", &["/fullResourceName"])],
    ),
    kind(
        &["blob"],
        ("file", "Blob"),
        &["/name", "/url"],
        &[("URL", &["/url"]), ("Container", &["/blobContainer/name"]), ("Hashes", &["/fileHashes"]), ("ETag", &["/etag"])],
    ),
    kind(
        &["blobcontainer"],
        ("file", "Blob container"),
        &["/name", "/url"],
        &[("URL", &["/url"]), ("Storage", &["/storageResource/resourceName", "/storageResource/resourceId"])],
    ),
    kind(
        &["sastoken"],
        ("key", "SAS token"),
        &["/storageResource/resourceName", "/signatureHash"],
        &[
            ("Allows", &["/permissions"]),
            ("Services", &["/allowedServices"]),
            ("From addresses", &["/allowedIpAddresses"]),
            ("Valid from", &["/startDateTime"]),
            ("Valid until", &["/expiryDateTime"]),
            ("Signature", &["/signatureHash"]),
        ],
    ),
];

pub(super) const CONTAINERS: &[Kind] = &[
    kind(
        &["container"],
        ("process", "Container"),
        &["/name", "/containerId"],
        &[
            ("Image", &["/image/imageId", "/image/digestImage/imageId"]),
            ("Pod", &["/pod/name"]),
            ("Command", &["/command"]),
            ("Arguments", &["/args"]),
            ("Privileged", &["/isPrivileged"]),
            ("Id", &["/containerId"]),
        ],
    ),
    kind(
        &["containerimage"],
        ("file", "Container image"),
        &["/imageId"],
        &[("Registry", &["/registry/registry"]), ("Digest", &["/digestImage/imageId"])],
    ),
    kind(&["containerregistry"], ("tenants", "Container registry"), &["/registry"], &[]),
    kind(
        &["kubernetescluster"],
        ("tenants", "Kubernetes cluster"),
        NAME,
        &[
            ("Platform", &["/platform"]),
            ("Distribution", &["/distribution"]),
            ("Version", &["/version"]),
            ("Resource", &["/cloudResource/resourceId", "/cloudResource/amazonResourceId", "/cloudResource/fullResourceName"]),
        ],
    ),
    kind(&["kubernetescontroller"], ("tenants", "Kubernetes controller"), NAME, &[("Type", &["/type"]), NAMESPACE, CLUSTER]),
    kind(&["kubernetesnamespace"], ("tenants", "Kubernetes namespace"), NAME, &[CLUSTER]),
    kind(
        &["kubernetespod"],
        ("tenants", "Kubernetes pod"),
        NAME,
        &[
            NAMESPACE,
            CLUSTER,
            ("Address", &["/podIp/ipAddress"]),
            ("Runs as", &["/serviceAccount/name"]),
            ("Controller", &["/controller/name"]),
        ],
    ),
    kind(&["kubernetessecret"], ("key", "Kubernetes secret"), NAME, &[("Type", &["/secretType"]), NAMESPACE, CLUSTER]),
    kind(
        &["kubernetesservice"],
        ("net", "Kubernetes service"),
        NAME,
        &[("Type", &["/serviceType"]), ("Address", &["/clusterIP/ipAddress"]), ("Outside", &["/externalIPs"]), NAMESPACE, CLUSTER],
    ),
    kind(&["kubernetesserviceaccount"], ("user", "Kubernetes service account"), NAME, &[NAMESPACE, CLUSTER]),
];

pub(super) const CODE: &[Kind] = &[
    kind(
        &["githuborganization"],
        ("tenants", "GitHub organization"),
        &["/displayName", "/login", "/orgId"],
        &[("Login", &["/login"]), ("Company", &["/company"]), ("E-mail", &["/email"]), ("Address", &["/webUrl"])],
    ),
    kind(
        &["githubrepo"],
        ("file", "GitHub repository"),
        &["/repoId", "/baseUrl"],
        &[("Owner", &["/owner"]), ("Login", &["/login"]), ("Address", &["/baseUrl"])],
    ),
    kind(
        &["githubuser"],
        ("user", "GitHub user"),
        &["/login", "/name", "/userId"],
        &[("Name", &["/name"]), ("E-mail", &["/email"]), ("Address", &["/webUrl"])],
    ),
];
