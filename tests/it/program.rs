//! The program itself, as a child process with a directory of its own.

use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running `watchfloor`. Killed when dropped; its embedded database ends with it.
pub struct Program {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it in `dir` with `args`; the log goes to the file `log` there.
    pub fn start(dir: &std::path::Path, args: &[&str]) -> Self {
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchfloor"));
        command.args(args).current_dir(dir).env_remove("DATABASE_URL").env_remove("WATCHFLOOR_CONFIG");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    /// The next line on standard output that contains `text`.
    pub fn line(&mut self, text: &str) -> String {
        self.said
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("it ended without saying {text:?}"))
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    pub fn stop(mut self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        self.signal(signal);
        self.child.wait().unwrap()
    }

    /// Waits for the end.
    pub fn end(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory of the test's own with a configuration of a portal on free ports; gives both and the address of the portal.
pub fn portal() -> (PathBuf, String) {
    let dir = std::env::temp_dir().join(format!("watchfloor-test-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&dir).unwrap();
    let (listen, metrics) = (free_port(), free_port());
    let address = format!("http://localhost:{listen}");
    let text = format!("public_url = \"{address}\"\nlisten = \"127.0.0.1:{listen}\"\nmetrics_listen = \"127.0.0.1:{metrics}\"\n");
    std::fs::write(dir.join("watchfloor.toml"), text).unwrap();
    (dir, address)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether any process has `text` in its arguments.
pub fn is_running(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| String::from_utf8_lossy(&line).contains(text))
}

/// Waits, up to 10 s, until no process has `text` in its arguments.
pub fn wait_for_end(text: &str) {
    for _ in 0..1_000 {
        if !is_running(text) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
