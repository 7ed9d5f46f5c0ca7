//! Joining a content without sending its bytes, for whoever shows that they have them.
//!
//! What is shown and how it is compared is the caller's business. Here is that a challenge is answered once, that there are few of
//! them, and that a proved upload joins like one whose bytes came.

use std::fmt;

use anyhow::{Context as _, anyhow};
use items::{Item, from_item, nested, number, string};
use serde::{Deserialize, Serialize};

use crate::content::{Content, ContentState, DigestPointer, digest_key};
use crate::digest::ContentDigest;
use crate::expression::Condition;
use crate::ids::{UploadId, UserId};
use crate::join::{Joined, Joining};
use crate::library::Library;
use crate::quota::usage_key;
use crate::timestamp::Timestamp;
use crate::upload::{Upload, UploadState};
use crate::uploads::{Uploads, is, upload_key};
use crate::write::{Write, Written};

/// How many challenges an upload gets.
pub const CHALLENGES_PER_UPLOAD: i64 = 3;
/// How many challenges an owner gets in a day of UTC, over all uploads.
pub const CHALLENGES_PER_DAY: i64 = 100;
/// How often records are read again because somebody else changed them meanwhile.
const ATTEMPTS: u32 = 8;

/// What an upload's owner was asked to show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The digest of the file that they claim to have.
    pub digest: ContentDigest,
    /// What the answer has to be made with, in base64.
    pub nonce: String,
    /// Until when an answer is taken.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Challenge {
    /// Without the nonce, which makes the answer worth something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// What an item holds of it.
#[derive(Deserialize)]
struct Challenged {
    #[serde(default)]
    challenge: Option<Challenge>,
}

/// What an owner's item counts.
#[derive(Deserialize)]
struct Day {
    #[serde(default)]
    challenge_day: String,
}

/// What became of an upload whose owner has shown that they have its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// It has a share in the content now.
    Joined,
    /// Its owner has the same content already.
    Duplicate,
    /// The content has gone meanwhile; nothing was changed.
    Gone,
    /// The upload waits no longer; nothing was changed.
    Past,
}

impl Uploads {
    /// Gives an upload that waits a challenge, in the place of an earlier one that was not answered. Answers false if it waits no
    /// longer, or if it or its owner has had all there are. Two round trips, and one or two more for the first of a day.
    pub async fn put_challenge(&self, upload: &Upload, challenge: &Challenge) -> anyhow::Result<bool> {
        if !self.count_challenge(&upload.owner_id).await? {
            return Ok(false);
        }
        let presumed = Condition::All(vec![
            is(UploadState::Waiting),
            Condition::Any(vec![
                Condition::Absent("challenges"),
                Condition::Below("challenges", CHALLENGES_PER_UPLOAD),
            ]),
        ]);
        let write = Write::update(&self.table, upload_key(upload.id), presumed)
            .set("challenge", nested(challenge)?)
            .tally("challenges", 1);
        Ok(matches!(write.send(&self.client).await?, Written::Done(_)))
    }

    /// Counts one for the owner. Answers false if they have had all of this day.
    async fn count_challenge(&self, owner: &UserId) -> anyhow::Result<bool> {
        let today = Timestamp::now().to_string().chars().take(10).collect::<String>();
        let update = |presumed| Write::update(&self.contents_table, usage_key(owner), presumed);
        for _ in 0..ATTEMPTS {
            let has_more = Condition::All(vec![
                Condition::Is("challenge_day", string(&today)),
                Condition::Below("challenges", CHALLENGES_PER_DAY),
            ]);
            let earlier = match update(has_more).add("challenges", 1).send(&self.client).await? {
                Written::Done(_) => return Ok(true),
                Written::Refused(found) => found.map(from_item::<Day>).transpose()?,
            };
            let earlier = earlier.map(|found| found.challenge_day).unwrap_or_default();
            if earlier == today {
                return Ok(false);
            }
            let unchanged = match &*earlier {
                "" => Condition::Absent("challenge_day"),
                day => Condition::Is("challenge_day", string(day)),
            };
            let first = update(unchanged).set("challenge_day", string(&today)).set("challenges", number(1));
            if let Written::Done(_) = first.send(&self.client).await? {
                return Ok(true);
            }
        }
        Err(anyhow!("the count of challenges did not keep still"))
    }

    /// Takes an upload's challenge away, so that it is answered once: of any number of answers at the same time one gets it. None
    /// if there is none, or it has expired. Two round trips.
    pub async fn take_challenge(&self, id: UploadId) -> anyhow::Result<Option<Challenge>> {
        let found = self.item(id).await?.map(from_item::<Challenged>).transpose()?;
        let Some(challenge) = found.and_then(|found| found.challenge) else { return Ok(None) };
        let unchanged = Condition::Is("challenge", nested(&challenge)?);
        let write = Write::update(&self.table, upload_key(id), unchanged).remove("challenge");
        let is_ours = matches!(write.send(&self.client).await?, Written::Done(_));
        Ok((is_ours && Timestamp::now() < challenge.expires_at).then_some(challenge))
    }
}

impl Library {
    /// The content that has the bytes of this digest, if it is processing or ready. Two round trips.
    pub async fn known(&self, digest: &ContentDigest) -> anyhow::Result<Option<Content>> {
        let Some(pointer) = self.pointer(digest).await? else { return Ok(None) };
        let content = self.contents.get(pointer.content_id).await?;
        let may_be_joined = |content: &Content| {
            matches!(content.state, ContentState::Processing | ContentState::Ready)
                && content.size_bytes == pointer.size_bytes
        };
        Ok(content.filter(may_be_joined))
    }

    /// `waiting → processing | ready | duplicate` of an upload whose owner has shown that they have the bytes of this digest, as
    /// for one whose bytes came. Its multipart upload is to be aborted then.
    ///
    /// It presumes that the upload waits, so that of this and the completion one comes first. Two round trips, and more when the
    /// content changes meanwhile. An answer that was lost may be told as `Past`.
    pub async fn join_proved(&self, upload: &Upload, digest: &ContentDigest) -> anyhow::Result<Proved> {
        let holder = upload.holder();
        for _ in 0..ATTEMPTS {
            let Some(pointer) = self.pointer(digest).await? else { return Ok(Proved::Gone) };
            let joining = Joining {
                holder: &holder,
                presumed: is(UploadState::Waiting),
                waits: true,
                pointer: &pointer,
                along: Vec::new(),
            };
            match self.join(&joining).await? {
                Joined::Shared => return Ok(Proved::Joined),
                Joined::Duplicate => return Ok(Proved::Duplicate),
                Joined::Lost => return Ok(Proved::Past),
                Joined::Changed => {}
            }
        }
        Err(anyhow!("the content with the digest of the upload {} did not keep still", upload.id))
    }

    async fn pointer(&self, digest: &ContentDigest) -> anyhow::Result<Option<DigestPointer>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.tables.contents)
            .set_key(Some(digest_key(digest)))
            .consistent_read(true)
            .send()
            .await
            .context("reading which content has a digest")?;
        found.item.map(from_item).transpose()
    }
}

impl Uploads {
    /// The item of an upload.
    pub(crate) async fn item(&self, id: UploadId) -> anyhow::Result<Option<Item>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(upload_key(id)))
            .consistent_read(true)
            .send()
            .await
            .context("reading an upload")?;
        Ok(found.item)
    }
}
