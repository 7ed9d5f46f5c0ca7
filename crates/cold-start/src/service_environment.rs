use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// The settings of single services, from the environment alone: for each one, `<NAME>_<SERVICE>` wins over `<NAME>`.
///
/// So the SDK has it: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
#[derive(Debug)]
pub(crate) struct ServiceEnvironment;

impl LoadServiceConfig for ServiceEnvironment {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        setting(&key, |name| std::env::var(name).ok())
    }
}

fn setting(key: &ServiceConfigKey<'_>, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let service = key.service_id().to_uppercase().replace(' ', "_");
    let of_service = format!("{}_{service}", key.env());
    [of_service.as_str(), key.env()]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint_of(service: &str, variables: &[(&str, &str)]) -> Option<String> {
        let key =
            ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        setting(&key.build().expect("it is complete"), |name| {
            variables.iter().find(|(named, _)| *named == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn one_address_may_serve_all_services() {
        let variables = [("AWS_ENDPOINT_URL", "http://localhost:4566")];
        assert_eq!(endpoint_of("S3", &variables).as_deref(), Some("http://localhost:4566"));
        assert_eq!(endpoint_of("DynamoDB", &variables).as_deref(), Some("http://localhost:4566"));
    }

    #[test]
    fn the_address_of_a_service_wins_over_that_of_all() {
        let variables = [
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://tables"),
            ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://people"),
        ];
        assert_eq!(endpoint_of("DynamoDB", &variables).as_deref(), Some("http://tables"));
        assert_eq!(endpoint_of("Cognito Identity Provider", &variables).as_deref(), Some("http://people"));
        assert_eq!(endpoint_of("S3", &variables).as_deref(), Some("http://all"));
    }

    #[test]
    fn without_an_address_or_with_an_empty_one_the_sdk_knows_where_aws_is() {
        assert_eq!(endpoint_of("S3", &[]), None);
        assert_eq!(endpoint_of("S3", &[("AWS_ENDPOINT_URL_S3", ""), ("AWS_ENDPOINT_URL", "")]), None);
    }
}
