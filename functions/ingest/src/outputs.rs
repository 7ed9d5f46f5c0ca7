//! The outputs of a content: what players are given, written or promised.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use encode::Ladder;
use futures_util::future::{try_join, try_join_all};
use library::{Content, ContentDigest, ContentId, Media, PartPlan, Streaming};
use media::{Collector, MediaError, Movie, Options, Plan, Store as _, Treatment};

use crate::claim_object::DIFFERENT_DIGEST;
use crate::clients;
use crate::frame_decoder::Ffmpeg;
use crate::object_source::ObjectSource;
use crate::object_store::ObjectStore;

/// How much of a file that isn't packaged is read at once for its digest.
const DIGEST_WINDOW_BYTES: u64 = 8 << 20;

/// The reads that tables take which are in one place, wherever in the file that is, and one to spare. Files that have to be
/// gone through take more, unless they are small.
const FEW_READS: usize = 4;

/// Where originals are, and where outputs go.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    pub(crate) s3: S3,
    pub(crate) uploads: String,
    pub(crate) media: String,
}

impl Buckets {
    /// The buckets of these names.
    pub(crate) fn new(sdk: &SdkConfig, uploads: String, media: String) -> Self {
        Self { s3: clients::s3(sdk), uploads, media }
    }
}

/// An original whose tables were read.
#[derive(Debug)]
pub(crate) struct Original {
    pub(crate) source: ObjectSource,
    movie: Movie,
    part_size_bytes: u64,
    /// Reading the tables took so few requests that they can be read again for a player who waits.
    is_opened_quickly: bool,
}

impl Original {
    /// Reads the tables of a content's original.
    ///
    /// # Errors
    /// A film that is no film, or trouble with S3.
    pub(crate) async fn open(buckets: &Buckets, content: &Content) -> Result<Self, MediaError> {
        let source = ObjectSource::original(&buckets.s3, &buckets.uploads, content);
        let part_size_bytes = PartPlan::for_size(content.size_bytes).map_err(bad)?.part_size_bytes();
        let movie = media::open(&source).await?;
        let is_opened_quickly = source.reads() <= FEW_READS;
        Ok(Self { source, movie, part_size_bytes, is_opened_quickly })
    }

    /// Whether the encoder has something to do for a film that plays without: the ladder, if the policy is to make it at
    /// once, or H.264 beside a codec that few browsers play.
    ///
    /// # Errors
    /// A film that can't be planned.
    pub(crate) fn wants_encoding(&self, ladder: Ladder) -> Result<bool, MediaError> {
        Ok(encode::plan(&self.movie, ladder == Ladder::Always)?.is_some())
    }

    /// The plan of outputs that may be promised before they are written: every byte of them follows from tables that are
    /// quickly read, and nothing about the content is left to find out. `None` where it has to be written first.
    pub(crate) fn promise(&self, content: &Content) -> Option<Plan> {
        if self.movie.encoding().is_some() {
            return None;
        }
        match self.movie.treatment() {
            Treatment::Package(plan) if self.is_opened_quickly && content.digest.is_some() => Some(plan),
            _ => None,
        }
    }
}

/// What packaging a film brought.
pub(crate) struct Outcome {
    pub(crate) digest: ContentDigest,
    pub(crate) media: Media,
    /// It does not play before what browsers don't play of it is encoded, and the manifests come with that.
    pub(crate) awaits_encoding: bool,
}

/// Puts all that players need to begin: the manifests, and the poster. The outputs that the manifests promise are then to be
/// written by [`write_promised`].
///
/// # Errors
/// A film that isn't the announced one, or trouble with S3.
pub(crate) async fn promise_outputs(
    buckets: &Buckets,
    content: &Content,
    original: &Original,
    plan: &Plan,
    store: &ObjectStore,
) -> Result<Outcome, MediaError> {
    let digest = verified_digest(content, None)?;
    let poster = async {
        let poster = plan.poster(&original.source, &Ffmpeg).await?;
        let has_poster = poster.is_some();
        if let Some(poster) = poster {
            put_poster(buckets, content.content_id, poster).await?;
        }
        Ok::<_, MediaError>(has_poster)
    };
    let (has_poster, ()) = try_join(poster, put_manifests(plan, store)).await?;
    // Where one frame could be decoded, the others can.
    let pictures = Pictures { poster: has_poster, thumbnails: has_poster };
    let media = describe(&original.movie, Streaming::Adaptive, pictures);
    Ok(Outcome { digest, media, awaits_encoding: false })
}

