//! What is wrong with a case. Nothing here reads or writes.

mod finding;

use library::{Content, ContentId, ContentState, Encoding, Promise, Streaming, TaskName, UploadState};

pub use finding::{Finding, task_name};

use crate::reconcile::case::{Bucket, Case, Lister};

/// How old something has to be before it counts as forgotten, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// What waits for a worker: by far longer than any lease.
    pub stuck_ms: i64,
    /// Objects and multipart uploads that nothing names: longer than a function runs that may still be about to name them.
    pub litter_ms: i64,
}

impl Default for Ages {
    fn default() -> Self {
        Self { stuck_ms: 3_600_000, litter_ms: 24 * 3_600_000 }
    }
}

/// What else the finder goes by.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// The time, in milliseconds after 1970.
    pub now_ms: i64,
    /// From when on things count as forgotten.
    pub ages: Ages,
    /// No message is left that asks for packaging, dead letters included.
    pub packaging_is_idle: bool,
    /// No message is left that asks for encoding or its planning, dead letters included.
    pub encoding_is_idle: bool,
}

/// What is wrong with a case, in the order in which it is to be repaired: what others go by comes first.
#[must_use]
pub fn find(case: &Case, surroundings: &Surroundings) -> Vec<Finding> {
    let mut finder = Finder { case, surroundings, found: Vec::new() };
    finder.upload();
    match &case.content {
        Some(content) => finder.content(content),
        None => finder.no_content(),
    }
    finder.unfinished();
    finder.found
}

struct Finder<'a> {
    case: &'a Case,
    surroundings: &'a Surroundings,
    found: Vec<Finding>,
}

