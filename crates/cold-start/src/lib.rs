//! What every function builds once, when Lambda starts it: logging, configuration from the
//! environment, and the AWS SDK's configuration. All of it runs before the first request, so all of
//! it is chosen to be quick to build.

mod logging;
mod sdk;
mod service_environment;

pub use logging::start_logging;
pub use sdk::{http_connector, quick_calls, sdk_config};

use anyhow::Context as _;

/// The value of an environment variable that the function can't run without.
///
/// # Errors
/// Names the variable when it is missing, empty or not Unicode.
pub fn required_env(name: &str) -> anyhow::Result<String> {
    let value =
        std::env::var(name).with_context(|| format!("the environment variable {name} is required"))?;
    anyhow::ensure!(!value.is_empty(), "the environment variable {name} is empty");
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let error = required_env("MATINEE_NO_SUCH_VARIABLE").expect_err("it is not set");
        assert!(error.to_string().contains("MATINEE_NO_SUCH_VARIABLE"), "{error}");
    }

    #[test]
    fn a_set_variable_is_returned() {
        assert_eq!(required_env("CARGO_PKG_NAME").expect("cargo sets it"), "cold-start");
    }
}