/// Writes the outputs that were promised, in one pass over the original.
///
/// # Errors
/// Trouble with S3.
pub(crate) async fn write_promised(
    original: &Original,
    plan: &Plan,
    store: &ObjectStore,
) -> Result<(), MediaError> {
    let passing = plan.collect(&original.source);
    media::package(&passing, plan, store, &Options::default()).await?;
    put_collected(&passing, store).await.map(drop)
}

/// Writes the subtitles and thumbnails of a film that others have copied, by small reads of its original.
///
/// # Errors
/// Trouble with S3.
pub(crate) async fn write_beside(
    original: &Original,
    plan: &Plan,
    store: &ObjectStore,
) -> Result<(), MediaError> {
    put_collected(&plan.collect(&original.source), store).await.map(drop)
}

/// Makes a content's outputs, in one pass over its original.
///
/// # Errors
/// A film that can't be watched, or trouble with S3.
pub(crate) async fn make_outputs(
    buckets: &Buckets,
    content: &Content,
    original: &Original,
    store: &ObjectStore,
) -> Result<Outcome, MediaError> {
    let Original { source, movie, part_size_bytes, .. } = original;
    let digest_part_size = content.digest.is_none().then_some(*part_size_bytes);
    let options = Options { digest_part_size, ..Options::default() };
    if let Some(encoding) = movie.encoding() {
        tracing::info!(content_id = %content.content_id, reason = encoding.reason, "to be encoded");
        let plan = &encoding.plan;
        let poster = plan.poster(source, &Ffmpeg).await?;
        let passing = plan.collect(source);
        let packaged = media::package(&passing, plan, store, &options).await?;
        let thumbnails = put_collected(&passing, store).await?;
        let digest = verified_digest(content, packaged.digest)?;
        let pictures = Pictures { poster: poster.is_some(), thumbnails };
        if let Some(poster) = poster {
            put_poster(buckets, content.content_id, poster).await?;
        }
        let media = describe(movie, Streaming::Adaptive, pictures);
        return Ok(Outcome { digest, media, awaits_encoding: true });
    }
    let (streaming, computed, poster, has_thumbnails) = match movie.treatment() {
        Treatment::Refuse { reason } => return Err(MediaError::Bad { reason }),
        Treatment::Progressive { reason } => {
            tracing::info!(content_id = %content.content_id, reason, "kept as it is");
            let computed = match &content.digest {
                Some(_) => None,
                None => Some(media::content_digest(source, *part_size_bytes, DIGEST_WINDOW_BYTES).await?),
            };
            (Streaming::Progressive, computed, None, false)
        }
        Treatment::Package(plan) => {
            let poster = plan.poster(source, &Ffmpeg).await?;
            put_manifests(&plan, store).await?;
            let passing = plan.collect(source);
            let packaged = media::package(&passing, &plan, store, &options).await?;
            let has_thumbnails = put_collected(&passing, store).await?;
            (Streaming::Adaptive, packaged.digest, poster, has_thumbnails)
        }
    };
    let digest = verified_digest(content, computed)?;
    let pictures = Pictures { poster: poster.is_some(), thumbnails: has_thumbnails };
    if let Some(poster) = poster {
        put_poster(buckets, content.content_id, poster).await?;
    }
    Ok(Outcome { digest, media: describe(movie, streaming, pictures), awaits_encoding: false })
}

/// The content's digest, by S3 or as computed, which has to be the announced one.
fn verified_digest(content: &Content, computed: Option<String>) -> Result<ContentDigest, MediaError> {
    let digest = match (&content.digest, computed) {
        (Some(verified), _) => verified.clone(),
        (None, computed) => computed.unwrap_or_default().parse().map_err(std::io::Error::other)?,
    };
    if content.announced_digest.as_ref().is_some_and(|announced| *announced != digest) {
        return Err(bad(DIFFERENT_DIGEST));
    }
    Ok(digest)
}

