//! The functions of ingest in one binary. Lambda names the one to be in `_HANDLER`.

use cold_start::{required_env, sdk_config, start_logging};
use ingest::{claim_object, package_video, remove_content};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

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
        "remove_content" => {
            let context = remove_content::Context::new(&sdk, remove_content::Environment::from_env()?);
            let context = &context;
            run(service_fn(|event: LambdaEvent<_>| remove_content::handle(context, event.payload))).await
        }
        unknown => Err(anyhow::anyhow!("ingest has no function named {unknown}").into()),
    }
}
