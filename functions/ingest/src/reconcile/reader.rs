//! Reads cases: all of them in the order of their ids, or one of them anew.
//!
//! Records of DynamoDB come in no order, so all of them are read first and held; stripped of their texts they take about a
//! kilobyte for an upload with its content, its share and its video. Objects, of which there are many for each content, are
//! listed by S3 in the order of their keys. So four listings of a page each are merged with the records, and no object is held.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_s3::Client as S3;
use futures_util::future::try_join_all;
use library::{
    Content, ContentDigest, ContentId, ContentsRecord, Holder, Library, TaskName, UploadId, UploadRecord,
    Usage, UserId, Video, VideoId,
};

use crate::outputs::Buckets;
use crate::reconcile::case::{Bucket, Case, Lister, Objects, Unfinished};
use crate::reconcile::finder::Finding;
use crate::reconcile::listing::{self, Listing};
use crate::reconcile::usage;

const ORIGINALS: &str = "media/";
const OUTPUTS: &str = "media/";
const POSTERS: &str = "posters/";
const PIECES: &str = "pieces/";
/// Where the reports are.
pub(super) const REPORTS: &str = "reports/";
/// How often a case is read until it stands still.
const ATTEMPTS: u32 = 4;

/// All records.
#[derive(Debug, Default)]
pub(super) struct Records {
    uploads: BTreeMap<UploadId, UploadRecord>,
    videos: BTreeMap<VideoId, Video>,
    contents: BTreeMap<ContentId, Content>,
    holders: BTreeMap<ContentId, Vec<Holder>>,
    tasks: BTreeMap<ContentId, BTreeSet<TaskName>>,
    pointers: HashMap<ContentDigest, ContentId>,
    pointed: BTreeMap<ContentId, Vec<ContentDigest>>,
    listers: BTreeMap<ContentId, BTreeSet<UploadId>>,
    unfinished: BTreeMap<UploadId, Vec<Unfinished>>,
    usage: BTreeMap<UserId, Usage>,
    /// What is no record, or no object of ours.
    pub(super) strangers: Vec<Finding>,
    /// How many there are.
    pub(super) count: u64,
}

impl Records {
    /// Reads them.
    pub(super) async fn read(library: &Library, buckets: &Buckets) -> anyhow::Result<Self> {
        let mut records = Self::default();
        library.contents.each_record(|record| records.note(record)).await?;
        library
            .uploads
            .each_record(|record| {
                records.count += 1;
                match record {
                    Ok(record) => records.note_upload(record),
                    Err(key) => {
                        records.strangers.push(Finding::RecordUnreadable { table: "uploads", key });
                    }
                }
            })
            .await?;
        library
            .videos
            .each_record(|video| {
                records.count += 1;
                match video {
                    Ok(video) => records.note_video(video),
                    Err(key) => records.strangers.push(Finding::RecordUnreadable { table: "videos", key }),
                }
            })
            .await?;
        let Buckets { s3, uploads, media } = buckets;
        for (bucket, name, known) in [
            (Bucket::Uploads, uploads, &[ORIGINALS][..]),
            (Bucket::Media, media, &[OUTPUTS, POSTERS, PIECES, REPORTS]),
        ] {
            for key in listing::strangers(s3, name, known).await? {
                records.strangers.push(Finding::ObjectUnknown { bucket, key });
            }
            for unfinished in listing::unfinished(s3, bucket, name, "").await? {
                if let Some(id) = id_of(&unfinished.key) {
                    records.unfinished.entry(id).or_default().push(unfinished);
                }
            }
        }
        Ok(records)
    }

    fn note(&mut self, record: ContentsRecord) {
        self.count += 1;
        match record {
            ContentsRecord::Content(mut content) => {
                content.reason = None;
                self.contents.insert(content.content_id, *content);
            }
            ContentsRecord::Holder(id, mut holder) => {
                (holder.title, holder.description) = (String::new(), None);
                self.listers.entry(id).or_default().insert(holder.video_id.as_upload());
                self.holders.entry(id).or_default().push(holder);
            }
            ContentsRecord::Pointer(digest, id) => {
                self.pointed.entry(id).or_default().push(digest.clone());
                self.pointers.insert(digest, id);
            }
            ContentsRecord::Task(id, task) => {
                self.tasks.entry(id).or_default().insert(task);
            }
            ContentsRecord::Usage(owner, usage) => {
                self.usage.insert(owner, usage);
            }
            ContentsRecord::Unknown(pk, sk) => {
                let key = format!("{pk} {sk}");
                self.strangers.push(Finding::RecordUnreadable { table: "contents", key });
            }
        }
    }

    fn note_upload(&mut self, mut record: UploadRecord) {
        let upload = &mut record.upload;
        (upload.name, upload.file_name, upload.content_type) = Default::default();
        (upload.description, upload.reason, upload.digest, upload.request_fingerprint) = Default::default();
        if let Some(content_id) = upload.content_id {
            self.listers.entry(content_id).or_default().insert(upload.id);
        }
        self.uploads.insert(upload.id, record);
    }

