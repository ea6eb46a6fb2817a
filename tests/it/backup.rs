//! A backup holds everything that is to last, a restore brings back that and nothing else, and neither is done by halves.

use crate::app::TestApp;
use crate::catalogue;
use crate::rig::Rig;
use crate::support::{TestDb, empty_database, pools, superuser};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;
use watchfloor::model::clock::now;
use watchfloor::store::backup::{self, Manifest};
use watchfloor::store::vault::Vault;
use watchfloor::store::vault::keys::MasterKey;
use watchfloor::sync::read::Reader;

/// What a restore ends or adds to, and so does not bring back as it was.
const TOUCHED: [&str; 3] = ["public.sync_state", "public.audit_log", "public._sqlx_migrations"];

fn vault() -> Vault {
    Vault::new(vec![MasterKey::random().unwrap()])
}

fn new_file() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("backup-{}", uuid::Uuid::new_v4()))
}

async fn as_superuser(db: &PgConnectOptions) -> PgConnection {
    superuser(db).await.connect().await.unwrap()
}

async fn made(db: &TestDb, vault: &Vault) -> (PathBuf, Manifest) {
    let file = new_file();
    let manifest = backup::write(&superuser(&db.owner).await, vault, &file, now()).await.unwrap();
    (file, manifest)
}

async fn restored(vault: &Vault, file: &Path) -> anyhow::Result<PgConnectOptions> {
    let db = empty_database().await;
    backup::restore(&superuser(&db).await, vault, file).await?;
    Ok(db)
}

/// A sum over the rows of each table.
async fn sums(db: &PgConnectOptions, manifest: &Manifest) -> BTreeMap<String, Option<String>> {
    let mut connection = as_superuser(db).await;
    let mut sums = BTreeMap::new();
    for table in manifest.rows.keys().filter(|table| !TOUCHED.contains(&table.as_str())) {
        let sum = format!("select md5(string_agg(t::text, '|' order by t::text collate \"C\")) from {table} t");
        sums.insert(table.clone(), sqlx::query_scalar(AssertSqlSafe(sum)).fetch_one(&mut connection).await.unwrap());
    }
    sums
}

async fn number(db: &PgConnectOptions, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {query}"))).fetch_one(&mut as_superuser(db).await).await.unwrap()
}

