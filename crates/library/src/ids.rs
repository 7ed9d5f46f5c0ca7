//! Identifiers. Each is a type of its own, so that one can't be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::tasks::TaskName;

/// The namespace of upload ids that are derived from an idempotency key.
const IDEMPOTENT_UPLOADS: Uuid = Uuid::from_u128(0x6a3c_5a1e_52d1_4f0b_9a7e_0d1c_3f6b_8e24);

/// A text that is no id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("this is not the id of anything")]
pub struct InvalidId;

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Accepts the hyphenated lower-case form only: an id has one spelling, so that it can be
            /// compared as text and used in object keys.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let id = Uuid::try_parse(text).map_err(|_| InvalidId)?;
                if id.hyphenated().to_string() == text { Ok(Self(id)) } else { Err(InvalidId) }
            }
        }
    };
}

uuid_newtype! {
    /// One act of sending a file.
    UploadId
}
uuid_newtype! {
    /// What was sent, stored once. It is the id of the upload that brought it first.
    ContentId
}
uuid_newtype! {
    /// One person's listing of a content. It is the id of the upload that made it.
    VideoId
}

impl UploadId {
    /// A new id that sorts by the time of its making.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of the upload that `owner` makes under `idempotency_key`: always the same one.
    pub fn from_idempotency_key(owner: &UserId, idempotency_key: &str) -> Self {
        // The owner's length keeps ("ab", "c") and ("a", "bc") apart.
        let name = format!("{}:{}:{idempotency_key}", owner.0.len(), owner.0);
        Self(Uuid::new_v5(&IDEMPOTENT_UPLOADS, name.as_bytes()))
    }

    /// The content that this upload becomes when it is the first to bring its bytes.
    pub fn as_content(self) -> ContentId {
        ContentId(self.0)
    }

    /// The video that this upload becomes.
    pub fn as_video(self) -> VideoId {
        VideoId(self.0)
    }

    /// The key of the uploaded object in the upload bucket. It is final: nothing moves it.
    pub fn object_key(self) -> String {
        format!("media/{self}/original")
    }

    /// The upload whose object has this key, if it is the key of one.
    pub fn from_object_key(key: &str) -> Option<Self> {
        key.strip_prefix("media/")?.strip_suffix("/original")?.parse().ok()
    }
}

impl Default for UploadId {
    fn default() -> Self {
        Self::new()
    }
}

impl ContentId {
    /// The upload that brought this content first, whose object is the original.
    pub fn as_upload(self) -> UploadId {
        UploadId(self.0)
    }

    /// The key of the original in the upload bucket, and its path below `/` on the site.
    pub fn original_key(self) -> String {
        self.as_upload().object_key()
    }

    /// What the keys of all packaged outputs in the media bucket begin with.
    pub fn output_prefix(self) -> String {
        format!("media/{self}/")
    }

    /// What the keys of all that workers on its tasks leave for each other in the media bucket begin with. It is not served.
    pub fn pieces_prefix(self) -> String {
        format!("pieces/{self}/")
    }

    /// As [`ContentId::pieces_prefix`], for one of its tasks: the tasks may run at the same time, and who ends one deletes
    /// what was left for that one.
    pub fn task_prefix(self, task: TaskName) -> String {
        format!("pieces/{self}/{}/", task.as_str())
    }

    /// The key of the WebVTT of thumbnails in the media bucket, and its path below `/` on the site. It names pictures beside it.
    pub fn thumbnails_key(self) -> String {
        format!("{}thumbnails.vtt", self.output_prefix())
    }

    /// The key of the poster in the media bucket, and its path below `/` on the site.
    pub fn poster_key(self) -> String {
        format!("posters/{self}.jpg")
    }
}

impl VideoId {
    /// The upload that became this video.
    pub fn as_upload(self) -> UploadId {
        UploadId(self.0)
    }
}

/// A person, by the `sub` that Cognito gave them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct UserId(String);

impl UserId {
    /// The person with this `sub`.
    pub fn new(sub: impl Into<String>) -> Self {
        Self(sub.into())
    }

    /// The `sub`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_key_names_its_upload() {
        let id = UploadId::new();
        assert_eq!(UploadId::from_object_key(&id.object_key()), Some(id));
        assert_eq!(id.as_content().original_key(), id.object_key());
    }

    #[test]
    fn keys_of_anything_else_name_no_upload() {
        let id = UploadId::new();
        for key in [
            format!("media/{id}"),
            format!("media/{id}/original/"),
            format!("media/{id}/master.m3u8"),
            format!("x/media/{id}/original"),
            format!("media/{}/original", id.to_string().to_uppercase()),
            format!("media/{{{id}}}/original"),
            "media//original".to_owned(),
            String::new(),
        ] {
            assert_eq!(UploadId::from_object_key(&key), None, "{key}");
        }
    }

    #[test]
    fn an_idempotency_key_gives_one_id_per_owner() {
        let (ann, bob) = (UserId::new("ann"), UserId::new("bob"));
        let id = UploadId::from_idempotency_key(&ann, "k");
        assert_eq!(id, UploadId::from_idempotency_key(&ann, "k"));
        assert_ne!(id, UploadId::from_idempotency_key(&bob, "k"));
        assert_ne!(id, UploadId::from_idempotency_key(&ann, "l"));
        assert_ne!(
            UploadId::from_idempotency_key(&UserId::new("a"), "b:c"),
            UploadId::from_idempotency_key(&UserId::new("a:b"), "c")
        );
    }
}
