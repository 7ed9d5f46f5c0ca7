//! The sandbox plays the stream and the queue of encoding.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use aws_lambda_events::sqs::SqsMessage;
use encode::{Ffmpeg, Ladder};
use ingest::{encode_video, plan_encoding};
use library::{ContentId, ContentState, Encoding, UploadId, UploadState, UserId};
use serde_json::json;
use tests::Film;
use uuid::Uuid;

use super::super::connector::BadLuck;
use super::super::seeds::remembering_ffmpeg;
use super::{Sandbox, only, shuffle};

/// What came of an encoding.
pub struct Encoded {
    /// Whether the fault has struck.
    pub struck: bool,
    /// The outputs' names and their ETags.
    pub outputs: BTreeMap<String, String>,
}

/// A short film whose sound has to be encoded, and that is large enough for a rendition of its own.
pub async fn film() -> Result<Film> {
    let picture = "-f lavfi -i testsrc2=size=640x480:rate=2:duration=4 -c:v libx264 -preset ultrafast -g 8";
    let sound = "-f lavfi -i sine=sample_rate=48000:duration=4";
    let (input, codec) = picture.split_at(picture.find("-c:v").context("a codec")?);
    Film::made("film.mov", &format!("{input} {sound} {codec} -pix_fmt yuv420p -c:a pcm_s16le")).await
}

impl Sandbox {
    /// Packages the film, has it encoded with a fault, every record and message coming thrice and shuffled, and removes it again.
    /// Everything is as it must be after each act.
    pub async fn encode(&self, film: &Film, bad_luck: BadLuck, seed: u64) -> Result<Encoded> {
        let id = self.packaged(film).await?;
        let content_id = id.as_content();
        self.plan(&bad_luck, content_id).await?;
        let late = self.deliver_pieces(&bad_luck, seed).await?;
        let outputs = self.check_encoded(id).await?;

        self.delete_video(&bad_luck, id.as_video()).await?;
        self.remove_content(&bad_luck, &json!(content_id.to_string())).await?;
        // Messages may come after everything is over.
        for message in late {
            self.handle(&bad_luck, &message, &self.ffmpeg().await?).await?;
        }
        self.check_empty().await?;
        Ok(Encoded { struck: bad_luck.has_struck(), outputs })
    }

    /// The encoder fails each time that a piece is tried: the film is failed, with the reason. Its publisher has it tried again, with
    /// an encoder that works.
    pub async fn fail_to_encode(&self, film: &Film) -> Result<()> {
        let luck = BadLuck::none();
        let id = self.packaged(film).await?;
        self.plan(&luck, id.as_content()).await?;
        // A program that is there and fails.
        let broken = Ffmpeg::at("/bin/false");
        for message in self.received().await? {
            for deliveries in 1..=encode_video::DELIVERIES {
                let mut message = message.clone();
                message.attributes.insert("ApproximateReceiveCount".to_owned(), deliveries.to_string());
                let done = self.handle(&luck, &message, &broken).await?;
                let upload = self.library(&self.root).uploads.get(id).await?.context("an upload is lost")?;
                let has_failed = upload.state == UploadState::Failed;
                ensure!(done == has_failed, "{deliveries} deliveries: {done}, {:?}", upload.state);
            }
        }
        let upload = self.library(&self.root).uploads.get(id).await?.context("an upload is lost")?;
        ensure!(upload.state == UploadState::Failed, "{:?}", upload.state);
        let reason = upload.reason.context("a reason")?;
        ensure!(reason.starts_with("The film could not be converted"), "{reason}");
        ensure!(upload.retry_until.is_some(), "it can't be retried");
        self.retry(&luck, id).await?;
        self.plan(&luck, id.as_content()).await?;
        self.deliver_pieces(&luck, 1).await?;
        self.check_encoded(id).await?;
        self.delete_video(&luck, id.as_video()).await?;
        self.remove_content(&luck, &json!(id.as_content().to_string())).await?;
        self.check_empty().await
    }

    /// Its owner deletes it after each number of messages in turn: whatever comes afterwards leaves nothing.
    pub async fn remove_while_encoding(&self) -> Result<()> {
        let luck = BadLuck::none();
        // The film plays, and only its ladder is being encoded: nobody deletes a film that isn't there yet.
        let film = Film::made("film.mp4", PLAYABLE).await?;
        for handled in 0..3 {
            let id = self.packaged(&film).await?;
            let content_id = id.as_content();
            self.plan(&luck, content_id).await?;
            let mut messages: VecDeque<_> = self.received().await?.into();
            for _ in 0..handled {
                if let Some(message) = messages.pop_front() {
                    self.handle(&luck, &message, &self.ffmpeg().await?).await?;
                }
                messages.extend(self.received().await?);
            }
            self.delete_video(&luck, id.as_video()).await?;
            self.remove_content(&luck, &json!(content_id.to_string())).await?;
            for message in messages {
                ensure!(self.handle(&luck, &message, &self.ffmpeg().await?).await?, "{:?}", message.body);
            }
            self.check_empty().await?;
        }
        Ok(())
    }

    /// An upload whose content is packaged as far as that goes.
    async fn packaged(&self, film: &Film) -> Result<UploadId> {
        let owner = UserId::new(Uuid::now_v7().to_string());
        let id = self.upload(&film.clone().made_unique(), &owner).await?;
        let luck = BadLuck::none();
        self.ingest(&luck, &[id], 1).await?;
        Ok(id)
    }

