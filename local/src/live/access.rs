//! What the relay may do in the AWS: the template's policy, and nothing else.

use anyhow::{Context, Result};
use aws_credential_types::Credentials;

use crate::endpoint::Endpoint;
use crate::signed_request;

/// On AWS the policy is attached to the role of the relay's task. A process without a task has credentials of a user.
const USER: &str = "matinee-relay";

/// New credentials of the user whose only policy is `policy_arn`. Those of earlier runs end.
///
/// # Errors
/// When IAM refuses.
pub async fn credentials(endpoint: &Endpoint, policy_arn: &str) -> Result<Credentials> {
    let iam = Iam { endpoint, http: reqwest::Client::new() };
    if let Err(error) = iam.call("CreateUser", &[]).await
        && !format!("{error:#}").contains("EntityAlreadyExists")
    {
        return Err(error);
    }
    for key in texts(&iam.call("ListAccessKeys", &[]).await?, "AccessKeyId") {
        iam.call("DeleteAccessKey", &[("AccessKeyId", key)]).await?;
    }
    for policy in texts(&iam.call("ListAttachedUserPolicies", &[]).await?, "PolicyArn") {
        iam.call("DetachUserPolicy", &[("PolicyArn", policy)]).await?;
    }
    iam.call("AttachUserPolicy", &[("PolicyArn", policy_arn)]).await?;
    let created = iam.call("CreateAccessKey", &[]).await?;
    let [id, secret] = ["AccessKeyId", "SecretAccessKey"].map(|name| texts(&created, name).next());
    let (id, secret) = id.zip(secret).context("IAM answers without a key")?;
    Ok(Credentials::from_keys(id, secret, None))
}

/// IAM's query protocol, as much as six calls need.
struct Iam<'a> {
    endpoint: &'a Endpoint,
    http: reqwest::Client,
}

impl Iam<'_> {
    async fn call(&self, action: &str, arguments: &[(&str, &str)]) -> Result<String> {
        let mut form = format!("Action={action}&Version=2010-05-08&UserName={USER}");
        for (name, value) in arguments {
            form.push_str(&format!(
                "&{name}={}",
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC)
            ));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        signed_request::post(&self.http, self.endpoint, "iam", &headers, form)
            .await
            .context(action.to_owned())
    }
}

/// What stands in elements of that name.
fn texts<'a>(xml: &'a str, element: &str) -> impl Iterator<Item = &'a str> {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&start)?;
        let (text, after) = after.split_once(&end)?;
        rest = after;
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::texts;

    #[test]
    fn elements_are_found_in_what_iam_answers() {
        let xml = "<a><Key><Id>1</Id></Key><Key><Id>2</Id></Key></a>";
        assert_eq!(texts(xml, "Id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(texts(xml, "Other").next(), None);
    }
}
