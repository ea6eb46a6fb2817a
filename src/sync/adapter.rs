//! Which of Microsoft's APIs a product of a tenant is read through, and changed: what staff decided, else Graph where it is granted and
//! serves the tenant, else the product's own API.

use super::verify::{self, Finding};
use crate::microsoft::operations::{self, Operation};
use crate::microsoft::{CallError, Client, Granted};
use crate::model::{Adapter, Product, SyncHealth};
use crate::store::sync_state::Claim;
use crate::store::tenants::Tenant;
use crate::store::{Scoped, adapters, permissions};

/// The call that reads a product's list through an adapter; its permission decides whether the adapter can be used.
pub(super) const fn operation(product: Product, adapter: Adapter) -> &'static Operation {
    match (product, adapter) {
        (Product::CloudApps, _) => &operations::cloud_apps::ALERTS_LIST,
        (Product::DefenderXdr, Adapter::Defender) => &operations::xdr::INCIDENTS_LIST,
        (Product::DefenderEndpoint, Adapter::Defender) => &operations::endpoint::ALERTS_LIST,
        (Product::DefenderEndpoint, Adapter::Graph) => &operations::graph::ALERTS_LIST,
        (Product::DefenderXdr | Product::Graph, _) => &operations::graph::INCIDENTS_LIST,
    }
}

/// The call that changes a record of a product through an adapter.
const fn change(product: Product, adapter: Adapter) -> &'static Operation {
    match (product, adapter) {
        (Product::DefenderEndpoint, Adapter::Graph) => &operations::graph::ALERTS_UPDATE,
        (Product::DefenderEndpoint, Adapter::Defender) => &operations::endpoint::ALERTS_UPDATE,
        (_, Adapter::Graph) => &operations::graph::INCIDENTS_UPDATE,
        (_, Adapter::Defender) => &operations::xdr::INCIDENTS_UPDATE,
    }
}

/// The API through which an incident (of Defender XDR) or an alert (of Defender for Endpoint) of a tenant is changed: by the rule by which
/// it is read, and the permissions that changing needs.
pub async fn to_change(client: &Client, tx: &mut Scoped, tenant: &Tenant, product: Product) -> sqlx::Result<Adapter> {
    let granted = super::grants(permissions::granted(tx, tenant.tenant_id).await?);
    let refused = adapters::refused(tx, tenant.tenant_id, product).await?;
    let usable = |adapter| standing(client, &tenant.apps, granted.iter().cloned(), change(product, adapter));
    Ok(choose(product, tenant.incident_api, refused, usable))
}

/// How far an adapter can be used. The better the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// An app of the tenant asks for the permission.
    Asked,
    /// It was seen in a token.
    Granted,
}

/// The adapter to use, given how far each can be; `None` for one that no app asks for. `refused` is the one that would not serve this
/// tenant when it was asked last. Where none can be used, the product's own API tells why.
pub(super) fn choose(
    product: Product,
    pinned: Option<Adapter>,
    refused: Option<Adapter>,
    usable: impl Fn(Adapter) -> Option<Use>,
) -> Adapter {
    let all = Adapter::of(product);
    if let Some(pinned) = pinned.filter(|pinned| all.contains(pinned)) {
        return pinned;
    }
    let order = |adapter: Adapter| {
        let granted = usable(adapter) == Some(Use::Granted);
        (granted && refused != Some(adapter), granted)
    };
    let candidates = all.iter().copied().filter(|adapter| usable(*adapter).is_some());
    // Of those that are equal the first, which is the preferred one.
    candidates.reduce(|best, next| if order(next) > order(best) { next } else { best }).unwrap_or(Adapter::Defender)
}

/// The adapter for a reading, as things stood when its lease was taken.
pub(super) fn of_claim(client: &Client, claim: &Claim, product: Product) -> Adapter {
    choose(product, claim.pinned, claim.refused, |adapter| usable(client, claim, product, adapter))
}

/// The adapter to go on with after `used` failed like this: only where another is granted, has not failed alike, and staff left the choice
/// to us.
pub(super) fn instead(client: &Client, claim: &Claim, product: Product, used: Adapter, error: &CallError) -> Option<Adapter> {
    let other = Adapter::of(product).iter().copied().find(|adapter| *adapter != used)?;
    let fit = claim.pinned.is_none() && claim.refused != Some(other) && is_refusal(error);
    (fit && usable(client, claim, product, other) == Some(Use::Granted)).then_some(other)
}

/// Whether the API does not serve this tenant, or no longer exists, as opposed to having a bad day.
pub(super) const fn is_refusal(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Forbidden { .. } | CallError::NoLicence { .. } | CallError::NotFound | CallError::Rejected { status: 410, .. }
    )
}