    /// The stream tells thrice that the content's encoding is to be planned.
    async fn plan(&self, bad_luck: &BadLuck, content_id: ContentId) -> Result<()> {
        let content = json!(content_id.to_string());
        let record = json!({"dynamodb": {"SequenceNumber": "1", "NewImage": {"content_id": {"S": content}}}});
        let mut left = 3;
        for _ in 0..20 {
            let process = self.process(bad_luck);
            let environment = plan_encoding::Environment {
                contents_table: self.tables.contents.clone(),
                upload_bucket: self.upload_bucket.clone(),
                encode_queue_url: self.encode_queue_url.clone(),
                ladder: Ladder::Always,
            };
            let context = plan_encoding::Context::new(&self.config(&process), environment);
            let event = serde_json::from_value(json!({"Records": [record]}))?;
            let done = process.run(plan_encoding::handle(&context, event)).await;
            left -= u32::from(
                done.is_some_and(|done| done.is_ok_and(|told| told.batch_item_failures.is_empty())),
            );
            if left == 0 {
                return Ok(());
            }
        }
        anyhow::bail!("{content_id} can't be planned")
    }

    /// Delivers the queue's messages, each thrice and shuffled, until none is left. Answers one of each.
    async fn deliver_pieces(&self, bad_luck: &BadLuck, seed: u64) -> Result<Vec<SqsMessage>> {
        let ffmpeg = self.ffmpeg().await?;
        let mut once = Vec::new();
        let mut waiting: VecDeque<SqsMessage> = VecDeque::new();
        for _ in 0..200 {
            let received = self.received().await?;
            if !received.is_empty() {
                waiting.extend(received.iter().flat_map(|message| [0, 1, 2].map(|_| message.clone())));
                shuffle(waiting.make_contiguous(), seed);
                once.extend(received);
            }
            let Some(message) = waiting.pop_front() else { return Ok(once) };
            if !self.handle(bad_luck, &message, &ffmpeg).await? {
                waiting.push_back(message);
            }
        }
        anyhow::bail!("encoding does not come to an end: {} messages are left", waiting.len())
    }

    async fn received(&self) -> Result<Vec<SqsMessage>> {
        self.take_all(&self.encode_queue_url).await
    }

    /// Runs the function once. Answers whether it lived and did it.
    async fn handle(&self, bad_luck: &BadLuck, message: &SqsMessage, ffmpeg: &Ffmpeg) -> Result<bool> {
        let process = self.process(bad_luck);
        let environment = encode_video::Environment {
            tables: self.tables.clone(),
            upload_bucket: self.upload_bucket.clone(),
            media_bucket: self.media_bucket.clone(),
            encode_queue_url: self.encode_queue_url.clone(),
            ffmpeg: ffmpeg.clone(),
        };
        let context = encode_video::Context::new(&self.config(&process), environment);
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let done = process.run(encode_video::handle(&context, deadline, only(message.clone()))).await;
        Ok(done.is_some_and(|done| done.is_ok_and(|answer| answer.batch_item_failures.is_empty())))
    }

    async fn ffmpeg(&self) -> Result<Ffmpeg> {
        remembering_ffmpeg().await
    }

    /// The upload has a video of a content with all that encoding brings and nothing that it needed on the way.
    async fn check_encoded(&self, id: UploadId) -> Result<BTreeMap<String, String>> {
        let library = self.library(&self.root);
        let upload = library.uploads.get(id).await?.context("an upload is lost")?;
        ensure!(upload.state == UploadState::Ready, "{:?}: {:?}", upload.state, upload.reason);
        ensure!(library.videos.get(id.as_video()).await?.is_some(), "the video is missing");
        let content = library.contents.get(id.as_content()).await?.context("the content is missing")?;
        ensure!(
            (content.state, content.encoding) == (ContentState::Ready, Some(Encoding::Done)),
            "{content:?}"
        );
        // Content, digest and holder; upload; video. No task.
        ensure!(self.counts().await? == [3, 1, 1], "records: {:?}", self.counts().await?);

        let prefix = id.as_content().output_prefix();
        let found = self.s3.list_objects_v2().bucket(&self.media_bucket).send().await?;
        let mut outputs = BTreeMap::new();
        for object in found.contents() {
            let key = object.key().context("a key")?;
            if key == id.as_content().poster_key() {
                continue;
            }
            let name = key.strip_prefix(&prefix).with_context(|| format!("{key} is left"))?;
            outputs.insert(name.to_owned(), object.e_tag().context("an ETag")?.to_owned());
        }
        for name in ["master.m3u8", "manifest.mpd", "video.mp4", "video-360p.mp4", "audio.mp4"] {
            ensure!(outputs.contains_key(name), "{name} is missing: {outputs:?}");
        }
        Ok(outputs)
    }
}

/// A film that plays as it is and is large enough for a rendition.
const PLAYABLE: &str = "-f lavfi -i testsrc2=size=640x480:rate=2:duration=4 -f lavfi -i sine=duration=4 -c:v libx264 \
                        -preset ultrafast -g 8 -pix_fmt yuv420p -c:a aac";
