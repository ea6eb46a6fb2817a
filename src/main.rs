//! The `watchfloor` program. Everything is in the library; see `cli`.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    watchfloor::cli::run().await
}
