use anyhow::Context as _;
use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::identity::IdentityCache;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_async::rt::sleep::default_async_sleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector, http_client_fn};
use aws_types::sdk_config::{SharedCredentialsProvider, SharedTimeSource};
use std::time::Duration;

use crate::service_environment::ServiceEnvironment;

/// The authorities behind every AWS endpoint, as <https://www.amazontrust.com/repository/> lists them.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The SDK's configuration for a Lambda function: region and credentials from the environment that
/// Lambda sets, one HTTP client for all services, quick retries.
///
/// It is put together here, and not by the SDK's own loader: that one can also fetch credentials in ten ways that
/// no function uses, and brings the code of all of them along. Endpoints come from `AWS_ENDPOINT_URL` and
/// `AWS_ENDPOINT_URL_<SERVICE>`, as the SDK reads them; shared configuration files are not read.
///
/// Calls have no time limit beyond connecting, since those that move large bodies may well take
/// minutes; see [`quick_calls`] for those that don't.
///
/// # Errors
/// `AWS_CA_BUNDLE` or `SSL_CERT_FILE` names a file that can't be read or holds no certificates.
pub async fn sdk_config() -> anyhow::Result<SdkConfig> {
    // One connector, made once: the SDK's own way makes one per client to try it and another to use it.
    let connector = http_connector()?;
    // The SDK's own first pause is a second, which is most of what somebody waiting for a page has.
    let retries = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(2));
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .identity_cache(IdentityCache::lazy().build())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(retries)
        .time_source(SharedTimeSource::default())
        .service_config(ServiceEnvironment);
    sdk.set_sleep_impl(default_async_sleep());
    Ok(sdk.build())
}

/// Timeouts for a client whose calls are small both ways (DynamoDB, SQS, Cognito): a connection that
/// died while the function was frozen costs three seconds and a retry, not the whole request.
pub fn quick_calls() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build()
}

/// What sends requests, by http and https. By itself, it is for an address at AWS that no client of the SDK knows, such
/// as one that came presigned.
///
/// # Errors
/// As for [`sdk_config`].
pub fn http_connector() -> anyhow::Result<SharedHttpConnector> {
    let tls = TlsContext::builder().with_trust_store(trust_store()?).build()?;
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    Ok(SharedHttpConnector::new(
        Connector::builder()
            .connector_settings(settings)
            .tls_provider(Provider::rustls(CryptoMode::AwsLc))
            .tls_context(tls)
            .build(),
    ))
}

/// Amazon's roots alone: parsing the system's whole bundle takes longer than the rest of the start.
/// A bundle that the environment names takes their place, as it does for the AWS command line.
fn trust_store() -> anyhow::Result<TrustStore> {
    let named = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"]
        .into_iter()
        .find_map(|name| std::env::var_os(name).filter(|path| !path.is_empty()).map(|path| (name, path)));
    let roots = match named {
        None => AMAZON_ROOTS.to_vec(),
        Some((name, path)) => read_bundle(path.as_ref()).with_context(|| format!("{name} is unusable"))?,
    };
    Ok(TrustStore::empty().with_pem_certificate(roots))
}

fn read_bundle(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let bundle = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let text = String::from_utf8_lossy(&bundle);
    anyhow::ensure!(text.contains("-----BEGIN CERTIFICATE-----"), "{} holds no certificates", path.display());
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_holds_the_five_amazon_roots() {
        let text = std::str::from_utf8(AMAZON_ROOTS).expect("PEM is text");
        assert_eq!(text.matches("-----BEGIN CERTIFICATE-----").count(), 5);
    }

    #[test]
    fn the_roots_are_ones_that_tls_takes() {
        http_connector().expect("every certificate of the bundle parses");
    }

    #[tokio::test]
    async fn the_configuration_carries_one_client_and_quick_retries() {
        let config = sdk_config().await.expect("nothing here can fail");
        assert!(config.http_client().is_some());
        let retries = config.retry_config().expect("set above");
        assert_eq!(retries.max_attempts(), 4);
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = read_bundle(&manifest).expect_err("it is no PEM file");
        assert!(error.to_string().contains("holds no certificates"), "{error}");
    }
}