#[tokio::test]
async fn a_destroyed_database_comes_back_row_by_row_and_reading_goes_on_where_it_was() {
    let rig = Rig::start().await;
    let customers = [rig.customer("Contoso").await, rig.customer("Fabrikam").await];
    for customer in customers {
        {
            let mut world = rig.cloud.world();
            let now = world.now();
            world.seed_history(customer.directory, 20, 60, now);
        }
        rig.verify(customer, 0).await;
        rig.settle(customer).await;
    }
    let vault = vault();
    let (file, manifest) = made(&rig.db, &vault).await;
    assert_eq!(backup::check(&vault, &file).await.unwrap(), manifest);
    let before = sums(&rig.db.owner, &manifest).await;
    assert!(manifest.rows["public.incidents"] >= 120 && before.len() > 40, "{manifest:?}");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let sealed = std::fs::read(&file).unwrap();
    for clear in ["Contoso", "incidents", "PGDMP"] {
        assert!(!sealed.windows(clear.len()).any(|some| some == clear.as_bytes()), "{clear}");
    }

    // What comes after the backup is lost with the database, and read again.
    for customer in customers {
        rig.cloud.world().add_incident(customer.directory, "After the backup").unwrap();
    }
    rig.interval(&customers).await;
    let name = rig.db.owner.get_database().unwrap();
    let mut server = as_superuser(&rig.db.owner.clone().database("postgres")).await;
    server.execute(AssertSqlSafe(format!("drop database {name} with (force)"))).await.unwrap();

    let owner = restored(&vault, &file).await.unwrap();
    assert_eq!(sums(&owner, &manifest).await, before);
    assert_eq!(catalogue::faults(&mut owner.connect().await.unwrap()).await, Vec::<String>::new(), "tenants are apart as before");
    let db = pools(owner).await;
    let reader = Reader::new(db.worker.clone(), rig.reader.microsoft.clone(), rig.reader.settings.clone(), CancellationToken::new());
    let rig = Rig { db, reader, ..rig };
    rig.interval(&customers).await;
    for customer in customers {
        assert_eq!(rig.count(customer, "incidents where title = 'After the backup'").await, 1);
        rig.assert_ledger_equals_database(customer).await;
    }
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn nobody_is_signed_in_by_a_backup_and_nothing_on_its_way_is_sent_again() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Contoso").await;
    let analyst = app.sign_in_for(watchfloor::model::Role::Analyst, &[tenant]).await;
    analyst.get("/incidents").await.assert_success();
    let mut owner = as_superuser(&app.db.owner).await;
    for state in ["intended", "sending", "running", "unknown", "done", "failed"] {
        sqlx::query(
            "insert into changes (tenant_id, change_id, operation, args, subject, actor, state, created_at)
             values ($1, gen_random_uuid(), 'xdr.incidents.update', '{1}', 'Incident 1', 'ann', $2, now())",
        )
        .bind(tenant)
        .bind(state)
        .execute(&mut owner)
        .await
        .unwrap();
    }
    owner
        .execute(
            "insert into api_tokens (token_id, token_hash, user_id, name, created_at, expires_at)
             select gen_random_uuid(), sha256('t'), user_id, 'script', now(), now() + interval '1 day' from users limit 1;
             insert into invites (tenant_id, invite_id, token_hash, created_at, expires_at)
             select tenant_id, gen_random_uuid(), sha256('i'), now(), now() + interval '1 day' from tenants limit 1",
        )
        .await
        .unwrap();
    let vault = vault();
    let (file, manifest) = made(&app.db, &vault).await;
    let db = restored(&vault, &file).await.unwrap();
    assert!(!manifest.rows.contains_key("public.sessions") && number(&app.db.owner, "sessions").await > 0);
    for (query, rows) in [
        ("sessions", 0),
        ("setup_tokens", 0),
        ("flows", 0),
        ("jobs._private_jobs", 0),
        ("users", manifest.rows["public.users"]),
        ("api_tokens where revoked_at is null", 0),
        ("invites where revoked_at is null", 0),
        ("changes where state = 'lost' and reason like '%restored from a backup%'", 4),
        ("changes where state in ('done', 'failed')", 2),
        ("audit_log where action = 'backup.restored' and actor_kind = 'operator'", 1),
    ] {
        assert_eq!(number(&db, query).await, rows, "{query}");
    }
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_backup_that_would_leave_rows_out_or_overwrite_a_file_is_not_made() {
    let app = TestApp::start().await;
    app.tenant("Contoso").await;
    let (vault, file) = (vault(), new_file());
    // The schema's owner is under row-level security: its copy would be empty, and look whole.
    let error = backup::write(&app.db.owner, &vault, &file, now()).await.unwrap_err().to_string();
    assert!(error.contains("sees every row") && !file.exists(), "{error}");
    std::fs::write(&file, "mine").unwrap();
    let error = backup::write(&superuser(&app.db.owner).await, &vault, &file, now()).await.unwrap_err().to_string();
    assert!(error.contains("not overwritten"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    std::fs::remove_file(&file).unwrap();
    let nowhere = superuser(&app.db.owner).await.database("there_is_none");
    assert!(backup::write(&nowhere, &vault, &file, now()).await.is_err() && !file.exists());
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let left =
        std::fs::read_dir(file.parent().unwrap()).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&name));
    assert_eq!(left.count(), 0, "no half of one");
}

#[tokio::test]
async fn a_role_that_may_only_read_is_enough_for_a_backup_and_not_for_a_restore() {
    let app = TestApp::start().await;
    app.tenant("Contoso").await;
    let (name, password) = (format!("reads_all_{}", uuid::Uuid::new_v4().simple()), "p@ss/wörd?");
    let make = format!("create role {name} login bypassrls password '{password}'; grant pg_read_all_data to {name}");
    as_superuser(&app.db.owner).await.execute(AssertSqlSafe(make)).await.unwrap();
    let (vault, file) = (vault(), new_file());
    let reader = |db: PgConnectOptions| db.username(&name).password(password);
    let manifest = backup::write(&reader(superuser(&app.db.owner).await), &vault, &file, now()).await.unwrap();
    assert_eq!(manifest.rows["public.tenants"], 1);
    let empty = empty_database().await;
    let error = backup::restore(&reader(superuser(&empty).await), &vault, &file).await.unwrap_err().to_string();
    assert!(error.contains("superuser"), "{error}");
    let db = restored(&vault, &file).await.unwrap();
    assert_eq!(number(&db, "tenants where name = 'Contoso'").await, 1);
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_backup_that_does_not_open_or_a_database_that_is_in_use_is_left_alone() {
    let app = TestApp::start().await;
    let vault = vault();
    let (file, _) = made(&app.db, &vault).await;
    let empty = empty_database().await;
    let target = superuser(&empty).await;
    let used = "pg_class where relnamespace = 'public'::regnamespace";
    let whole = std::fs::read(&file).unwrap();
    let other = Vault::new(vec![MasterKey::random().unwrap()]);
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (bytes, keys, told) in [
        (&whole[..], &other, "key_files"),
        (&changed[..], &vault, "damaged"),
        (&whole[..whole.len() - 1], &vault, "damaged"),
        (&whole[..40], &vault, "the first line is damaged"),
        (b"PGDMP", &vault, "no backup"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let error = format!("{:#}", backup::restore(&target, keys, &file).await.unwrap_err());
        assert!(error.contains(told), "{told}: {error}");
        assert_eq!(number(&empty, used).await, 0, "{told}");
    }
    std::fs::write(&file, &whole).unwrap();
    let error = backup::restore(&superuser(&app.db.owner).await, &vault, &file).await.unwrap_err().to_string();
    assert!(error.contains("not empty"), "{error}");
    let error = backup::restore(&empty, &vault, &file).await.unwrap_err().to_string();
    assert!(error.contains("superuser"), "{error}");
    backup::restore(&target, &vault, &file).await.unwrap();
    std::fs::remove_file(file).unwrap();
}
