//! What a dead letter is about, and nothing else of it.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use library::{ContentId, Timestamp, UploadId};
use serde::Serialize;
use utoipa::ToSchema;

use super::QueueName;
use crate::encode_video::{self, Job};
use crate::{package_video, s3_event};

/// A message that was given up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    /// SQS's id, as logs have it.
    message_id: String,
    /// When it was sent first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sent_at: Option<Timestamp>,
    /// The content that it is about, if that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    content_id: Option<ContentId>,
    /// The uploads that it is about, if that can be told.
    upload_ids: Vec<UploadId>,
    /// What was to be done, if it is a part of more: a share of a copy, a piece of an encoding, or putting pieces together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    part: Option<String>,
}

impl DeadLetter {
    pub(super) fn of(queue: QueueName, message: &Message) -> Self {
        let sent_ms = message
            .attributes()
            .and_then(|attributes| attributes.get(&MessageSystemAttributeName::SentTimestamp))
            .and_then(|sent| sent.parse().ok());
        let letter = Self {
            message_id: message.message_id().unwrap_or_default().to_owned(),
            sent_at: sent_ms.map(Timestamp::from_unix_ms),
            ..Self::default()
        };
        letter.about(queue, message.body().unwrap_or_default())
    }

    /// Oldest first.
    pub(super) fn order(&self) -> impl Ord {
        (self.sent_at, self.message_id.clone())
    }

    fn about(self, queue: QueueName, body: &str) -> Self {
        match queue {
            QueueName::UploadEvents => {
                let keys = s3_event::created_keys(body).unwrap_or_default();
                let upload_ids = keys.iter().filter_map(|key| UploadId::from_object_key(key)).collect();
                Self { upload_ids, ..self }
            }
            QueueName::Package => match serde_json::from_str::<package_video::Request>(body) {
                Ok(request) => Self {
                    content_id: Some(request.content_id),
                    part: request.share.map(|share| format!("share {share}")),
                    ..self
                },
                Err(_) => self,
            },
            QueueName::Encode => match serde_json::from_str::<encode_video::Request>(body) {
                Ok(request) => Self {
                    content_id: Some(request.content_id),
                    part: Some(match request.job {
                        Job::Piece(piece) => format!("piece {piece}"),
                        Job::Assemble(_) => "assembly".to_owned(),
                    }),
                    ..self
                },
                Err(_) => self,
            },
            QueueName::Remove | QueueName::Plan => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01937b2e-6c40-7f3a-9d12-4b8e5a7c6d21";

    fn about(queue: QueueName, body: &str) -> DeadLetter {
        DeadLetter::default().about(queue, body)
    }

    #[test]
    fn what_a_message_is_about_is_told_and_not_what_it_says() {
        let letter = about(QueueName::Package, &format!(r#"{{"content_id": "{ID}", "share": 3}}"#));
        assert_eq!(letter.content_id.map(|id| id.to_string()).as_deref(), Some(ID));
        assert_eq!(letter.part.as_deref(), Some("share 3"));
        let letter = about(QueueName::Encode, &format!(r#"{{"content_id": "{ID}", "assemble": true}}"#));
        assert_eq!(letter.part.as_deref(), Some("assembly"));
        let poison = about(QueueName::Package, "a secret");
        assert_eq!(poison, DeadLetter::default());
        assert_eq!(about(QueueName::UploadEvents, "a secret"), DeadLetter::default());
    }
}
