//! Queues, whose messages come until they are deleted, hidden for a while each time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::Answer;

/// For how long a message is hidden after it came, as in queues that don't say.
const VISIBILITY: Duration = Duration::from_secs(30);

#[derive(Default)]
pub struct Sqs {
    queues: BTreeMap<String, Vec<Message>>,
}

struct Message {
    id: Uuid,
    body: String,
    /// Of its last delivery.
    receipt: Option<String>,
    hidden_until: Option<Instant>,
}

impl Message {
    fn is_visible(&self) -> bool {
        self.hidden_until.is_none_or(|until| until <= Instant::now())
    }
}

impl Sqs {
    /// Takes everything visible out of a queue: ids and bodies.
    pub fn take_all(&mut self, queue_url: &str) -> Vec<(String, String)> {
        let Some(queue) = self.queues.get_mut(queue_url) else { return Vec::new() };
        queue.extract_if(.., |message| message.is_visible()).map(|it| (it.id.to_string(), it.body)).collect()
    }

    pub fn answer(&mut self, operation: &str, body: &[u8]) -> Answer {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        if operation == "CreateQueue" {
            let url = format!("{}/000000000000/{}", super::ENDPOINT, text("QueueName"));
            self.queues.entry(url.clone()).or_default();
            return answered(&json!({ "QueueUrl": url }));
        }
        let Some(queue) = self.queues.get_mut(text("QueueUrl")) else {
            // By this older name the SDK calls it.
            let name = "AWS.SimpleQueueService.NonExistentQueue;Sender";
            return refused("QueueDoesNotExist").with("x-amzn-query-error", name);
        };
        match operation {
            "SendMessage" => answered(&json!({ "MessageId": send(queue, text("MessageBody")) })),
            "SendMessageBatch" => {
                let entries = request["Entries"].as_array().into_iter().flatten();
                let sent = entries.map(|entry| {
                    let id = send(queue, entry["MessageBody"].as_str().unwrap_or_default());
                    json!({ "Id": entry["Id"], "MessageId": id })
                });
                answered(&json!({ "Successful": sent.collect::<Vec<_>>(), "Failed": [] }))
            }
            "ReceiveMessage" => {
                let most = request["MaxNumberOfMessages"].as_u64().unwrap_or(1) as usize;
                let received =
                    queue.iter_mut().filter(|message| message.is_visible()).take(most).map(|message| {
                        message.hidden_until = Some(Instant::now() + VISIBILITY);
                        let receipt = Uuid::now_v7().to_string();
                        message.receipt = Some(receipt.clone());
                        json!({ "MessageId": message.id, "ReceiptHandle": receipt, "Body": message.body })
                    });
                answered(&json!({ "Messages": received.collect::<Vec<_>>() }))
            }
            "DeleteMessage" => {
                queue.retain(|message| message.receipt.as_deref() != Some(text("ReceiptHandle")));
                answered(&json!({}))
            }
            "ChangeMessageVisibility" => {
                let seconds = request["VisibilityTimeout"].as_u64().unwrap_or(0);
                let found = queue
                    .iter_mut()
                    .find(|message| message.receipt.as_deref() == Some(text("ReceiptHandle")));
                let Some(message) = found else { return refused("ReceiptHandleIsInvalid") };
                message.hidden_until = Some(Instant::now() + Duration::from_secs(seconds));
                answered(&json!({}))
            }
            "GetQueueAttributes" => {
                let visible = queue.iter().filter(|message| message.is_visible()).count();
                answered(&json!({ "Attributes": {
                    "ApproximateNumberOfMessages": visible.to_string(),
                    "ApproximateNumberOfMessagesNotVisible": (queue.len() - visible).to_string(),
                    "ApproximateNumberOfMessagesDelayed": "0",
                }}))
            }
            _ => Answer::new(501, r#"{"__type":"NotImplemented"}"#),
        }
    }
}

fn send(queue: &mut Vec<Message>, body: &str) -> Uuid {
    let id = Uuid::now_v7();
    queue.push(Message { id, body: body.to_owned(), receipt: None, hidden_until: None });
    id
}

fn answered(body: &Value) -> Answer {
    Answer::new(200, body.to_string()).with("content-type", "application/x-amz-json-1.0")
}

fn refused(code: &str) -> Answer {
    let body = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": code });
    Answer::new(400, body.to_string()).with("content-type", "application/x-amz-json-1.0")
}