/// They are final before a byte of media is read.
async fn put_manifests(plan: &Plan, store: &ObjectStore) -> Result<(), MediaError> {
    let manifests = plan.manifests().into_iter();
    let puts =
        manifests.map(async |manifest| store.put(&manifest.name, manifest.content_type, manifest.body).await);
    try_join_all(puts).await?;
    Ok(())
}

async fn put_poster(buckets: &Buckets, content_id: ContentId, poster: Bytes) -> std::io::Result<()> {
    // Its key has a prefix of its own, because lists show posters to who has no right to the film.
    let posters = ObjectStore::new(buckets.s3.clone(), buckets.media.clone(), String::new());
    posters.put(&content_id.poster_key(), "image/jpeg", poster).await
}

/// Puts the subtitles and the thumbnails, which the film was read through for. Whether there are thumbnails.
async fn put_collected(
    passed: &Collector<'_, ObjectSource>,
    store: &ObjectStore,
) -> Result<bool, MediaError> {
    let thumbnails = passed.thumbnails(&Ffmpeg).await?;
    let has_thumbnails = !thumbnails.is_empty();
    let files = passed.subtitles().await?.into_iter().chain(thumbnails);
    try_join_all(files.map(async |file| store.put(&file.name, file.content_type, file.body).await)).await?;
    Ok(has_thumbnails)
}

/// The pictures that a content has.
#[derive(Clone, Copy)]
struct Pictures {
    poster: bool,
    thumbnails: bool,
}

fn describe(movie: &Movie, streaming: Streaming, pictures: Pictures) -> Media {
    let probe = movie.probe();
    let video = probe.video();
    let size = video.and_then(|video| Some((video.width?, video.height?)));
    let is_turned = video.and_then(|video| video.rotation).is_some_and(|degrees| degrees % 180 == 90);
    let size = size.map(|(width, height)| if is_turned { (height, width) } else { (width, height) });
    Media {
        streaming,
        duration_ms: probe.duration_ms,
        width: size.map(|(width, _)| width),
        height: size.map(|(_, height)| height),
        has_poster: pictures.poster,
        has_thumbnails: pictures.thumbnails,
    }
}

fn bad(reason: impl ToString) -> MediaError {
    MediaError::Bad { reason: reason.to_string() }
}

/// Deletes the outputs, what workers left for each other, and the poster of a content that nobody lists.
pub(crate) async fn delete_outputs(buckets: &Buckets, content_id: ContentId) -> anyhow::Result<()> {
    for prefix in [content_id.output_prefix(), content_id.pieces_prefix()] {
        delete_below(buckets, &prefix).await?;
    }
    let key = content_id.poster_key();
    let deletion = buckets.s3.delete_object().bucket(&buckets.media).key(&key);
    deletion.send().await.with_context(|| format!("deleting {key}"))?;
    Ok(())
}

/// Deletes all outputs whose keys begin with the prefix, a thousand at a time.
pub(crate) async fn delete_below(buckets: &Buckets, prefix: &str) -> anyhow::Result<()> {
    let (s3, bucket) = (&buckets.s3, &buckets.media);
    let mut pages = s3.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.with_context(|| format!("listing {prefix}"))?;
        let keys = page.contents().iter().filter_map(|object| object.key());
        let objects =
            keys.map(|key| ObjectIdentifier::builder().key(key).build()).collect::<Result<Vec<_>, _>>()?;
        if objects.is_empty() {
            continue;
        }
        let deletion = Delete::builder().set_objects(Some(objects)).quiet(true).build()?;
        let deleted = s3.delete_objects().bucket(bucket).delete(deletion).send().await;
        let failures =
            deleted.with_context(|| format!("deleting below {prefix}"))?.errors.unwrap_or_default();
        if let Some(failure) = failures.first() {
            anyhow::bail!("S3 did not delete {:?}: {:?}", failure.key(), failure.message());
        }
    }
    Ok(())
}