impl Finder<'_> {
    fn is_older(&self, ms: Option<i64>, age_ms: i64) -> bool {
        // What has no time was written before times were noted.
        ms.is_none_or(|ms| self.surroundings.now_ms - ms >= age_ms)
    }

    fn is_stuck(&self, since_ms: Option<i64>) -> bool {
        self.is_older(since_ms, self.surroundings.ages.stuck_ms)
    }

    fn is_litter(&self, since_ms: Option<i64>) -> bool {
        self.is_older(since_ms, self.surroundings.ages.litter_ms)
    }

    fn content_id(&self) -> ContentId {
        self.case.id.as_content()
    }

    /// The upload of this id, before it has a content, and the object that it may have left.
    fn upload(&mut self) {
        let Case { upload, content, objects, .. } = self.case;
        let upload_id = self.case.id;
        let state = upload.as_ref().map(|record| record.upload.state);
        if let (Some(record), Some(UploadState::Waiting | UploadState::Uploaded | UploadState::Checking)) =
            (upload, state)
        {
            let upload = &record.upload;
            let is_free = record.lease_until_ms.is_none_or(|until| self.is_stuck(Some(until)));
            let is_over = self.is_litter(Some(upload.expires_at.unix_ms()));
            let is_waiting = state == Some(UploadState::Waiting);
            match objects.original_ms {
                Some(modified) if is_free && self.is_stuck(Some(modified)) => {
                    self.found.push(Finding::UploadUnclaimed { upload_id });
                }
                None if is_waiting && is_over => self.found.push(Finding::UploadExpired { upload_id }),
                None if !is_waiting && is_free && self.is_stuck(Some(upload.created_at.unix_ms())) => {
                    self.found.push(Finding::UploadLost { upload_id });
                }
                _ => {}
            }
            return;
        }
        if let (Some(record), Some(UploadState::Processing | UploadState::Ready)) = (upload, state)
            && record.upload.content_id.is_none()
        {
            self.found.push(Finding::UploadWithoutContent { upload_id, content_id: None });
        }
        let is_needed = match upload {
            // A copy of what another content has, or of nothing.
            Some(record) => match record.upload.content_id {
                Some(joined) if joined != upload_id.as_content() => !self.case.joined_exists,
                _ => !matches!(state, Some(UploadState::Failed | UploadState::Duplicate)),
            },
            None => false,
        };
        let is_named = content.is_some() || !self.case.listers.is_empty();
        if let Some(modified) = objects.original_ms
            && !is_needed
            && !is_named
            && self.is_litter(Some(modified))
        {
            self.found.push(Finding::OriginalUnneeded { upload_id });
        }
    }

    fn content(&mut self, content: &Content) {
        self.shares(content);
        self.progress(content);
        self.pointers(content);
        self.tasks(content);
        self.objects(content);
    }

    /// Who lists the content, who has a share in it, and how many there are.
    fn shares(&mut self, content: &Content) {
        let content_id = content.content_id;
        let before = self.found.len();
        for lister in &self.case.listers {
            self.lister(content, lister);
        }
        for holder in &self.case.holders {
            let lister = self.case.listers.iter().find(|lister| lister.id.as_video() == holder.video_id);
            let is_used = lister.is_some_and(|lister| lists(lister, content_id));
            if !is_used {
                let owner_id = holder.owner_id.clone();
                self.found.push(Finding::ShareUnused { content_id, owner_id });
            }
        }
        let is_alive = matches!(content.state, ContentState::Processing | ContentState::Ready);
        if self.found.len() > before || !is_alive {
            return;
        }
        let counted = self.case.holders.len() as u64;
        if counted == 0 && self.case.listers.iter().all(|lister| !lists(lister, content_id)) {
            self.found.push(Finding::ContentUnlisted { content_id });
        } else if content.listings != counted {
            let listings = content.listings;
            self.found.push(Finding::ListingsDrifted { content_id, listings, counted });
        }
    }

    fn lister(&mut self, content: &Content, lister: &Lister) {
        let (upload_id, video_id, content_id) = (lister.id, lister.id.as_video(), content.content_id);
        if !lists(lister, content_id) {
            return;
        }
        let has_share = self.case.holders.iter().any(|holder| holder.video_id == video_id);
        if lister.video.is_some() {
            match content.state {
                ContentState::Ready if !has_share => {
                    self.found.push(Finding::ShareMissing { content_id, video_id });
                }
                ContentState::Ready => {}
                _ => self.found.push(Finding::VideoWithoutContent { video_id, content_id }),
            }
            if lister.upload.is_none() {
                self.found.push(Finding::VideoWithoutUpload { video_id });
            }
            return;
        }
        let state = lister.upload.as_ref().map(|upload| upload.state);
        let is_alive = matches!(content.state, ContentState::Processing | ContentState::Ready);
        match (state, has_share) {
            (Some(UploadState::Processing), false) if is_alive => {
                self.found.push(Finding::ShareMissing { content_id, video_id });
            }
            (Some(UploadState::Ready), true) if content.state == ContentState::Ready => {
                self.found.push(Finding::UploadWithoutVideo { upload_id, content_id });
            }
            (Some(_), false) => {
                let content_id = Some(content_id);
                self.found.push(Finding::UploadWithoutContent { upload_id, content_id });
            }
            _ => {}
        }
    }

    /// Work that nobody is doing any more.
    fn progress(&mut self, content: &Content) {
        let Surroundings { packaging_is_idle, encoding_is_idle, .. } = *self.surroundings;
        let content_id = content.content_id;
        let is_waiting = self.is_stuck(content.state_since_ms);
        let is_free = content.lease_until_ms.is_none_or(|until| self.is_stuck(Some(until)));
        let is_told = self.case.listers.iter().all(|lister| {
            let state = lister.upload.as_ref().filter(|upload| upload.content_id == Some(content_id));
            state.is_none_or(|upload| upload.state != UploadState::Processing)
        });
        let awaits_encoding = matches!(
            (content.state, content.encoding),
            (ContentState::Processing, Some(Encoding::Needed | Encoding::Started))
                | (ContentState::Ready, Some(Encoding::Wanted | Encoding::Started))
        );
        let awaits_packaging = match content.state {
            ContentState::Processing => !awaits_encoding,
            ContentState::Ready => content.promise == Some(Promise::Made) || !is_told,
            ContentState::Failed => content.retry_until.is_none(),
            ContentState::Removing => false,
        };
        let is_over = content.retry_until.is_some_and(|until| until.unix_ms() <= self.surroundings.now_ms);
        if content.state == ContentState::Failed && is_over {
            self.found.push(Finding::RetryOver { content_id });
        }
        if content.state == ContentState::Removing && is_waiting {
            self.found.push(Finding::RemovalStuck { content_id });
        }
        if awaits_packaging && packaging_is_idle && is_waiting && is_free {
            self.found.push(Finding::ContentStuck { content_id });
        }
        if awaits_encoding && encoding_is_idle && self.is_stuck(content.encoding_since_ms) {
            self.found.push(Finding::EncodingStuck { content_id });
        }
    }

    fn pointers(&mut self, content: &Content) {
        let content_id = content.content_id;
        let is_alive = matches!(content.state, ContentState::Processing | ContentState::Ready);
        for digest in &self.case.pointers {
            if !is_alive || content.digest.as_ref() != Some(digest) {
                let digest = digest.clone();
                self.found.push(Finding::PointerDangling { digest, content_id });
            }
        }
        let Some(digest) = content.digest.as_ref().filter(|_| is_alive) else { return };
        if self.case.pointers.contains(digest) {
            return;
        }
        match self.case.digest_points_to {
            Some(other) => self.found.push(Finding::StoredTwice { content_id, other }),
            None if self.found.contains(&Finding::ContentUnlisted { content_id }) => {}
            None => self.found.push(Finding::PointerMissing { content_id }),
        }
    }

    fn tasks(&mut self, content: &Content) {
        let content_id = content.content_id;
        if content.state == ContentState::Removing {
            return;
        }
        let is_free = content.lease_until_ms.is_none_or(|until| self.is_stuck(Some(until)));
        for task in &self.case.tasks {
            let (is_needed, since_ms) = match task {
                TaskName::Copy => (content.promise == Some(Promise::Made), content.state_since_ms),
                TaskName::Encode => {
                    let is_over = matches!(content.encoding, None | Some(Encoding::Done));
                    (!is_over && content.state != ContentState::Failed, content.encoding_since_ms)
                }
            };
            if !is_needed && is_free && self.is_stuck(since_ms) {
                self.found.push(Finding::TaskLeft { content_id, task: task_name(*task) });
            }
        }
        if let Some(newest) = self.case.objects.pieces_ms
            && self.case.tasks.is_empty()
            && self.is_litter(Some(newest))
        {
            self.found.push(Finding::PiecesUnneeded { content_id });
        }
    }

    fn objects(&mut self, content: &Content) {
        let (content_id, objects) = (content.content_id, &self.case.objects);
        if !matches!(content.state, ContentState::Processing | ContentState::Ready) {
            return;
        }
        if objects.original_ms.is_none() {
            self.found.push(Finding::OriginalMissing { content_id });
        }
        let Some(media) = content.media.as_ref().filter(|_| content.state == ContentState::Ready) else {
            return;
        };
        let is_written = content.promise != Some(Promise::Made);
        let is_adaptive = media.streaming == Streaming::Adaptive;
        for (name, is_there, is_expected) in [
            ("master.m3u8", objects.outputs.hls, is_adaptive),
            ("manifest.mpd", objects.outputs.dash, is_adaptive),
            ("media", objects.outputs.media, is_adaptive && is_written),
            ("thumbnails.vtt", objects.outputs.thumbnails, media.has_thumbnails && is_written),
            ("poster", objects.poster_ms.is_some(), media.has_poster),
        ] {
            if is_expected && !is_there {
                self.found.push(Finding::OutputMissing { content_id, name });
            }
        }
    }

    /// What names a content that is not there.
    fn no_content(&mut self) {
        let content_id = self.content_id();
        let Case { listers, holders, pointers, tasks, objects, .. } = self.case;
        let mut is_listed = false;
        for lister in listers.iter().filter(|lister| lists(lister, content_id)) {
            let has_share = holders.iter().any(|holder| holder.video_id == lister.id.as_video());
            if lister.video.is_some() {
                is_listed = true;
                let video_id = lister.id.as_video();
                self.found.push(Finding::VideoWithoutContent { video_id, content_id });
            } else if !has_share {
                let (upload_id, content_id) = (lister.id, Some(content_id));
                self.found.push(Finding::UploadWithoutContent { upload_id, content_id });
            }
        }
        for holder in holders {
            let lister = listers.iter().find(|lister| lister.id.as_video() == holder.video_id);
            // Once its content is gone, the share of an upload that is still processing is of no use either.
            if lister.is_none_or(|lister| lister.video.is_none()) {
                let owner_id = holder.owner_id.clone();
                self.found.push(Finding::ShareUnused { content_id, owner_id });
            }
        }
        for digest in pointers {
            let digest = digest.clone();
            self.found.push(Finding::PointerDangling { digest, content_id });
        }
        for task in tasks {
            self.found.push(Finding::TaskLeft { content_id, task: task_name(*task) });
        }
        let newest = objects.outputs.newest_ms.max(objects.poster_ms).max(objects.pieces_ms);
        // Whoever restores the record of a content that is still listed finds its outputs.
        if newest.is_some() && !is_listed && self.is_litter(newest) {
            self.found.push(Finding::OutputsUnneeded { content_id });
        }
    }

    fn unfinished(&mut self) {
        let Case { upload, content, tasks, objects, .. } = self.case;
        for unfinished in &objects.unfinished {
            let is_used = match unfinished.bucket {
                Bucket::Uploads => upload.as_ref().is_some_and(|record| {
                    record.upload.state == UploadState::Waiting
                        && record.upload.s3_upload_id == unfinished.s3_upload_id
                }),
                Bucket::Media => {
                    let until = content.as_ref().and_then(|content| content.lease_until_ms);
                    tasks.contains(&TaskName::Copy) || until.is_some_and(|until| !self.is_stuck(Some(until)))
                }
            };
            if !is_used && self.is_litter(Some(unfinished.begun_ms)) {
                self.found.push(Finding::MultipartUnneeded {
                    bucket: unfinished.bucket,
                    key: unfinished.key.clone(),
                    s3_upload_id: unfinished.s3_upload_id.clone(),
                });
            }
        }
    }
}

/// Whether it lists this content, or will.
fn lists(lister: &Lister, content_id: ContentId) -> bool {
    if let Some(video) = &lister.video {
        return video.content_id == content_id;
    }
    lister.upload.as_ref().is_some_and(|upload| {
        let is_waiting = matches!(upload.state, UploadState::Processing | UploadState::Ready);
        let is_kept = upload.state == UploadState::Failed && upload.retry_until.is_some();
        upload.content_id == Some(content_id) && (is_waiting || is_kept)
    })
}
