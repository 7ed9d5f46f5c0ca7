//! The records of Matinee and every transition between their states.
//!
//! Three tables belong to this crate: uploads, contents and videos. An *upload* is one person's act of
//! sending a file. A *content* is what was sent, stored once however many people send it. A *video* is one
//! person's listing of a content. What keeps them consistent spans all three, so one crate writes them, and
//! every write is one conditional expression or one transaction that says what it presumes.

mod challenge;
mod content;
mod contents;
mod cursor;
mod delete_video;
mod digest;
mod encoding;
mod expression;
mod finish;
mod ids;
mod join;
mod lease;
mod library;
mod part_plan;
mod quota;
mod records;
mod repairs;
mod retry;
mod start_processing;
mod tasks;
mod timestamp;
mod upload;
mod uploads;
mod video;
mod videos;
mod write;

pub use challenge::{CHALLENGES_PER_DAY, CHALLENGES_PER_UPLOAD, Challenge, Proved};
pub use content::{Content, ContentState, Holder, Media, Promise, Streaming};
pub use contents::Contents;
pub use cursor::{Cursor, InvalidCursor, Page};
pub use delete_video::DeleteVideoError;
pub use digest::{ContentDigest, InvalidDigest};
pub use encoding::Encoding;
pub use finish::Finished;
pub use ids::{ContentId, InvalidId, UploadId, UserId, VideoId};
pub use lease::{Claim, Lease, LeaseToken, Renewal, Settled};
pub use library::{Library, Tables};
pub use part_plan::{MAX_PARTS, MAX_SIZE_BYTES, PartPlan, SizeOutOfRange};
pub use quota::{Limits, Usage};
pub use records::{ContentsRecord, UploadRecord};
pub use repairs::{Lister, Repaired};
pub use retry::{RETRY_FOR, Work};
pub use start_processing::{Started, StoredObject};
pub use tasks::{Progress, Task, TaskName};
pub use timestamp::Timestamp;
pub use upload::{Checksum, Upload, UploadState};
pub use uploads::{Created, Removed, Uploads};
pub use video::{Video, VideoEdit};
pub use videos::{EditVideoError, Videos};
