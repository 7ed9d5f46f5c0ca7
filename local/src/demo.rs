//! The main job without a browser: upload a film, follow it, watch it. Over HTTP alone.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::{Client, NewUpload, Playback, Upload};
use crate::upload::{PartFile, Progress, send_parts};

/// How long an upload may stay in one state.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many segments of each playlist are fetched: the first ones and the last one.
const SEGMENTS_AT_THE_START: usize = 3;

/// Does the main job with `file` and prints how long each step took.
///
/// # Errors
/// When a step fails.
pub async fn run(site: &str, email: &str, password: &str, file: &Path) -> Result<()> {
    let mut table = Table::new();
    let mut client = Client::sign_in(site, email, password).await?;
    table.row("sign in", email);

    let upload = upload(&mut client, file, None, &mut table).await?;
    let last = client.follow(&upload, PATIENCE, |state| table.row("state", state)).await?;
    let video_id = match (last.video_id, last.duplicate_of) {
        (Some(video_id), _) | (None, Some(video_id)) => video_id,
        (None, None) => bail!("the upload is {}: {}", last.state, last.reason.unwrap_or_default()),
    };

    let playback = client.start_playback(&video_id).await?;
    table.row("playback cookies", &format!("video {video_id}"));
    for (kind, address) in &playback.addresses {
        match kind.as_str() {
            "hls_url" => watch_hls(&client, &playback, address, &mut table).await?,
            "dash_url" => {
                let manifest = client.media(&playback, address, None).await?;
                table.row("DASH manifest", &format!("{} bytes", manifest.len()));
            }
            "progressive_url" => {
                let bytes = client.media(&playback, address, Some((0, 1024 * 1024 - 1))).await?;
                table.row("first bytes", &format!("{} bytes", bytes.len()));
            }
            _ => {}
        }
    }
    table.end();
    Ok(())
}

/// Uploads a file whole.
///
/// # Errors
/// When the file cannot be read or a step is refused.
pub async fn upload(
    client: &mut Client,
    file: &Path,
    key: Option<&str>,
    table: &mut Table,
) -> Result<Upload> {
    let content = PartFile::open(file)?;
    let size_bytes = content.size_bytes();
    let name = file.file_stem().and_then(|name| name.to_str()).context("the file's name is not UTF-8")?;
    let file_name =
        file.file_name().and_then(|name| name.to_str()).context("the file's name is not UTF-8")?;
    let new = NewUpload { name, description: None, file_name, size_bytes };
    let upload = client.create_upload(&new, key).await?;
    table.row("announce", &format!("{size_bytes} bytes in {} parts", upload.part_count));
    if upload.state != "waiting" {
        return Ok(upload);
    }
    send_parts(client, &upload, &content, (1..=upload.part_count).collect(), &Progress::silent()).await?;
    table.row("send parts", &format!("{size_bytes} bytes"));
    let upload = client.complete(&upload).await?;
    table.row("complete", "");
    Ok(upload)
}

/// Follows the master playlist to its playlists and from those fetches segments, as a player does.
async fn watch_hls(client: &Client, playback: &Playback, master: &str, table: &mut Table) -> Result<()> {
    let text = String::from_utf8(client.media(playback, master, None).await?)?;
    let playlists = hls::playlists(&text);
    table.row("HLS master playlist", &format!("{} playlists", playlists.len()));
    for playlist in playlists {
        let address = hls::resolve(master, &playlist);
        let text = String::from_utf8(client.media(playback, &address, None).await?)?;
        let segments = hls::segments(&text)?;
        table.row(&format!("  {playlist}"), &format!("{} segments", segments.len()));
        let count = segments.len();
        for (index, segment) in segments.into_iter().enumerate() {
            if index < SEGMENTS_AT_THE_START || index + 1 == count {
                let address = hls::resolve(&address, &segment.uri);
                let bytes = client.media(playback, &address, segment.range).await?;
                table.row(&format!("    segment {}", index + 1), &format!("{} bytes", bytes.len()));
            }
        }
    }
    Ok(())
}

/// Prints a line per step, with the time that it took and the time since the first.
pub struct Table {
    started: Instant,
    last: Instant,
    silent: bool,
}

