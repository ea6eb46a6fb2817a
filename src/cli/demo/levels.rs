//! What the demo's customers were promised: some around the clock, the rest in working hours.

use crate::model::{ServiceLevelId, Severity};
use crate::store::audit::{Actor, By};
use crate::store::service_levels::{self, Target, Terms, Which};
use crate::store::{Db, overview};
use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};

/// Since when it has been so: long enough for something to be late.
const SINCE: TimeDelta = TimeDelta::minutes(210);

/// Makes two service levels and gives each tenant that there is one of them.
pub async fn agree(db: &Db, now: DateTime<Utc>) -> Result<()> {
    let by = By { actor: Actor::System("demo"), ip: None };
    let mut tx = db.all_tenants().await?;
    let (standard, premium) = (ServiceLevelId::new(), ServiceLevelId::new());
    for (level, name, always) in [(standard, "Working hours", Severity::Critical), (premium, "Around the clock", Severity::Unknown)] {
        service_levels::save(&mut tx, &by, (level, None), &terms(name, always), now).await?;
    }
    for (n, tenant) in overview::first_names(&mut tx, i64::MAX, &[]).await?.iter().enumerate() {
        let level = if n % 3 == 0 { premium } else { standard };
        service_levels::give(&mut tx, &by, &Which::One(tenant.tenant_id), Some(level), now - SINCE).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// `always`: from this severity on it is counted around the clock.
fn terms(name: &str, always: Severity) -> Terms {
    let target = |(severity, acknowledge, resolve)| Target {
        severity,
        acknowledge_minutes: Some(acknowledge),
        resolve_minutes: Some(resolve),
        always: severity >= always,
    };
    let times = [
        (Severity::Critical, 15, 240),
        (Severity::High, 60, 480),
        (Severity::Medium, 240, 1_440),
        (Severity::Low, 480, 2_400),
        (Severity::Informational, 2_400, 4_800),
    ];
    Terms {
        name: name.to_owned(),
        time_zone: "UTC".to_owned(),
        opens: 480,
        closes: 1_080,
        days: (1..=5).collect(),
        holidays: Vec::new(),
        targets: times.into_iter().map(target).collect(),
    }
}
