//! The functions of uploads in one binary, each of which serves the whole area's routes.

use cold_start::{required_env, sdk_config, start_logging};
use uploads::{Context, Environment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http_api::Error> {
    start_logging();
    let environment = Environment::from_env(&required_env("_HANDLER")?)?;
    let context = Context::new(&sdk_config().await?, environment);
    http_api::serve(uploads::router().with_state(context)).await
}