impl Table {
    /// A table whose clock starts now.
    #[must_use]
    pub fn new() -> Self {
        let table = Self { started: Instant::now(), last: Instant::now(), silent: false };
        table.print("step", "took ms", "at ms", "");
        table
    }

    /// A table that nobody sees.
    #[must_use]
    pub fn silent() -> Self {
        Self { started: Instant::now(), last: Instant::now(), silent: true }
    }

    fn row(&mut self, step: &str, detail: &str) {
        let now = Instant::now();
        let took = (now - self.last).as_secs_f64() * 1000.0;
        let at = (now - self.started).as_secs_f64() * 1000.0;
        self.last = now;
        self.print(step, &format!("{took:.0}"), &format!("{at:.0}"), detail);
    }

    fn end(&self) {
        self.print("all", "", &format!("{:.0}", self.started.elapsed().as_secs_f64() * 1000.0), "");
    }

    fn print(&self, step: &str, took: &str, at: &str, detail: &str) {
        if !self.silent {
            let line = format!("{step:<24}{took:>10}{at:>10}   {detail}");
            // Whoever reads may have read enough, as `head` does; the job is done to its end all the same.
            let _read_enough = writeln!(std::io::stdout(), "{}", line.trim_end());
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

/// As much of RFC 8216 as following a playlist takes.
mod hls {
    use anyhow::{Context, Result};

    /// A stretch of a file.
    pub struct Segment {
        pub uri: String,
        /// First and last byte.
        pub range: Option<(u64, u64)>,
    }

    /// The playlists that a master playlist names, those of alternative renditions included.
    pub fn playlists(master: &str) -> Vec<String> {
        let mut playlists: Vec<String> = Vec::new();
        for line in master.lines() {
            let uri = match line.strip_prefix("#EXT-X-MEDIA:") {
                Some(attributes) => attributes.split("URI=\"").nth(1).and_then(|rest| rest.split('"').next()),
                None => Some(line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#')),
            };
            if let Some(uri) = uri
                && !playlists.iter().any(|known| known == uri)
            {
                playlists.push(uri.to_owned());
            }
        }
        playlists
    }

    /// The segments of a media playlist.
    pub fn segments(playlist: &str) -> Result<Vec<Segment>> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut range = None;
        let mut end = 0;
        for line in playlist.lines() {
            if let Some(text) = line.strip_prefix("#EXT-X-BYTERANGE:") {
                let (length, offset) = text.split_once('@').unzip();
                let length: u64 = length.unwrap_or(text).trim().parse().context("a byte range's length")?;
                let offset: u64 =
                    offset.map_or(Ok(end), |offset| offset.trim().parse()).context("its offset")?;
                end = offset + length;
                range = Some((offset, end - 1));
            } else if !line.trim().is_empty() && !line.starts_with('#') {
                segments.push(Segment { uri: line.trim().to_owned(), range: range.take() });
            }
        }
        Ok(segments)
    }

    /// A path relative to that of a playlist.
    pub fn resolve(playlist: &str, uri: &str) -> String {
        if uri.starts_with('/') {
            return uri.to_owned();
        }
        let folder = playlist.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{uri}")
    }

    #[cfg(test)]
    mod tests {
        use super::{playlists, resolve, segments};

        #[test]
        fn a_master_playlist_names_its_variants_and_renditions_once() {
            let master = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:AUDIO=\"a\"\nv.m3u8\n\
                          #EXT-X-STREAM-INF:AUDIO=\"a\"\nv.m3u8\n";
            assert_eq!(playlists(master), ["a.m3u8", "v.m3u8"]);
        }

        #[test]
        fn a_byte_range_without_an_offset_follows_the_one_before() {
            let playlist = "#EXTM3U\n#EXT-X-BYTERANGE:10@5\na.mp4\n#EXT-X-BYTERANGE:7\na.mp4\n";
            let ranges: Vec<_> =
                segments(playlist).expect("a playlist").into_iter().map(|s| s.range).collect();
            assert_eq!(ranges, [Some((5, 14)), Some((15, 21))]);
        }

        #[test]
        fn addresses_are_relative_to_the_playlist() {
            assert_eq!(resolve("/media/7/master.m3u8", "v.m3u8"), "/media/7/v.m3u8");
            assert_eq!(resolve("/media/7/master.m3u8", "/media/7/v.m3u8"), "/media/7/v.m3u8");
        }
    }
}
