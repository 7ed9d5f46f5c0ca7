//! The functions of watching in one binary. Lambda names the one to be in `_HANDLER`.

use cold_start::{required_env, sdk_config, start_logging};
use lambda_http::lambda_runtime::{self, LambdaEvent, service_fn};
use watching::{Context, create_media_key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http_api::Error> {
    start_logging();
    let sdk = sdk_config().await?;
    if required_env("_HANDLER")? == "create_media_key" {
        let context = create_media_key::Context::from_env(&sdk)?;
        let context = &context;
        return lambda_runtime::run(service_fn(|event: LambdaEvent<create_media_key::Event>| async move {
            create_media_key::handle(context, event.payload).await
        }))
        .await;
    }
    http_api::serve(watching::router().with_state(Context::from_env(&sdk)?)).await
}
