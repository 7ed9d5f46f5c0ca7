//! The functions of accounts in one binary: API Gateway routes each of them its own path.

use accounts::Context;
use cold_start::{required_env, sdk_config, start_logging};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http_api::Error> {
    start_logging();
    let context = Context::from_env(&sdk_config().await?, &required_env("_HANDLER")?)?;
    http_api::serve(accounts::router().with_state(context)).await
}
