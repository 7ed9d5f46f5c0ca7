//! The relay's program: wiring only.

use std::panic;
use std::process::ExitCode;

use relay::config::Config;
use relay::relay::Relay;
use relay::signals::asked_to_end;
use relay::store;
use tokio::runtime::Builder;
use tracing::error;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let config = Config::from_env();
    relay::logging::start(config.as_ref().map_or(relay::logging::DEFAULT, |config| config.log_level));
    panic::set_hook(Box::new(|panic| error!(%panic, "panicked")));
    let config = config?;
    let store = Builder::new_current_thread().enable_all().build()?.block_on(store::connect(&config.tables));
    let relay = Relay::bind(config, store)?;
    relay.run(asked_to_end(), asked_to_end())
}
