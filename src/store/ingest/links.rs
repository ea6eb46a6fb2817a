//! Which alerts belong to which incident, whichever came first.

use crate::model::TenantId;
use crate::store::Scoped;
use uuid::Uuid;

/// What a batch may have changed about the links.
#[derive(Default)]
pub(super) struct Affected {
    /// Microsoft's ids of incidents that are new to us: alerts may be waiting for them.
    pub new_incidents: Vec<String>,
    /// Microsoft's ids of incidents that got an alert.
    pub incidents: Vec<String>,
    /// Our ids of incidents that lost one.
    pub left: Vec<Uuid>,
    /// Our ids of the alerts that were written.
    pub alerts: Vec<Uuid>,
}

impl Affected {
    /// Whether anything was written that a rule could hide, or that brings a hidden incident back.
    pub fn is_any(&self) -> bool {
        !(self.alerts.is_empty() && self.new_incidents.is_empty() && self.incidents.is_empty() && self.left.is_empty())
    }
}

/// Our ids of the incidents that got or lost an alert.
pub(super) async fn touched(tx: &mut Scoped, tenant: TenantId, affected: &Affected) -> sqlx::Result<Vec<Uuid>> {
    let gained: Vec<&str> = affected.new_incidents.iter().chain(&affected.incidents).map(String::as_str).collect();
    let mut touched: Vec<Uuid> = sqlx::query_scalar(
        "select i.incident_id from unnest($2::text[]) as k (external_id)
         cross join lateral (select i.incident_id from incidents as i where i.tenant_id = $1 and i.product = 'defender_xdr'
                             and i.external_id = k.external_id offset 0) as i",
    )
    .bind(tenant)
    .bind(&gained)
    .fetch_all(&mut **tx)
    .await?;
    touched.extend(&affected.left);
    Ok(touched)
}

/// Gives waiting alerts to their incidents and counts again where something changed.
pub(super) async fn settle(tx: &mut Scoped, tenant: TenantId, affected: &Affected) -> sqlx::Result<()> {
    if !affected.new_incidents.is_empty() {
        sqlx::query(
            "update alerts as a
             set incident_id = (select i.incident_id from incidents as i
                                where i.tenant_id = $1 and i.product = 'defender_xdr' and i.external_id = a.incident_external_id)
             where a.tenant_id = $1 and a.incident_id is null and a.incident_external_id = any($2)",
        )
        .bind(tenant)
        .bind(&affected.new_incidents)
        .execute(&mut **tx)
        .await?;
    }
    let gained: Vec<&str> = affected.new_incidents.iter().chain(&affected.incidents).map(String::as_str).collect();
    if gained.is_empty() && affected.left.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "with counted as (
             select touched.incident_id,
                    (select count(*)::int from alerts as a where a.tenant_id = $1 and a.incident_id = touched.incident_id) as n
             from (select i.incident_id from unnest($2::text[]) as k (external_id)
                   cross join lateral (select i.incident_id from incidents as i where i.tenant_id = $1 and i.product = 'defender_xdr'
                                       and i.external_id = k.external_id offset 0) as i
                   union
                   select k.incident_id from unnest($3::uuid[]) as k (incident_id)) as touched
         )
         update incidents as i set alert_count = (select n from counted where counted.incident_id = i.incident_id)
         where i.tenant_id = $1 and i.incident_id = any(array(select incident_id from counted))
           and i.alert_count <> (select n from counted where counted.incident_id = i.incident_id)",
    )
    .bind(tenant)
    .bind(&gained)
    .bind(&affected.left)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
