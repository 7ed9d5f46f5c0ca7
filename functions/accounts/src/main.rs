//! The functions of accounts in one binary. API Gateway routes those of the API each its own path; Lambda names the one to be in
//! `_HANDLER`.

use accounts::{Context, mail_new_device, remove_accounts};
use cold_start::{required_env, sdk_config, start_logging};
use lambda_http::lambda_runtime::{self, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http_api::Error> {
    start_logging();
    let sdk = sdk_config().await?;
    match required_env("_HANDLER")?.as_str() {
        "remove_accounts" => {
            let environment = remove_accounts::Environment::from_env()?;
            let context = &remove_accounts::Context::new(&sdk, environment);
            let answer = |event: LambdaEvent<_>| remove_accounts::handle(context, event.payload);
            lambda_runtime::run(service_fn(answer)).await
        }
        "mail_new_device" => {
            let environment = mail_new_device::Environment::from_env()?;
            let context = &mail_new_device::Context::new(&sdk, environment)?;
            let answer = |event: LambdaEvent<_>| mail_new_device::handle(context, event.payload);
            lambda_runtime::run(service_fn(answer)).await
        }
        handler => {
            let context = Context::from_env(&sdk, handler)?;
            http_api::serve(accounts::router().with_state(context)).await
        }
    }
}