    fn note_video(&mut self, mut video: Video) {
        (video.title, video.description) = (String::new(), None);
        self.listers.entry(video.content_id).or_default().insert(video.id.as_upload());
        self.videos.insert(video.id, video);
    }

    /// All ids that a record names, in their order.
    fn ids(&self) -> BTreeSet<UploadId> {
        let contents = self.contents.keys().chain(self.holders.keys()).chain(self.tasks.keys());
        let contents = contents.chain(self.pointed.keys()).chain(self.listers.keys());
        let contents = contents.map(|id| id.as_upload());
        contents.chain(self.uploads.keys().copied()).chain(self.unfinished.keys().copied()).collect()
    }

    /// Owners whose count is not what these records come to, with the ids of what is theirs.
    pub(super) fn miscounted(&self) -> BTreeMap<UserId, BTreeSet<UploadId>> {
        usage::suspects(&self.usage, self.uploads.values().map(|record| &record.upload), self.videos.values())
    }

    /// What the records say about an id.
    fn case(&self, id: UploadId) -> Case {
        let content_id = id.as_content();
        let upload = self.uploads.get(&id).cloned();
        let joined = upload.as_ref().and_then(|record| record.upload.content_id);
        let content = self.contents.get(&content_id).cloned();
        let listers = self.listers.get(&content_id).into_iter().flatten().map(|id| Lister {
            id: *id,
            upload: self.uploads.get(id).map(|record| record.upload.clone()),
            video: self.videos.get(&id.as_video()).cloned(),
        });
        let digest = content.as_ref().and_then(|content| content.digest.as_ref());
        let points_to = digest.and_then(|digest| self.pointers.get(digest));
        Case {
            joined_exists: joined
                .is_some_and(|joined| joined != content_id && self.contents.contains_key(&joined)),
            listers: listers.collect(),
            holders: self.holders.get(&content_id).cloned().unwrap_or_default(),
            tasks: self.tasks.get(&content_id).cloned().unwrap_or_default(),
            pointers: self.pointed.get(&content_id).cloned().unwrap_or_default(),
            digest_points_to: points_to.copied().filter(|other| *other != content_id),
            objects: Objects {
                unfinished: self.unfinished.get(&id).cloned().unwrap_or_default(),
                ..Objects::default()
            },
            upload,
            content,
            ..Case::new(id)
        }
    }
}

/// The id that the key of an object begins with.
fn id_of(key: &str) -> Option<UploadId> {
    [ORIGINALS, POSTERS, PIECES].into_iter().find_map(|prefix| Some(listing::split(key, prefix)?.0))
}

/// Goes through all cases.
#[derive(Debug)]
pub(super) struct Cases {
    pub(super) records: Records,
    ids: std::iter::Peekable<std::collections::btree_set::IntoIter<UploadId>>,
    listings: Listings,
}

impl Cases {
    /// Those from `from` on.
    pub(super) async fn read(
        library: &Library,
        buckets: &Buckets,
        from: Option<UploadId>,
    ) -> anyhow::Result<Self> {
        let records = Records::read(library, buckets).await?;
        let mut ids = records.ids();
        if let Some(from) = from {
            ids = ids.split_off(&from);
        }
        let listings =
            Listings::new(buckets, |prefix, bucket| Listing::all(&buckets.s3, bucket, prefix, from));
        Ok(Self { ids: ids.into_iter().peekable(), records, listings })
    }

    /// The next case, none after the last.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Case>> {
        let mut smallest = self.ids.peek().copied();
        for listing in self.listings.each() {
            let next = listing.next_id().await?;
            smallest = smallest.into_iter().chain(next).min();
        }
        let Some(id) = smallest else { return Ok(None) };
        self.ids.next_if_eq(&id);
        let mut case = self.records.case(id);
        self.listings.take(id, &mut case.objects).await?;
        Ok(Some(case))
    }

    /// Objects whose keys name no id, as far as they were met since the last time.
    pub(super) fn strangers(&mut self) -> Vec<Finding> {
        self.listings.strangers()
    }

    /// How many objects were met.
    pub(super) fn objects(&self) -> u64 {
        let Listings { originals, outputs, posters, pieces, .. } = &self.listings;
        originals.met + outputs.met + posters.met + pieces.met
    }
}

/// The four kinds of objects.
#[derive(Debug)]
struct Listings {
    originals: Listing,
    outputs: Listing,
    posters: Listing,
    pieces: Listing,
    strangers: Vec<Finding>,
}

impl Listings {
    fn new(buckets: &Buckets, listing: impl Fn(&str, &str) -> Listing) -> Self {
        Self {
            originals: listing(ORIGINALS, &buckets.uploads),
            outputs: listing(OUTPUTS, &buckets.media),
            posters: listing(POSTERS, &buckets.media),
            pieces: listing(PIECES, &buckets.media),
            strangers: Vec::new(),
        }
    }

