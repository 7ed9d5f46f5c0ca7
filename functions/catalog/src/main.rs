//! The functions of the catalog in one binary: API Gateway routes each of them its own path.

use catalog::{Context, Environment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http_api::Error> {
    cold_start::start_logging();
    let environment = Environment::from_env(&cold_start::required_env("_HANDLER")?)?;
    let sdk = cold_start::sdk_config().await?;
    http_api::serve(catalog::router().with_state(Context::new(&sdk, environment))).await
}
