//! The outputs of a content: what players are given.

use aws_sdk_s3::Client as S3;
use bytes::Bytes;
use futures_util::future::try_join_all;
use library::{Content, ContentDigest, ContentId, Media, PartPlan, Streaming};
use media::{MediaError, Movie, Options, Plan, Store as _, Treatment};

use crate::claim_object::DIFFERENT_DIGEST;
use crate::object_source::ObjectSource;
use crate::object_store::ObjectStore;

/// How much of a file that isn't packaged is read at once for its digest.
const DIGEST_WINDOW_BYTES: u64 = 8 << 20;

/// Where originals are, and where outputs go.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    pub(crate) s3: S3,
    pub(crate) uploads: String,
    pub(crate) media: String,
}

/// What the pass over a film brought.
pub(crate) struct Outcome {
    pub(crate) digest: ContentDigest,
    pub(crate) media: Media,
}

/// Makes a content's outputs, in one pass over its original.
///
/// # Errors
/// A film that is no film, or trouble with S3.
pub(crate) async fn make_outputs(
    buckets: &Buckets,
    content: &Content,
    store: &ObjectStore,
) -> Result<Outcome, MediaError> {
    let source = ObjectSource {
        s3: buckets.s3.clone(),
        bucket: buckets.uploads.clone(),
        key: content.original_key.clone(),
        etag: content.etag.clone(),
        size_bytes: content.size_bytes,
    };
    let part_size_bytes = PartPlan::for_size(content.size_bytes).map_err(bad)?.part_size_bytes();
    let movie = media::open(&source).await?;
    let (streaming, computed, poster) = match movie.treatment() {
        Treatment::Refuse { reason } => return Err(MediaError::Bad { reason }),
        Treatment::Progressive { reason } => {
            tracing::info!(content_id = %content.content_id, reason, "kept as it is");
            let computed = match &content.digest {
                Some(_) => None,
                None => Some(media::content_digest(&source, part_size_bytes, DIGEST_WINDOW_BYTES).await?),
            };
            (Streaming::Progressive, computed, None)
        }
        Treatment::Package(plan) => {
            let digest_part_size = content.digest.is_none().then_some(part_size_bytes);
            let poster = plan.poster(&source, &media::NoDecoder).await?;
            let packaged = write_outputs(&source, &plan, store, digest_part_size).await?;
            (Streaming::Adaptive, packaged.digest, poster)
        }
    };
    let digest = match (&content.digest, computed) {
        (Some(verified), _) => verified.clone(),
        (None, computed) => computed.unwrap_or_default().parse().map_err(std::io::Error::other)?,
    };
    if content.announced_digest.as_ref().is_some_and(|announced| *announced != digest) {
        return Err(bad(DIFFERENT_DIGEST));
    }
    let has_poster = poster.is_some();
    if let Some(poster) = poster {
        put_poster(buckets, content.content_id, poster).await?;
    }
    Ok(Outcome { digest, media: describe(&movie, streaming, has_poster) })
}

/// The manifests first, because they are final before a byte of media is read, and then the bytes.
async fn write_outputs(
    source: &ObjectSource,
    plan: &Plan,
    store: &ObjectStore,
    digest_part_size: Option<u64>,
) -> Result<media::Packaged, MediaError> {
    let manifests = plan.manifests().into_iter();
    try_join_all(
        manifests.map(async |manifest| store.put(&manifest.name, manifest.content_type, manifest.body).await),
    )
    .await?;
    let options = Options { digest_part_size, ..Options::default() };
    media::package(source, plan, store, &options).await
}

async fn put_poster(buckets: &Buckets, content_id: ContentId, poster: Bytes) -> std::io::Result<()> {
    // Its key has a prefix of its own, because lists show posters to who has no right to the film.
    let posters = ObjectStore::new(buckets.s3.clone(), buckets.media.clone(), String::new());
    posters.put(&content_id.poster_key(), "image/jpeg", poster).await
}

fn describe(movie: &Movie, streaming: Streaming, has_poster: bool) -> Media {
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
        has_poster,
    }
}

fn bad(reason: impl ToString) -> MediaError {
    MediaError::Bad { reason: reason.to_string() }
}
