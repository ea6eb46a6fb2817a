//! The embedded server keeps what it should keep, is shared by a second process, and leaves nothing behind.

use sqlx::{ConnectOptions, Connection, Executor};
use std::time::Duration;
use watchfloor::store::embedded::{DATABASE, Embedded, Kind, temporary_dir};

#[tokio::test]
async fn data_survives_a_stop_and_a_second_process_joins_the_running_server() {
    let wanted = temporary_dir();
    let mut server = Embedded::start(&wanted, Kind::Kept).await.unwrap();
    let mut connection = server.owner_options(DATABASE).connect().await.unwrap();
    connection.execute("create table kept as select 42 as answer").await.unwrap();
    connection.close().await.unwrap();

    let joined = Embedded::start(&wanted, Kind::Kept).await.unwrap();
    drop(joined); // the one that joined does not stop the server
    server.owner_options(DATABASE).connect().await.unwrap().close().await.unwrap();
    server.stop();
    server.owner_options(DATABASE).connect().await.unwrap_err();

    let mut again = Embedded::start(&wanted, Kind::Kept).await.unwrap();
    let mut connection = again.owner_options(DATABASE).connect().await.unwrap();
    let answer: i32 = sqlx::query_scalar("select answer from kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 42);
    again.stop();
    std::fs::remove_dir_all(again.dir()).unwrap();
}

#[tokio::test]
async fn a_portal_waits_for_the_end_of_a_commands_server_and_shares_its_own_with_commands() {
    let wanted = temporary_dir();
    let mut commands = Embedded::start(&wanted, Kind::Kept).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(2), Embedded::start(&wanted, Kind::Served)).await;
    assert!(waiting.is_err(), "it would end under the portal");
    drop(Embedded::start(&wanted, Kind::Kept).await.unwrap()); // nobody is kept out meanwhile
    commands.stop();
    let mut portal = Embedded::start(&wanted, Kind::Served).await.unwrap();
    drop(Embedded::start(&wanted, Kind::Kept).await.unwrap());
    drop(Embedded::start(&wanted, Kind::Served).await.unwrap()); // a web part beside a worker
    portal.owner_options(DATABASE).connect().await.unwrap().close().await.unwrap();
    portal.stop();
    std::fs::remove_dir_all(portal.dir()).unwrap();
}

#[tokio::test]
async fn a_server_whose_last_processes_were_killed_starts_again() {
    let wanted = temporary_dir();
    let mut server = Embedded::start(&wanted, Kind::Kept).await.unwrap();
    let pid_file = std::fs::read_to_string(server.dir().join("data/postmaster.pid")).unwrap();
    let postmaster: i32 = pid_file.lines().next().unwrap().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(postmaster).unwrap(), rustix::process::Signal::KILL).unwrap();
    let mut again = Embedded::start(&wanted, Kind::Kept).await.unwrap();
    again.owner_options(DATABASE).connect().await.unwrap().close().await.unwrap();
    again.stop();
    server.stop();
    std::fs::remove_dir_all(again.dir()).unwrap();
}

#[tokio::test]
async fn a_temporary_server_takes_its_directory_along_and_its_owner_is_no_superuser() {
    use std::os::unix::fs::PermissionsExt;
    let mut server = Embedded::start(&temporary_dir(), Kind::Temporary).await.unwrap();
    let mut connection = server.owner_options(DATABASE).connect().await.unwrap();
    let above_the_law: bool = sqlx::query_scalar("select rolsuper or rolbypassrls from pg_roles where rolname = current_user")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(!above_the_law);
    let mode = |name: &str| std::fs::metadata(server.dir().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("password")), (0o700, 0o600));
    let dir = server.dir().to_owned();
    server.stop();
    assert!(!dir.exists());
}
