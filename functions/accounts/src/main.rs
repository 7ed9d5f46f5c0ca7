//! The functions of accounts in one binary: API Gateway routes each of them its own path.

use accounts::UserPool;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http_api::Error> {
    cold_start::start_logging();
    let sdk = cold_start::sdk_config().await?;
    http_api::serve(accounts::router().with_state(UserPool::from_env(&sdk)?)).await
}
