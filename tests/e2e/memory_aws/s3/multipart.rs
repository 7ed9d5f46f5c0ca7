//! Multipart uploads.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_smithy_types::date_time::Format;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{
    Algorithm, Bucket, Checksum, Labels, NO_SUCH_UPLOAD, Object, Outcome, Refusal, document, etag, sha256,
    time,
};
use crate::memory_aws::xml::{self, element};
use crate::memory_aws::{Answer, Request};

/// Parts on their way to an object.
pub struct Upload {
    key: String,
    labels: Labels,
    /// What each part has to come with.
    algorithm: Option<Algorithm>,
    parts: BTreeMap<u32, Part>,
    begun: SystemTime,
}

struct Part {
    body: Bytes,
    etag: String,
    checksum: Option<Checksum>,
}

impl Bucket {
    pub fn begin(&mut self, key: &str, request: &Request, number: u64) -> Outcome {
        let algorithm = match request.header("x-amz-checksum-algorithm") {
            Some("SHA256") => Some(Algorithm::Sha256),
            Some("CRC32") => Some(Algorithm::Crc32),
            None => None,
            Some(_) => return Err(super::NOT_IMPLEMENTED),
        };
        let upload = Upload {
            key: key.to_owned(),
            labels: Labels::of(request),
            algorithm,
            parts: BTreeMap::new(),
            begun: SystemTime::now(),
        };
        let id = format!("upload-{number}");
        self.uploads.insert(id.clone(), upload);
        Ok(document("InitiateMultipartUploadResult", &(element("Key", key) + &element("UploadId", id))))
    }

    fn upload(&mut self, key: &str, request: &Request) -> Result<&mut Upload, Refusal> {
        let id = request.query.get("uploadId").ok_or(NO_SUCH_UPLOAD)?;
        self.uploads.get_mut(id).filter(|upload| upload.key == key).ok_or(NO_SUCH_UPLOAD)
    }

    pub fn put_part(&mut self, key: &str, request: &Request) -> Outcome {
        if request.header("x-amz-copy-source").is_some() {
            return Err(super::NOT_IMPLEMENTED);
        }
        let upload = self.upload(key, request)?;
        let number = request.query.get("partNumber").and_then(|number| number.parse().ok());
        let number = number.filter(|number| (1..=10_000).contains(number)).ok_or((400, "InvalidArgument"))?;
        let checksum = Checksum::sent(request)?;
        if checksum
            .as_ref()
            .is_some_and(|checksum| upload.algorithm.is_some_and(|asked| asked != checksum.algorithm))
            || (checksum.is_none() && upload.algorithm == Some(Algorithm::Sha256))
        {
            return Err((400, "InvalidRequest"));
        }
        let part = Part { body: request.body.clone(), etag: etag(&request.body), checksum };
        let mut answer = Answer::new(200, "").with("etag", format!("\"{}\"", part.etag));
        if let Some(checksum) = &part.checksum {
            answer = answer.with(checksum.algorithm.header(), &*checksum.value);
        }
        upload.parts.insert(number, part);
        Ok(answer)
    }

    pub fn list_parts(&mut self, key: &str, request: &Request) -> Outcome {
        let mut parts = element("IsTruncated", false);
        for (number, part) in &self.upload(key, request)?.parts {
            let checksum = part.checksum.as_ref();
            parts += &format!(
                "<Part>{}{}{}{}</Part>",
                element("PartNumber", number),
                element("ETag", format!("\"{}\"", part.etag)),
                element("Size", part.body.len()),
                checksum.map_or(String::new(), |it| element(it.algorithm.element(), &it.value)),
            );
        }
        Ok(document("ListPartsResult", &parts))
    }

    pub fn list_uploads(&self, request: &Request) -> Answer {
        let prefix = request.query.get("prefix").map_or("", String::as_str);
        let mut uploads = element("IsTruncated", false);
        for (id, upload) in self.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix)) {
            uploads += &format!(
                "<Upload>{}{}{}</Upload>",
                element("Key", &upload.key),
                element("UploadId", id),
                element("Initiated", time(upload.begun, Format::DateTime)),
            );
        }
        document("ListMultipartUploadsResult", &uploads)
    }

    pub fn abort(&mut self, key: &str, request: &Request) -> Outcome {
        self.upload(key, request)?;
        self.uploads.remove(&request.query["uploadId"]);
        Ok(Answer::new(204, ""))
    }

    pub fn complete(&mut self, key: &str, request: &Request) -> Outcome {
        let upload = self.upload(key, request)?;
        let body = std::str::from_utf8(&request.body).map_err(|_| (400, "MalformedXML"))?;
        let (mut bytes, mut etags, mut digests) = (Vec::new(), Vec::new(), Vec::new());
        let mut last = 0;
        for listed in xml::all("Part", body) {
            let number = xml::first("PartNumber", listed).and_then(|number| number.parse().ok());
            let number: u32 = number.ok_or((400, "MalformedXML"))?;
            if number <= last {
                return Err((400, "InvalidPartOrder"));
            }
            last = number;
            let part = upload.parts.get(&number).ok_or((400, "InvalidPart"))?;
            let told = xml::first("ETag", listed).unwrap_or_default();
            if told.trim_matches('"') != part.etag {
                return Err((400, "InvalidPart"));
            }
            if let Some(checksum) = &part.checksum {
                let told = xml::first(checksum.algorithm.element(), listed);
                match told {
                    Some(told) if told != checksum.value => return Err((400, "InvalidPart")),
                    None if upload.algorithm == Some(Algorithm::Sha256) => {
                        return Err((400, "InvalidRequest"));
                    }
                    _ => {}
                }
            }
            bytes.extend_from_slice(&part.body);
            etags.extend_from_slice(part.etag.as_bytes());
            digests.extend_from_slice(sha256(&part.body).as_ref());
        }
        if last == 0 {
            return Err((400, "MalformedXML"));
        }
        let count = xml::all("Part", body).len();
        let checksum = (upload.algorithm == Some(Algorithm::Sha256)).then(|| Checksum {
            algorithm: Algorithm::Sha256,
            value: format!("{}-{count}", STANDARD.encode(sha256(&digests))),
        });
        let object = Object {
            body: bytes.into(),
            etag: format!("\"{}-{count}\"", etag(&etags)),
            labels: upload.labels.clone(),
            checksum,
            modified: SystemTime::now(),
        };
        let answer = document(
            "CompleteMultipartUploadResult",
            &(element("Key", key) + &element("ETag", &object.etag)),
        );
        self.objects.insert(key.to_owned(), object);
        self.uploads.remove(&request.query["uploadId"]);
        Ok(answer)
    }
}