    fn each(&mut self) -> [&mut Listing; 4] {
        [&mut self.originals, &mut self.outputs, &mut self.posters, &mut self.pieces]
    }

    /// Takes what is next and has this id.
    async fn take(&mut self, id: UploadId, objects: &mut Objects) -> anyhow::Result<()> {
        let unknown = |bucket, before: &str, rest: &str| Finding::ObjectUnknown {
            bucket,
            key: format!("{before}{id}{rest}"),
        };
        while let Some(entry) = self.originals.next_of(id).await? {
            match entry.rest.as_str() {
                "/original" => objects.original_ms = Some(entry.modified_ms),
                rest => self.strangers.push(unknown(Bucket::Uploads, ORIGINALS, rest)),
            }
        }
        while let Some(entry) = self.outputs.next_of(id).await? {
            match entry.rest.strip_prefix('/') {
                Some(name) => objects.outputs.note(name, entry.modified_ms),
                None => self.strangers.push(unknown(Bucket::Media, OUTPUTS, &entry.rest)),
            }
        }
        while let Some(entry) = self.posters.next_of(id).await? {
            match entry.rest.as_str() {
                ".jpg" => objects.poster_ms = Some(entry.modified_ms),
                rest => self.strangers.push(unknown(Bucket::Media, POSTERS, rest)),
            }
        }
        while let Some(entry) = self.pieces.next_of(id).await? {
            objects.pieces_ms = objects.pieces_ms.max(Some(entry.modified_ms));
        }
        Ok(())
    }

    fn strangers(&mut self) -> Vec<Finding> {
        let mut found = std::mem::take(&mut self.strangers);
        for (bucket, listing) in [
            (Bucket::Uploads, &mut self.originals),
            (Bucket::Media, &mut self.outputs),
            (Bucket::Media, &mut self.posters),
            (Bucket::Media, &mut self.pieces),
        ] {
            let keys = std::mem::take(&mut listing.strangers).into_iter();
            found.extend(keys.map(|key| Finding::ObjectUnknown { bucket, key }));
        }
        found
    }
}

/// Reads a case anew, consistently and until nothing of it changes while it is read.
pub(super) async fn read_again(library: &Library, buckets: &Buckets, case: &Case) -> anyhow::Result<Case> {
    let mut read = read_once(library, buckets, case).await?;
    for _ in 1..ATTEMPTS {
        let again = read_once(library, buckets, case).await?;
        if again == read {
            break;
        }
        read = again;
    }
    Ok(read)
}

async fn read_once(library: &Library, buckets: &Buckets, known: &Case) -> anyhow::Result<Case> {
    let id = known.id;
    let content_id = id.as_content();
    let mut case = Case { upload: library.uploads.record(id).await?, ..Case::new(id) };
    for record in library.contents.records_of(content_id).await? {
        match record {
            ContentsRecord::Content(content) => case.content = Some(*content),
            ContentsRecord::Holder(_, holder) => case.holders.push(holder),
            ContentsRecord::Task(_, task) => {
                case.tasks.insert(task);
            }
            ContentsRecord::Pointer(..) | ContentsRecord::Usage(..) | ContentsRecord::Unknown(..) => {}
        }
    }
    let joined = case.upload.as_ref().and_then(|record| record.upload.content_id);
    if let Some(joined) = joined.filter(|joined| *joined != content_id) {
        case.joined_exists = library.contents.get(joined).await?.is_some();
    }
    // Who came or went since then has changed the shares.
    let mut listers: BTreeSet<_> = known.listers.iter().map(|lister| lister.id).collect();
    listers.extend(case.holders.iter().map(|holder| holder.video_id.as_upload()));
    for id in listers {
        let upload = library.uploads.get(id).await?;
        case.listers.push(Lister { id, upload, video: library.videos.get(id.as_video()).await? });
    }
    let mut digests = known.pointers.clone();
    let own = case.content.as_ref().and_then(|content| content.digest.clone());
    digests.extend(own.clone().filter(|own| !known.pointers.contains(own)));
    for digest in digests {
        match library.contents.content_with(&digest).await? {
            Some(found) if found == content_id => case.pointers.push(digest),
            Some(other) if own.as_ref() == Some(&digest) => case.digest_points_to = Some(other),
            _ => {}
        }
    }
    let mut listings = Listings::new(buckets, |prefix, bucket| Listing::of(&buckets.s3, bucket, prefix, id));
    listings.take(id, &mut case.objects).await?;
    let prefix = format!("{OUTPUTS}{id}/");
    case.objects.unfinished = unfinished_below(&buckets.s3, buckets, &prefix).await?;
    Ok(case)
}

async fn unfinished_below(s3: &S3, buckets: &Buckets, prefix: &str) -> anyhow::Result<Vec<Unfinished>> {
    let both = [(Bucket::Uploads, &buckets.uploads), (Bucket::Media, &buckets.media)];
    let found = both.map(|(bucket, name)| listing::unfinished(s3, bucket, name, prefix));
    Ok(try_join_all(found).await?.concat())
}
