//! Which upload a file was being sent in, on whatever machine: told by its size and the digests of the parts that have arrived.
//! `web/src/upload/recognise.ts` is the same for the pages.

use anyhow::Result;

use super::retry::persist;
use super::{PartFile, Progress};
use crate::client::{Client, Upload};

/// Pages of uploads that are looked through, newest first. Those that wait are among the newest: older ones expire.
const PAGES: usize = 10;

pub(super) enum Recognised {
    /// All parts that have arrived are this file's.
    Begun(Upload),
    /// It began with something like this file, and this is the first part that differs.
    Other {
        upload: Upload,
        part: u32,
    },
    Unknown,
}

/// Of several, the newest. One of which nothing has arrived is gone on with if its file is called the same.
pub(super) async fn recognise(
    client: &mut Client,
    file: &PartFile,
    file_name: &str,
    progress: &Progress,
) -> Result<Recognised> {
    let (mut nothing_arrived, mut other) = (None, None);
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let page = persist(progress, async || client.uploads(cursor.as_deref()).await).await?;
        for listed in page.items {
            let may_be = |upload: &Upload| upload.state == "waiting" && upload.checksum == "sha256";
            if !may_be(&listed) || listed.size_bytes != file.size_bytes() {
                continue;
            }
            let upload = persist(progress, async || client.upload(&listed.id).await).await?;
            if !may_be(&upload) {
                continue;
            }
            match compare(&upload, file).await? {
                Compared { differing: Some(part), equal } => {
                    if equal > 0 || upload.file_name == file_name {
                        other.get_or_insert(Recognised::Other { upload, part });
                    }
                }
                Compared { differing: None, equal: 1.. } => return Ok(Recognised::Begun(upload)),
                Compared { differing: None, equal: 0 } if upload.file_name == file_name => {
                    nothing_arrived.get_or_insert(Recognised::Begun(upload));
                }
                Compared { .. } => {}
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(nothing_arrived.or(other).unwrap_or(Recognised::Unknown))
}

struct Compared {
    /// Parts that are this file's, up to the first that isn't.
    equal: usize,
    differing: Option<u32>,
}

async fn compare(upload: &Upload, file: &PartFile) -> Result<Compared> {
    let mut equal = 0;
    for part in &upload.parts {
        // Without a digest there is nothing to recognise it by, and one of another size is sent again anyway.
        let Some(sha256) = &part.sha256 else { continue };
        if part.size_bytes != file.part_bytes(upload, part.number) {
            continue;
        }
        if file.sha256(upload, part.number).await? != *sha256 {
            return Ok(Compared { equal, differing: Some(part.number) });
        }
        equal += 1;
    }
    Ok(Compared { equal, differing: None })
}
