//! The functions of watching in one binary. Lambda names the one to be in `_HANDLER`; only what that one needs is built.

use cold_start::{required_env, sdk_config, start_logging};
use http_api::serve;
use lambda_http::lambda_runtime::{self, LambdaEvent, service_fn};
use watching::{
    Context, create_media_key, create_origin_secret, get_usage, list_channels, register_viewer,
    rotate_ticket_key,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http_api::Error> {
    start_logging();
    let sdk = sdk_config().await?;
    match required_env("_HANDLER")?.as_str() {
        "create_media_key" => {
            let context = &create_media_key::Context::from_env(&sdk)?;
            let answer = |event: LambdaEvent<_>| create_media_key::handle(context, event.payload);
            lambda_runtime::run(service_fn(answer)).await
        }
        "create_origin_secret" => {
            let context = &create_origin_secret::Context::new()?;
            let answer = |event: LambdaEvent<_>| create_origin_secret::handle(context, event.payload);
            lambda_runtime::run(service_fn(answer)).await
        }
        "rotate_ticket_key" => {
            let context = &rotate_ticket_key::Context::from_env(&sdk)?;
            let answer = |event: LambdaEvent<_>| rotate_ticket_key::handle(context, event.payload);
            lambda_runtime::run(service_fn(answer)).await
        }
        "register_viewer" => serve(register_viewer::router(register_viewer::Context::from_env(&sdk)?)).await,
        "get_usage" => serve(get_usage::router(get_usage::Context::from_env(&sdk)?)).await,
        "list_channels" => serve(list_channels::router(list_channels::Context::from_env(&sdk)?)).await,
        _ => serve(watching::router().with_state(Context::from_env(&sdk)?)).await,
    }
}
