//! From a film that has to be encoded, or is to get smaller renditions, to one that has them.

use std::fmt;

use items::{nested, number, string};
use serde::{Deserialize, Serialize};

use crate::content::{Content, ContentState, DigestPointer, Media, content_key, digest_key};
use crate::contents::{self, Contents};
use crate::digest::ContentDigest;
use crate::expression::Condition;
use crate::finish::Finished;
use crate::ids::ContentId;
use crate::lease::{LeaseToken, clear_lease};
use crate::library::Library;
use crate::timestamp::Timestamp;
use crate::write::{Committed, Write, Written, commit};

/// How far the encoding of a content is. None of these where nobody has asked for any.
///
/// `needed` of a content that is processing and `wanted` of one that is ready wake the function that plans the encoding, by the
/// table's stream: asking and telling are one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The film doesn't play before it is encoded; everything else is there.
    Needed,
    /// Renditions are to join it once it is ready.
    Wanted,
    /// It is planned, and its pieces are being encoded.
    Started,
    /// The renditions are there, or there is none that the film lacks.
    Done,
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Needed => "needed",
            Self::Wanted => "wanted",
            Self::Started => "started",
            Self::Done => "done",
        })
    }
}

impl Contents {
    /// `none → wanted` of a content that is ready. One round trip. Nothing happens if somebody asked before.
    pub async fn want_encoding(&self, id: ContentId) -> anyhow::Result<()> {
        self.ask_for_encoding(id, contents::is(ContentState::Ready)).await
    }

    /// `none → wanted` by the holder of the lease on a content that is about to be ready: planning begins when it is. One round
    /// trip. Nothing happens if somebody asked before.
    pub async fn want_encoding_when_ready(&self, id: ContentId, token: LeaseToken) -> anyhow::Result<()> {
        self.ask_for_encoding(id, contents::processing_under(token)).await
    }

    async fn ask_for_encoding(&self, id: ContentId, presumed: Condition) -> anyhow::Result<()> {
        let first = Condition::All(vec![presumed, Condition::Absent("encoding")]);
        enter(Write::update(&self.table, content_key(id), first), Encoding::Wanted)
            .send(&self.client)
            .await?;
        Ok(())
    }

    /// `needed | wanted → started`, when all pieces have been asked for. One round trip. Nothing happens if it has gone on since.
    pub async fn start_encoding(&self, id: ContentId) -> anyhow::Result<()> {
        let presumed = Condition::Any(vec![is(Encoding::Needed), is(Encoding::Wanted)]);
        enter(Write::update(&self.table, content_key(id), presumed), Encoding::Started)
            .send(&self.client)
            .await?;
        Ok(())
    }

    /// `wanted | started → done` of a content that is ready, when its manifests name the renditions. One round trip. Answers
    /// whether it is done; if not, the content is being removed or is gone.
    pub async fn end_encoding(&self, id: ContentId) -> anyhow::Result<bool> {
        let presumed = Condition::All(vec![contents::is(ContentState::Ready), Condition::Exists("encoding")]);
        let write = enter(Write::update(&self.table, content_key(id), presumed), Encoding::Done);
        Ok(matches!(write.send(&self.client).await?, Written::Done(_)))
    }
}

impl Library {
    /// The holder of the lease leaves the content to the encoder: it stays `processing`, with encoding `needed`, and is free again.
    ///
    /// Its digest points to it from now on, also one that packaging computed: whoever uploads the same bytes joins it and
    /// waits along. `Ready` in the answer says that this has happened; the rest is as for [`Library::finish`].
    pub async fn await_encoding(
        &self,
        content: &Content,
        token: LeaseToken,
        digest: &ContentDigest,
        media: &Media,
    ) -> anyhow::Result<Finished> {
        let content_id = content.content_id;
        let waiting =
            Write::update(&self.tables.contents, content_key(content_id), contents::processing_under(token));
        let waiting =
            enter(waiting, Encoding::Needed).set("digest", string(digest)).set("media", nested(media)?);
        let pointer = DigestPointer { content_id, size_bytes: content.size_bytes, media: None };
        self.settle(content, token, digest, &clear_lease(waiting), &pointer).await
    }

    /// `processing → ready` of a content whose encoding was needed, when its manifests are there. Its videos are to be published
    /// then. Answers false if it was no longer waiting for that. One round trip.
    pub async fn finish_encoded(&self, content: &Content) -> anyhow::Result<bool> {
        let (Some(digest), Some(media)) = (&content.digest, &content.media) else { return Ok(false) };
        let content_id = content.content_id;
        let ready = Write::update(&self.tables.contents, content_key(content_id), waiting());
        let ready = enter(contents::enter(ready, ContentState::Ready), Encoding::Done);
        let pointer =
            DigestPointer { content_id, size_bytes: content.size_bytes, media: Some(media.clone()) };
        let own = Condition::Is("content_id", string(content_id));
        let writes = vec![clear_lease(ready), self.point(digest, &pointer, own)?];
        Ok(matches!(commit(&self.client, writes).await?, Committed::Done))
    }

    /// `processing → failed` for good of a content whose encoding was needed and that the encoder can do nothing with, however often
    /// one tries. Its uploads are to be told then. What may go better another time is [given up](Library::give_up) instead.
    /// Answers false if it was no longer waiting for that. One round trip.
    pub async fn fail_encoding(&self, content: &Content, reason: &str) -> anyhow::Result<bool> {
        let Some(digest) = &content.digest else { return Ok(false) };
        let content_id = content.content_id;
        let failed = Write::update(&self.tables.contents, content_key(content_id), waiting());
        let failed = contents::enter(failed, ContentState::Failed).set("reason", string(reason));
        let own = Condition::Is("content_id", string(content_id));
        let writes =
            vec![clear_lease(failed), Write::delete(&self.tables.contents, digest_key(digest), Some(own))];
        Ok(matches!(commit(&self.client, writes).await?, Committed::Done))
    }
}

/// Has a content's encoding enter a state, and notes when.
pub(crate) fn enter(write: Write, encoding: Encoding) -> Write {
    write.set("encoding", string(encoding)).set("encoding_since_ms", number(Timestamp::now().unix_ms()))
}

/// That a content is processing and nothing but its encoding is missing.
pub(crate) fn waiting() -> Condition {
    Condition::All(vec![
        contents::is(ContentState::Processing),
        Condition::Any(vec![is(Encoding::Needed), is(Encoding::Started)]),
    ])
}

pub(crate) fn is(encoding: Encoding) -> Condition {
    Condition::Is("encoding", string(encoding))
}
