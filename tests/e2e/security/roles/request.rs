//! How a probe is asked of AWS.

use anyhow::{Context as _, Result, bail, ensure};
use local::{Endpoint, signed_request};
use serde_json::{Value, json};

use super::Probe;

/// A request that asks for what a probe is about.
pub struct Request {
    service: &'static str,
    method: &'static str,
    path: String,
    target: Option<String>,
    body: String,
}

impl Request {
    pub fn of(probe: &Probe, queue_address: &str) -> Result<Self> {
        let (service, action) = probe.action.split_once(':').context("an action has a service")?;
        let name = probe.arn.rsplit(':').next().context("an ARN has a name")?;
        let posted = |service, target: String, body: Value| Self {
            service,
            method: "POST",
            path: "/".to_owned(),
            target: Some(target),
            body: body.to_string(),
        };
        Ok(match service {
            "dynamodb" => {
                let name = name.strip_prefix("table/").context("a table")?;
                let (table, index) = name.split_once("/index/").unzip();
                let table = table.unwrap_or(name);
                if let Some((name, value)) = &probe.key {
                    let key = json!({name: {"S": value}});
                    // It never is, so that nothing is written.
                    let condition = "attribute_exists(is_never_there)";
                    let (operation, body) = match action {
                        "ConditionCheckItem" => (
                            "TransactWriteItems",
                            json!({"TransactItems": [{"ConditionCheck": {
                                "TableName": table, "Key": key, "ConditionExpression": condition,
                            }}]}),
                        ),
                        "GetItem" => (action, json!({"TableName": table, "Key": key})),
                        "PutItem" => (
                            action,
                            json!({"TableName": table, "Item": key, "ConditionExpression": condition}),
                        ),
                        "Query" => {
                            let body = json!({
                                "TableName": table,
                                "KeyConditionExpression": "#name = :value",
                                "ExpressionAttributeNames": {"#name": name},
                                "ExpressionAttributeValues": {":value": {"S": value}},
                            });
                            (action, body)
                        }
                        _ => (
                            action,
                            json!({"TableName": table, "Key": key, "ConditionExpression": condition}),
                        ),
                    };
                    return Ok(posted("dynamodb", format!("DynamoDB_20120810.{operation}"), body));
                }
                let (operation, body) = match action {
                    "ConditionCheckItem" => (
                        "TransactWriteItems",
                        json!({"TransactItems": [{"ConditionCheck": {"TableName": table}}]}),
                    ),
                    "BatchGetItem" => (action, json!({"RequestItems": {table: {"Keys": []}}})),
                    "Query" if index.is_some() => (action, json!({"TableName": table, "IndexName": index})),
                    "Scan" => (action, json!({"TableName": table, "Limit": 1})),
                    "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" => {
                        (action, json!({"TableName": table}))
                    }
                    _ => bail!("{action} on a table can't be tried yet"),
                };
                posted("dynamodb", format!("DynamoDB_20120810.{operation}"), body)
            }
            "sqs" => {
                let url = format!("{queue_address}/{name}");
                let body = match action {
                    "SendMessage" | "GetQueueAttributes" => json!({"QueueUrl": url}),
                    "ReceiveMessage" => json!({"QueueUrl": url, "MaxNumberOfMessages": 0}),
                    "DeleteMessage" => json!({"QueueUrl": url, "ReceiptHandle": "none"}),
                    "ChangeMessageVisibility" => {
                        json!({"QueueUrl": url, "ReceiptHandle": "none", "VisibilityTimeout": 0})
                    }
                    _ => bail!("{action} on a queue can't be tried yet"),
                };
                posted("sqs", format!("AmazonSQS.{action}"), body)
            }
            "cognito-idp" => {
                let pool = name.strip_prefix("userpool/").context("a user pool")?;
                let mut body = json!({"UserPoolId": pool, "Username": "nobody", "Limit": 1});
                if action == "AdminCreateUser" {
                    body = json!({"UserPoolId": pool});
                }
                posted("cognito-idp", format!("AWSCognitoIdentityProviderService.{action}"), body)
            }
            "s3" => {
                let prefix = probe.prefix.as_deref().unwrap_or_default().replace('/', "%2F");
                let (method, query) = match action {
                    "GetObject" => ("GET", String::new()),
                    "PutObject" => ("PUT", "?partNumber=1&uploadId=none".to_owned()),
                    "DeleteObject" => ("DELETE", String::new()),
                    "AbortMultipartUpload" => ("DELETE", "?uploadId=none".to_owned()),
                    "ListMultipartUploadParts" => ("GET", "?uploadId=none".to_owned()),
                    "ListBucket" if prefix.is_empty() => ("GET", "?list-type=2".to_owned()),
                    "ListBucket" => ("GET", format!("?list-type=2&prefix={prefix}")),
                    "ListBucketMultipartUploads" => ("GET", "?uploads=".to_owned()),
                    _ => bail!("{action} in a bucket can't be tried yet"),
                };
                Self {
                    service: "s3",
                    method,
                    path: format!("/{name}{query}"),
                    target: None,
                    body: String::new(),
                }
            }
            _ => bail!("{} can't be tried yet", probe.action),
        })
    }

    /// Whether the role may not.
    pub async fn is_denied(&self, http: &reqwest::Client, role: &Endpoint) -> Result<bool> {
        let url = format!("{}{}", role.url, self.path);
        let mut headers = Vec::new();
        if let Some(target) = &self.target {
            headers.push(("content-type", "application/x-amz-json-1.0"));
            headers.push(("x-amz-target", target.as_str()));
        }
        let signature =
            signed_request::signature(role, self.service, self.method, &url, &headers, self.body.as_bytes())?;
        let mut request = http.request(self.method.parse()?, &url).body(self.body.clone());
        let signature = signature.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in headers.into_iter().chain(signature) {
            request = request.header(name, value);
        }
        let text = request.send().await?.text().await?;
        for broken in ["SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException"] {
            ensure!(!text.contains(broken), "the request is not understood: {text}");
        }
        Ok(text.contains("is not authorized to perform"))
    }
}
