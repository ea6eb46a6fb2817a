//! Search by words and entities: what it finds, for whom, and that it finds the same where it must walk the list.

use crate::app::TestApp;
use crate::rig::Rig;
use crate::support::database;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};
use std::collections::BTreeSet;
use uuid::Uuid;
use watchfloor::model::{Role, Scope, TenantId};
use watchfloor::store::lists::{Choice, Filter, Order};
use watchfloor::store::{Db, Scoped, alerts, incidents, lists};
use watchfloor::sync::engine::plan_due;

/// Two tenants, each with incidents and alerts of the same words, numbers and entities; `many` of them are called "Common".
async fn two_tenants(db: &Db, many: i32) -> (TenantId, TenantId) {
    let (a, b) = (TenantId::new(), TenantId::new());
    let mut tx = db.all_tenants().await.unwrap();
    for (tenant, name) in [(a, "Alder"), (b, "Birch")] {
        sqlx::query("insert into tenants (tenant_id, name) values ($1, $2)").bind(tenant).bind(name).execute(&mut *tx).await.unwrap();
        for (table, id) in [("incidents", "incident_id"), ("alerts", "alert_id")] {
            let text = format!(
                "insert into {table} (tenant_id, {id}, product, external_id, title, severity, severity_raw, status, status_raw, entities, created_at, updated_at)
                 select $1, gen_random_uuid(), 'defender_xdr', 'N' || n, case when n > 3 then 'Common thing ' else 'Rare 100% thing ' end || n, 3, 'x',
                        'new', 'x', array['user:eve' || n % 10, 'sha256:ab' || n], now(), now() - n * interval '1 s'
                 from generate_series(1, $2) as n"
            );
            sqlx::query(AssertSqlSafe(text)).bind(tenant).bind(many).execute(&mut *tx).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    (a, b)
}

async fn found(tx: &mut Scoped, function: &'static str, key: Option<&str>, words: Option<&str>) -> BTreeSet<Uuid> {
    let text = if function == "incidents" { "select search_incidents($1, $2, $3, 100)" } else { "select search_alerts($1, $2, $3, 100)" };
    let keys: Vec<&str> = key.into_iter().collect();
    let ids: Vec<Uuid> = sqlx::query_scalar(text).bind(words).bind(words).bind(keys).fetch_all(&mut **tx).await.unwrap();
    ids.into_iter().collect()
}

#[tokio::test]
async fn the_functions_of_search_find_nothing_outside_the_scope_and_within_an_empty_one_nothing_at_all() {
    let db = database().await;
    let (a, b) = two_tenants(&db.web, 20).await;
    for pool in [&db.web, &db.worker] {
        for table in ["incidents", "alerts"] {
            for (key, words, each) in
                [(Some("user:eve1"), None, 2), (None, Some("%thing 7%"), 1), (None, Some("N7"), 1), (None, Some("%thing%"), 20)]
            {
                let mut seen = Vec::new();
                for scope in [Scope::Tenants(Vec::new()), Scope::one(a), Scope::one(b), Scope::one(TenantId::new()), Scope::All] {
                    let mut tx = pool.begin(&scope).await.unwrap();
                    let ids = found(&mut tx, table, key, words).await;
                    // What row-level security shows of these ids is all of them.
                    let text = format!("select count(*) from {table} where {}_id = any($1)", table.trim_end_matches('s'));
                    let visible: i64 = sqlx::query_scalar(AssertSqlSafe(text))
                        .bind(ids.iter().copied().collect::<Vec<_>>())
                        .fetch_one(&mut *tx)
                        .await
                        .unwrap();
                    assert_eq!(usize::try_from(visible).unwrap(), ids.len(), "{table} {key:?} {words:?} {scope:?}");
                    seen.push(ids.len());
                }
                assert_eq!(seen, [0, each, each, 0, 2 * each], "{table} {key:?} {words:?}");
            }
        }
        for attempt in ["set role watchfloor_finder", "alter function search_alerts owner to current_user", "drop policy search on alerts"]
        {
            let mut tx = pool.all_tenants().await.unwrap();
            let member: bool =
                sqlx::query_scalar("select pg_has_role(current_user, 'watchfloor_finder', 'member')").fetch_one(&mut *tx).await.unwrap();
            assert!(!member);
            // A session that begins as a superuser may become anybody, whatever its role is now.
            if !(attempt.starts_with("set role") && is_superuser(&mut tx).await) {
                assert!(sqlx::raw_sql(attempt).execute(&mut *tx).await.is_err(), "{attempt}");
            }
        }
    }
}

async fn is_superuser(session: &mut PgConnection) -> bool {
    sqlx::query_scalar("select rolsuper from pg_roles where rolname = session_user").fetch_one(session).await.unwrap()
}

#[tokio::test]
async fn where_no_scope_was_ever_set_or_an_empty_one_search_finds_nothing() {
    let db = database().await;
    two_tenants(&db.web, 20).await;
    for role in ["watchfloor_web", "watchfloor_worker"] {
        // A connection of its own: in those of a pool a scope has been set and taken back.
        let mut connection = db.owner.connect().await.unwrap();
        connection.execute(AssertSqlSafe(format!("set role {role}"))).await.unwrap();
        for scope in ["select", "set app.tenants = ''", "set app.all_tenants = ''", "set app.tenants = '{}'", "set app.all_tenants = 'off'"]
        {
            connection.execute(scope).await.unwrap();
            for function in ["search_incidents", "search_alerts"] {
                let text = format!("select count(*) from {function}('%thing%', 'N7', array['user:eve1'], 100)");
                let found: i64 = sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut connection).await.unwrap();
                assert_eq!(found, 0, "{role}: {function} after {scope}");
            }
        }
        connection.execute("set app.all_tenants = 'on'").await.unwrap();
        let all: i64 = sqlx::query_scalar("select count(*) from search_incidents('%thing%', null, '{}', 100)")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(all, 40, "{role}");
    }
}

#[tokio::test]
async fn the_owner_of_the_schema_sees_no_more_of_incidents_and_alerts_than_its_scope() {
    let db = database().await;
    let (a, _) = two_tenants(&db.web, 20).await;
    let mut owner = db.owner.connect().await.unwrap();
    // Row-level security binds no superuser, whom DATABASE_URL may name.
    if is_superuser(&mut owner).await {
        return;
    }
    for (scope, rows) in [(String::new(), 0), (format!("{{{a}}}"), 20)] {
        sqlx::query("select set_config('app.tenants', $1, false)").bind(&scope).execute(&mut owner).await.unwrap();
        for table in ["incidents", "alerts"] {
            let text = format!("select count(*) from {table}");
            let seen: i64 = sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut owner).await.unwrap();
            assert_eq!(seen, rows, "{table} in the scope “{scope}”");
        }
    }
}

