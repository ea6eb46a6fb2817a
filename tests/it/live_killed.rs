//! Two processes of the portal, one of which is killed in the middle: whoever has a page of the other one misses nothing.

use crate::app::{TestApp, Visitor};
use crate::pages::case;
use crate::program::{Program, portal};
use reqwest::{Response, StatusCode, header};
use rustix::process::Signal;
use sqlx::ConnectOptions;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use watchfloor::model::Role;
use watchfloor::store::vault::keys::MasterKey;

/// From the commit to the page.
const IN_TIME: Duration = Duration::from_secs(2);

/// A process of its own over a test's database.
struct Replica {
    dir: PathBuf,
    address: String,
    program: Program,
    http: reqwest::Client,
}

impl Replica {
    fn start(app: &TestApp, key: &Path) -> Self {
        let (dir, address) = portal();
        let file = dir.join("watchfloor.toml");
        let (text, database) = (std::fs::read_to_string(&file).unwrap(), app.db.owner.to_url_lossy());
        // Its people have signed in with a password alone.
        let login = "[login]\nsecond_factor = \"optional\"";
        let text = format!("{text}database_url = \"{database}\"\nkey_files = [\"{}\"]\n{login}\n", key.display());
        std::fs::write(&file, text).unwrap();
        // It holds a password.
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let program = Program::start(&dir, &["serve", "--role", "web"]);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { dir, address, program, http }
    }

    async fn get(&self, visitor: &Visitor, path: &str) -> reqwest::Result<Response> {
        let cookie = format!("sid={}", visitor.session.as_ref().unwrap());
        self.http.get(format!("{}{path}", self.address)).header(header::COOKIE, cookie).send().await
    }

    /// Waits until it answers and hears of changes; gives a stream of it.
    async fn stream(&self, app: &TestApp, visitor: &Visitor) -> UnboundedReceiver<()> {
        let there = async {
            loop {
                match self.get(visitor, "/live").await {
                    Ok(response) if response.status() == StatusCode::OK => return response,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let mut response = tokio::time::timeout(Duration::from_secs(60), there).await.expect("a stream within a minute");
        let (events, mut heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(chunk)) = response.chunk().await {
                if chunk.starts_with(b"event: news") && events.send(()).is_err() {
                    return;
                }
            }
        });
        // Its listening connection is there once something is heard.
        let tenant = app.tenant(&format!("Heard at {}", self.address)).await;
        for n in 0.. {
            case(app, tenant, &format!("{n} for {}", self.address)).await;
            if let Ok(Some(())) = tokio::time::timeout(IN_TIME, heard.recv()).await {
                return heard;
            }
            assert!(n < 30, "it never hears of anything");
        }
        unreachable!()
    }

    fn kill(self) {
        assert!(!self.program.stop(Signal::KILL).success());
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

#[tokio::test]
async fn a_page_of_one_replica_hears_of_everything_while_another_one_is_killed() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("live-killed-{}", uuid::Uuid::new_v4()));
    MasterKey::create(&key).unwrap(); // replicas of one database have one
    let (one, other) = (Replica::start(&app, &key), Replica::start(&app, &key));
    let mut here = one.stream(&app, &analyst).await;
    let mut there = other.stream(&app, &analyst).await;
    let mut killed = Some(one);
    for n in 0..20 {
        if n == 10 {
            killed.take().unwrap().kill();
        }
        case(&app, tenant, &format!("N{n}")).await;
    }
    // Commits that follow closely are told together; then there is quiet.
    let mut told = 0;
    while let Ok(Some(())) = tokio::time::timeout(IN_TIME, there.recv()).await {
        told += 1;
    }
    assert!(told > 0, "nothing was told of twenty incidents");
    case(&app, tenant, "N20").await;
    tokio::time::timeout(IN_TIME, there.recv()).await.expect("within two seconds").expect("the stream goes on");
    while here.try_recv().is_ok() {}
    assert!(here.recv().await.is_none(), "the stream of the one that was killed has ended");
    // Its reader opens the list at the other one, with the same session.
    let page = other.get(&analyst, &format!("/incidents?tenant={tenant}")).await.unwrap();
    let page = page.error_for_status().unwrap().text().await.unwrap();
    for n in 0..=20 {
        assert!(page.contains(&format!("Title N{n}<")), "N{n}: {page}");
    }
    other.kill();
    std::fs::remove_file(key).unwrap();
}