fn usable(client: &Client, claim: &Claim, product: Product, adapter: Adapter) -> Option<Use> {
    standing(client, &claim.apps, grants(claim), operation(product, adapter))
}

/// How far an operation can be used with a tenant's apps and what they have been granted; `None`: no app asks for its permission.
fn standing(client: &Client, apps: &[String], mut granted: impl Iterator<Item = Granted>, operation: &Operation) -> Option<Use> {
    let asked = apps.iter().filter_map(|name| client.app(name));
    let asked = asked.filter_map(|app| app.permissions.get(&operation.product)).flatten().any(|name| operation.rank(name).is_some());
    let serves =
        |grant: Granted| grant.product == operation.product && operation.rank(&grant.permission).is_some() && apps.contains(&grant.app);
    asked.then(|| if granted.any(serves) { Use::Granted } else { Use::Asked })
}

/// What the tenant's apps have been granted.
pub(super) fn grants(claim: &Claim) -> impl Iterator<Item = Granted> {
    claim.granted.iter().filter_map(|text| {
        let mut words = text.split(' ');
        let (app, product, permission) = (words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?.to_owned());
        Some(Granted { app, product, permission })
    })
}

/// What a check means for one product.
pub(super) struct Outlook {
    /// An app asks for a permission that lets us read it.
    pub asked: bool,
    /// Why it cannot be read through the adapter that will be used.
    pub trouble: Option<(SyncHealth, String, String)>,
    /// The adapter that does not serve this tenant, if the check shows it; what it does not show stays as it was.
    pub refused: Option<Adapter>,
}

/// Judges a product by the adapter that the next reading will use.
pub(super) fn outlook(product: Product, pinned: Option<Adapter>, refused: Option<Adapter>, findings: &[&Finding]) -> Outlook {
    let usable = |adapter: Adapter| {
        let list = operation(product, adapter);
        let mut of = findings.iter().filter(|finding| finding.asks_for(list)).peekable();
        of.peek()?;
        Some(if of.any(|finding| finding.is_granted(list)) { Use::Granted } else { Use::Asked })
    };
    let refused = Adapter::of(product).iter().copied().find(|adapter| {
        let answers: Vec<_> = findings.iter().filter_map(|finding| finding.answer_to(operation(product, *adapter))).collect();
        let told = answers.iter().any(|answer| answer.as_ref().is_err_and(is_refusal));
        answers.iter().all(|answer| answer.is_err()) && (told || refused == Some(*adapter))
    });
    let asked = Adapter::of(product).iter().any(|adapter| usable(*adapter).is_some());
    let used = choose(product, pinned, refused, usable);
    let trouble = if asked && usable(used).is_none() {
        let reason = format!("No app of this tenant asks for a permission to read it through {}.", used.label());
        let remedy = "Let the choice of the API follow what is granted, or add an app that asks for it.".to_owned();
        Some((SyncHealth::NoPermission, reason, remedy))
    } else {
        verify::trouble(findings.iter().copied(), operation(product, used))
    };
    Outlook { asked, trouble, refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Adapter::{Defender, Graph};
    use Product::{CloudApps, DefenderEndpoint, DefenderXdr};
    use Use::{Asked, Granted};

    fn chosen(pinned: Option<Adapter>, refused: Option<Adapter>, graph: Option<Use>, defender: Option<Use>) -> Adapter {
        choose(DefenderXdr, pinned, refused, |adapter| if adapter == Graph { graph } else { defender })
    }

    #[test]
    fn graph_is_preferred_where_it_is_granted_and_serves_the_tenant() {
        assert_eq!(chosen(None, None, Some(Granted), Some(Granted)), Graph);
        assert_eq!(chosen(None, None, Some(Asked), Some(Granted)), Defender);
        assert_eq!(chosen(None, None, Some(Granted), None), Graph);
        assert_eq!(chosen(None, None, None, Some(Granted)), Defender);
        assert_eq!(chosen(None, None, Some(Asked), Some(Asked)), Graph, "nothing is known yet");
        assert_eq!(chosen(None, Some(Graph), Some(Granted), Some(Granted)), Defender);
        assert_eq!(chosen(None, Some(Defender), Some(Asked), Some(Granted)), Defender, "better than one that is not granted");
        assert_eq!(chosen(None, None, None, None), Defender);
    }

    #[test]
    fn what_staff_decide_stands_and_a_product_of_one_api_has_no_choice() {
        assert_eq!(chosen(Some(Defender), None, Some(Granted), Some(Asked)), Defender);
        assert_eq!(chosen(Some(Graph), Some(Graph), None, Some(Granted)), Graph);
        assert_eq!(choose(CloudApps, Some(Graph), None, |_| Some(Granted)), Defender);
        assert_eq!(choose(DefenderEndpoint, None, None, |_| Some(Granted)), Graph);
    }
}
