//! Load on a service of its own on this machine, or on the one that MATINEE_SITE names:
//!
//! ```text
//! cargo run --example load -- uploads     50 uploads at once through the whole ingest
//! cargo run --example load -- reads       300 requests a second for a minute on the routes that read
//! cargo run --example load -- functions   the same on the functions' binaries by themselves
//! ```
//!
//! With `cargo run --release`, the functions are release builds as well.
//!
//! What the figures mean is in docs/performance.md. It fails when a request does, and states memory and times without judging them.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod figures;
mod functions;
mod memory;
mod reads;
mod uploads;

use anyhow::{Result, bail};
use tests::World;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, usual: u64| arguments.get(at).map_or(Ok(usual), |text| text.parse());
    let world = World::get().await;
    match arguments.first().map(String::as_str) {
        Some("uploads") => uploads::run(world, number(1, 50)?).await,
        Some("reads") => reads::run(world, number(1, 300)?, number(2, 60)?).await,
        Some("functions") => functions::run(world, number(1, 300)?, number(2, 60)?).await,
        _ => bail!(
            "say `uploads [COUNT]`, `reads [PER_SECOND [SECONDS]]` or `functions [PER_SECOND [SECONDS]]`"
        ),
    }
}
