//! The rows that hunts found, kept in pieces as Microsoft wrote them.

use super::Scoped;
use super::hunts::Part;
use crate::model::{HuntId, TenantId};
use serde_json::Value;

/// Rows in a piece.
pub const PIECE: usize = 500;

/// Stores what a tenant answered, in place of what may have been stored before.
pub async fn store(tx: &mut Scoped, tenant: TenantId, hunt: HuntId, rows: &[&str]) -> sqlx::Result<()> {
    sqlx::query("delete from hunt_rows where tenant_id = $1 and hunt_id = $2").bind(tenant).bind(hunt).execute(&mut **tx).await?;
    for (piece, rows) in (0_i32..).zip(rows.chunks(PIECE)) {
        sqlx::query("insert into hunt_rows (tenant_id, hunt_id, piece, rows) values ($1, $2, $3, $4)")
            .bind(tenant)
            .bind(hunt)
            .bind(piece)
            .bind(format!("[{}]", rows.join(",")).replace('\0', "\u{fffd}"))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// One piece of a tenant's rows; empty after the last.
pub async fn piece(tx: &mut Scoped, tenant: TenantId, hunt: HuntId, piece: usize) -> sqlx::Result<Vec<Value>> {
    let text: Option<String> = sqlx::query_scalar("select rows from hunt_rows where tenant_id = $1 and hunt_id = $2 and piece = $3")
        .bind(tenant)
        .bind(hunt)
        .bind(i32::try_from(piece).unwrap_or(i32::MAX))
        .fetch_optional(&mut **tx)
        .await?;
    Ok(text.map(|text| read(&text)).unwrap_or_default())
}

/// The rows of all parts one after the other, in the parts' order: `limit` (up to 200) after the first `skip`, each with the place of its
/// part in `parts`.
pub async fn page(tx: &mut Scoped, hunt: HuntId, parts: &[Part], skip: usize, limit: usize) -> sqlx::Result<Vec<(usize, Value)>> {
    let wanted = pieces(&parts.iter().map(|part| usize::try_from(part.row_count).unwrap_or(0)).collect::<Vec<_>>(), skip, limit);
    let tenants: Vec<TenantId> = wanted.iter().map(|(part, _, _)| parts[*part].tenant_id).collect();
    let numbers: Vec<i32> = wanted.iter().map(|(_, piece, _)| i32::try_from(*piece).unwrap_or(i32::MAX)).collect();
    let texts: Vec<(i64, String)> = sqlx::query_as(
        "select w.place, r.rows from unnest($2::uuid[], $3::int[]) with ordinality as w (tenant_id, piece, place)
         join hunt_rows as r on r.tenant_id = w.tenant_id and r.hunt_id = $1 and r.piece = w.piece order by w.place",
    )
    .bind(hunt)
    .bind(&tenants)
    .bind(&numbers)
    .fetch_all(&mut **tx)
    .await?;
    let mut rows = Vec::new();
    for (place, text) in texts {
        let Some((part, _, skip)) = usize::try_from(place - 1).ok().and_then(|place| wanted.get(place)) else { continue };
        rows.extend(read(&text).into_iter().skip(*skip).map(|row| (*part, row)));
    }
    rows.truncate(limit);
    Ok(rows)
}

/// Which pieces hold the rows from `skip` on: part, piece, rows of it to leave out.
fn pieces(counts: &[usize], mut skip: usize, limit: usize) -> Vec<(usize, usize, usize)> {
    let mut wanted = Vec::new();
    let mut left = limit;
    for (part, &count) in counts.iter().enumerate() {
        if skip >= count {
            skip -= count;
            continue;
        }
        while skip < count && left > 0 {
            let (piece, within) = (skip / PIECE, skip % PIECE);
            let taken = (PIECE - within).min(count - skip).min(left);
            wanted.push((part, piece, within));
            skip += taken;
            left -= taken;
        }
        skip = 0;
        if left == 0 {
            break;
        }
    }
    wanted
}

/// What was stored is JSON; should it ever not be, the page shows no rows rather than none at all.
fn read(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_only_the_pieces_it_shows() {
        assert_eq!(pieces(&[3, 0, 4], 0, 1000), [(0, 0, 0), (2, 0, 0)]);
        assert_eq!(pieces(&[3, 0, 4], 5, 1000), [(2, 0, 2)]);
        assert_eq!(pieces(&[1200, 700], 1000, 1000), [(0, 2, 0), (1, 0, 0), (1, 1, 0)]);
        assert_eq!(pieces(&[1200, 700], 1100, 50), [(0, 2, 100)]);
        assert_eq!(pieces(&[100_000], 0, 1000), [(0, 0, 0), (0, 1, 0)]);
        assert_eq!(pieces(&[3], 3, 10), []);
    }
}
