//! The demo as its users run it: a process of its own with a database and the stand-in.

use crate::program::Program;
use rustix::process::Signal;
use std::path::PathBuf;
use tokio::sync::{Mutex, MutexGuard};

/// Two of them at once, each with its database, worker and browser, are more than two cores answer in time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A running demo.
pub struct Demo {
    pub address: String,
    program: Program,
    dir: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Demo {
    /// With these arguments, as soon as no other one runs.
    pub async fn start(args: &[&str]) -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let dir = std::env::temp_dir().join(format!("watchfloor-demo-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&dir).unwrap();
        let mut program = Program::start(&dir, &[&["demo", "--listen", "127.0.0.1:0"], args].concat());
        let said = program.line("demo runs at http://");
        let address = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches('/').to_owned();
        program.line("Microsoft is played by");
        Self { address, program, dir, _turn: turn }
    }

    /// Ends it as its user would, and well.
    pub fn stop(self) {
        assert!(self.program.stop(Signal::INT).success());
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}