#[tokio::test]
async fn a_list_finds_the_same_by_its_indexes_as_by_walking_rare_or_common() {
    let db = database().await;
    let (a, _) = two_tenants(&db.web, 2_600).await;
    let mut all = db.web.all_tenants().await.unwrap();
    let text = |words: &str| Filter { text: Some(words.to_owned()), ..Filter::default() };
    let entity = |key: &str| Filter { entities: vec![key.to_owned()].into(), ..Filter::default() };
    let without = Filter { entities: Choice { any: Vec::new(), not: vec!["user:eve1".to_owned()] }, ..text("rare 100%") };
    for (filter, incidents_found) in [
        (text("rare 100%"), 6),
        (text("100_ thing"), 0),
        (text("n77"), 0),
        (text("N77"), 2),
        (text("eve3"), 520),
        (text("AB17"), 2),
        (text("hash:ab17"), 2),
        (text("sha256:ab17"), 2),
        (text("sha1:ab17"), 0),
        (text("common"), 5_194),
        (text("th"), 5_200),
        (text("ra"), 6),
        (text("in"), 0),
        (text("1"), 2_226),
        (entity("user:eve3"), 520),
        (entity("user:eve"), 0),
        (without, 4),
        (Filter { entities: vec!["user:eve1".to_owned()].into(), ..text("rare") }, 2),
        (Filter { tenants: Some(vec![a]), ..text("rare") }, 3),
    ] {
        assert_eq!(incidents::ids(&mut all, &filter, &Order::default(), 10_000).await.unwrap().len(), incidents_found, "{filter:?}");
        assert_eq!(alerts::ids(&mut all, &filter, &Order::default(), 10_000).await.unwrap().len(), incidents_found, "{filter:?}");
        let counted = incidents::count(&mut all, &filter).await.unwrap();
        assert_eq!(counted, i64::try_from(incidents_found).unwrap().min(1_001), "{filter:?}");
    }
    let newest = incidents::list(&mut all, &text("common"), &Order::default(), None, 3).await.unwrap();
    assert!(newest.rows.iter().all(|row| ["N4", "N5"].contains(&row.external_id.as_str())), "in the order of the list: {:?}", newest.rows);
    let mut one = db.web.tenant(a).await.unwrap();
    assert_eq!(incidents::ids(&mut one, &text("eve3"), &Order::default(), 10_000).await.unwrap().len(), 260);
}

