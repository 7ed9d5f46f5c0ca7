//! The functions of ingest in one binary. Lambda names the one to be in `_HANDLER`.

use cold_start::{required_env, sdk_config, start_logging};
use futures_util::StreamExt as _;
use ingest::{
    claim_object, dead_letters, encode_video, health, package_video, plan_encoding, reconcile,
    remove_content, serve_output,
};
use lambda_runtime::{Error, LambdaEvent, StreamResponse, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logging();
    let sdk = sdk_config().await?;
    match required_env("_HANDLER")?.as_str() {
        "claim_object" => {
            let context = claim_object::Context::new(&sdk, claim_object::Environment::from_env()?);
            let context = &context;
            run(service_fn(|event: LambdaEvent<_>| claim_object::handle(context, event.payload))).await
        }
        "package_video" => {
            let context = package_video::Context::new(&sdk, package_video::Environment::from_env()?);
            let context = &context;
            run(service_fn(|event: LambdaEvent<_>| async move {
                package_video::handle(context, event.context.deadline(), event.payload).await
            }))
            .await
        }
        "plan_encoding" => {
            let context = plan_encoding::Context::new(&sdk, plan_encoding::Environment::from_env()?);
            let context = &context;
            run(service_fn(|event: LambdaEvent<_>| plan_encoding::handle(context, event.payload))).await
        }
        "encode_video" => {
            let context = encode_video::Context::new(&sdk, encode_video::Environment::from_env()?);
            let context = &context;
            run(service_fn(|event: LambdaEvent<_>| async move {
                encode_video::handle(context, event.context.deadline(), event.payload).await
            }))
            .await
        }
        "remove_content" => {
            let context = remove_content::Context::new(&sdk, remove_content::Environment::from_env()?);
            let context = &context;
            run(service_fn(|event: LambdaEvent<_>| remove_content::handle(context, event.payload))).await
        }
        "reconcile" => {
            let context = reconcile::Context::new(&sdk, reconcile::Environment::from_env()?);
            let context = &context;
            run(service_fn(|event: LambdaEvent<_>| async move {
                reconcile::handle(context, event.context.deadline(), event.payload).await
            }))
            .await
        }
        "serve_output" => {
            let context = serve_output::Context::new(&sdk, serve_output::Environment::from_env()?);
            let context = &context;
            run(service_fn(|event: LambdaEvent<_>| async move {
                let answer = serve_output::handle(context, event.payload).await?;
                let stream = answer.stream.map(|bytes| bytes.unwrap_or_else(|error| break_off(&error)));
                let stream = stream.map(Ok::<_, Error>);
                Ok::<_, Error>(StreamResponse { metadata_prelude: answer.metadata_prelude, stream })
            }))
            .await
        }
        handler @ ("list_dead_letters" | "redrive_dead_letters") => {
            let context = dead_letters::Context::from_env(&sdk, handler)?;
            http_api::serve(dead_letters::router().with_state(context)).await
        }
        "get_health" => {
            let context = health::Context::new(&sdk, health::Environment::from_env()?);
            http_api::serve(health::router().with_state(context)).await
        }
        unknown => Err(anyhow::anyhow!("ingest has no function named {unknown}").into()),
    }
}

/// Ends the process in the middle of an answer, so that Lambda breaks the answer off and nobody takes it for whole. The
/// runtime would send the error as if it were more of the file.
fn break_off(error: &std::io::Error) -> ! {
    tracing::error!(error = format!("{error:#}"), "an answer was broken off");
    std::process::exit(1)
}
