//! The demo as a process, one of its people, and how much memory it took.

use reqwest::redirect::Policy;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Demo {
    process: Child,
    pub port: u16,
    pub login: String,
    password: String,
    http: reqwest::Client,
}

/// As many connections as there may be at all.
pub fn open_many() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
}

/// Somebody at this address of the machine's own.
fn client(from: [u8; 4]) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).local_address(IpAddr::from(from));
    client.timeout(Duration::from_secs(20)).build().unwrap()
}

impl Demo {
    /// Waits until it serves.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchfloor"));
        command.args(["demo", "--listen", &format!("127.0.0.1:{port}")]).env("RUST_LOG", "error");
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let (mut owner, mut said) = (None, BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok));
        // Two columns, login and password; the line about Microsoft is the last one.
        for line in said.by_ref().take_while(|line| !line.starts_with("Microsoft")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.first() == Some(&"analyst") {
                owner = Some((words[0].to_owned(), words[1].to_owned()));
            }
        }
        let (login, password) = owner.expect("the demo names an analyst");
        let http = client([127, 0, 0, 9]);
        Self { process, port, login, password, http }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The cookie of a new session, if the owner's name and password open the door now.
    pub async fn enter(&self, from: [u8; 4]) -> Option<String> {
        let form = client(from).post(self.url("/login")).header("sec-fetch-site", "same-origin");
        let answer = form.form(&[("login", self.login.as_str()), ("password", &self.password)]).send().await.ok()?;
        let cookie = answer.headers().get("set-cookie")?.to_str().unwrap().split(';').next().unwrap().to_owned();
        cookie.starts_with("sid=").then_some(cookie)
    }

    /// Whether there is such a page for this session.
    pub async fn page(&self, path: &str, cookie: &str) -> bool {
        let Ok(answer) = self.http.get(self.url(path)).header("cookie", cookie).send().await else { return false };
        answer.status().is_success() && answer.bytes().await.is_ok()
    }

    /// In MiB, since it began; without the database, which is another process.
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.process.wait();
    }
}