/// From now on a search for incidents is "slow" (300 ms, and finds one), or else finds at once more than it keeps.
async fn searches(owner: &mut PgConnection, search: &str) {
    let body = if search == "slow" {
        "perform pg_sleep(0.3); return query select r.incident_id from public.incidents as r where r.external_id = 'N1' limit 1;"
    } else {
        "return query select gen_random_uuid() from generate_series(1, most);"
    };
    // In one transaction, or others would see the membership.
    let text = format!(
        "begin; grant watchfloor_finder to current_user;
         create or replace function search_incidents(words text, number text, keys text[], most integer) returns setof uuid
             language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$ begin {body} end $$;
         revoke watchfloor_finder from current_user; commit"
    );
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *owner).await.unwrap();
}

/// From now on each incident that is walked past takes 15 ms.
const SLOW_WALK: &str = "create policy slow on incidents as restrictive for select to watchfloor_web using (pg_sleep(0.015) is not null)";

#[tokio::test]
async fn what_takes_longer_than_a_moment_is_searched_for_once_more_unless_the_list_is_walked_in_one() {
    let db = database().await;
    two_tenants(&db.web, 20).await;
    let mut owner = db.owner.connect().await.unwrap();
    searches(&mut owner, "slow").await;
    let rare = Filter { text: Some("rare 100%".to_owned()), ..Filter::default() };
    let mut tx = db.web.all_tenants().await.unwrap();
    let mut walked = 0;
    for _ in 0..5 {
        // A busy machine may take longer than a moment, but not each time.
        walked = walked.max(incidents::ids(&mut tx, &rare, &Order::default(), 100).await.unwrap().len());
    }
    assert_eq!(walked, 6, "walking takes no time");
    drop(tx);
    owner.execute(SLOW_WALK).await.unwrap();
    let mut tx = db.web.all_tenants().await.unwrap();
    let found = incidents::ids(&mut tx, &rare, &Order::default(), 100).await.unwrap();
    assert_eq!(found.len(), 1, "what the second search found");
    assert_eq!(incidents::count_quickly(&mut tx, &rare).await.unwrap(), None, "a number that is wanted quickly waits for no second search");
}

#[tokio::test]
async fn a_list_that_is_searched_row_by_row_says_how_many_it_shows_and_no_more_if_counting_takes_long() {
    let app = TestApp::start().await;
    two_tenants(&app.db.web, 40).await;
    let mut owner = app.db.owner.connect().await.unwrap();
    searches(&mut owner, "common").await;
    let viewer = app.sign_in(Role::Viewer).await;
    let there = "/incidents?q=thing";
    let page = viewer.get(there).await.assert_success();
    assert_eq!((page.texts("table.queue tbody tr").len(), page.texts("h1 .count")), (50, vec!["50+".to_owned()]));
    let asked = page.attribute("nav.views", "data-counts").unwrap();
    let counts = async || serde_json::from_str::<Value>(&viewer.get(&asked).await.assert_success().html).unwrap();
    assert_eq!(counts().await[""], json!("80"));
    owner.execute(SLOW_WALK).await.unwrap();
    let page = viewer.get(there).await.assert_success();
    assert_eq!((page.texts("table.queue tbody tr").len(), page.texts("h1 .count")), (50, vec!["50+".to_owned()]));
    assert_eq!(counts().await.get(""), None);
}

#[tokio::test]
async fn a_number_is_found_as_lists_show_it() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    crate::pages::case(&app, tenant, "one").await;
    crate::bulk::run(&app, tenant, "update incidents set external_id = '1009'").await;
    let viewer = app.sign_in(Role::Viewer).await;
    for (text, found) in [("1009", 1), ("%231009", 1), ("%23100", 0), ("%23", 0)] {
        assert_eq!(viewer.get(&format!("/incidents?q={text}")).await.assert_success().texts("table.queue tbody tr").len(), found, "{text}");
    }
}

#[tokio::test]
async fn what_is_new_is_sorted_into_the_indexes_of_search_by_the_plan() {
    let rig = Rig::start().await;
    let pages = async || {
        let mut tx = rig.db.worker.all_tenants().await.unwrap();
        lists::tidy_search(&mut tx).await.unwrap()
    };
    pages().await;
    two_tenants(&rig.db.web, 40).await;
    assert!(pages().await > 0, "what is new lies beside the indexes");
    let mut tx = rig.db.web.all_tenants().await.unwrap();
    tx.execute("update incidents set title = title || ' again'").await.unwrap();
    tx.commit().await.unwrap();
    plan_due(&rig.reader, rig.now()).await.unwrap();
    assert_eq!(pages().await, 0);
}
