//! Films that ffmpeg makes for a test, and what it reads of what became of them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use encode::{EncodeError, EncodePlan, Ffmpeg, PieceSource, assemble, encode_piece};
use media::{DirectoryStore, FileSource, Manifest, Movie, Options, Store, TrackKind, package};

use crate::find_ffmpeg::find_ffmpeg;

static FFMPEG: LazyLock<PathBuf> = LazyLock::new(find_ffmpeg);

pub fn ffmpeg() -> Ffmpeg {
    Ffmpeg::at(&*FFMPEG)
}

/// Runs ffmpeg; what it writes to its output, once it has nothing to complain about.
pub fn run(arguments: &str, files: &[&Path]) -> String {
    let mut files = files.iter();
    let words = arguments.split_whitespace().map(|word| match word {
        "@" => files.next().expect("there is a file for each @").as_os_str().to_owned(),
        word => word.into(),
    });
    let output = Command::new(&*FFMPEG).args(["-nostdin", "-y", "-v", "error"]).args(words).output();
    let output = output.expect("ffmpeg runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffmpeg {arguments}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The output of ffmpeg as it is.
fn raw(arguments: &str, file: &Path) -> Vec<u8> {
    let words =
        arguments.split_whitespace().map(|word| if word == "@" { file.as_os_str() } else { word.as_ref() });
    let output = Command::new(&*FFMPEG).args(["-nostdin", "-v", "error"]).args(words).output();
    output.expect("ffmpeg runs").stdout
}

/// When the sound of a file sets in, in seconds on its timeline.
pub fn loud_from(file: &Path) -> f64 {
    let first = decoded(file, "0:a:0").first().expect("it has sound").seconds;
    let samples = raw("-i @ -map 0:a:0 -ac 1 -ar 48000 -f s16le -", file);
    let loud = |bytes: &[u8]| i16::from_le_bytes([bytes[0], bytes[1]]).unsigned_abs() > 3000;
    let at = samples.chunks_exact(2).position(loud).expect("it is loud at some time");
    first + at as f64 / 48_000.0
}

/// When the pictures of a file turn bright, in seconds after the first.
pub fn starts_bright(file: &Path) -> f64 {
    let frames = decoded(file, "0:v:0");
    let pixels = raw("-i @ -map 0:v:0 -fps_mode passthrough -vf scale=2:2 -pix_fmt gray -f rawvideo -", file);
    let bright = |pixels: &[u8]| pixels.iter().all(|&pixel| pixel > 150);
    let at = pixels.chunks_exact(4).position(bright).expect("it turns bright at some time");
    frames[at].seconds - frames[0].seconds
}

/// The pieces of a film in a folder.
pub struct Pieces(pub PathBuf);

impl PieceSource for Pieces {
    type Source = FileSource;

    async fn open(&self, name: &str) -> io::Result<FileSource> {
        FileSource::open(self.0.join(name))
    }
}

/// A film with a folder of its own.
pub struct Film {
    pub folder: tempfile::TempDir,
    pub source: FileSource,
    pub movie: Movie,
}

impl Film {
    /// Made by ffmpeg: `@` in the arguments stands for the film's path.
    pub async fn make(name: &str, arguments: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join(name);
        run(arguments, &[&path]);
        Self::open(folder, path).await
    }

    pub async fn open(folder: tempfile::TempDir, path: PathBuf) -> Self {
        let source = FileSource::open(&path).expect("it is there");
        let movie = media::open(&source).await.expect("it opens");
        Self { folder, source, movie }
    }

    pub fn plan(&self, ladder: bool) -> EncodePlan {
        encode::plan(&self.movie, ladder).expect("it plans").expect("there is something to encode")
    }

    pub fn pieces(&self) -> Pieces {
        Pieces(self.folder.path().join("pieces"))
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub async fn job(&self, plan: &EncodePlan, job: u32) -> Result<(), EncodeError> {
        let pieces = DirectoryStore::new(self.pieces().0).expect("there is room");
        encode_piece(&ffmpeg(), &self.source, &self.movie, plan, job, &pieces).await
    }

    /// All that is encoded, and what is copied, with all manifests.
    pub async fn encode(&self, plan: &EncodePlan) -> Vec<Manifest> {
        for job in 0..plan.jobs() {
            self.job(plan, job).await.unwrap_or_else(|error| panic!("job {job}: {error}"));
        }
        let store = DirectoryStore::new(self.out()).expect("there is room");
        let film = self.movie.plan().expect("it is streamed");
        package(&self.source, &film, &store, &Options::for_files()).await.expect("it is packaged");
        let manifests = assemble(&self.movie, plan, &self.pieces(), &store).await.expect("it is assembled");
        for manifest in &manifests {
            store.put(&manifest.name, manifest.content_type, manifest.body.clone()).await.expect("it is put");
        }
        manifests
    }
}

/// When the pictures of a packaged file are shown, and where its segments begin, in seconds.
async fn times(file: &Path) -> (Vec<f64>, Vec<f64>) {
    let movie = media::open(&FileSource::open(file).expect("it is there")).await.expect("it opens");
    let feeds = movie.plan().expect("it is streamed").feeds();
    let feed = feeds.iter().find(|feed| feed.kind() == TrackKind::Video).expect("it has pictures");
    let seconds = |ticks: &u64| *ticks as f64 / f64::from(feed.timescale());
    let shown = feed.times(0..feed.starts().len() - 1);
    (shown.iter().map(seconds).collect(), segment_starts(file))
}

/// Where the index of a file says that its segments begin, in seconds.
fn segment_starts(file: &Path) -> Vec<f64> {
    let bytes = std::fs::read(file).expect("it can be read");
    let at = bytes.windows(4).position(|kind| kind == b"sidx").expect("it has an index") + 4;
    let number = |offset: usize| {
        u64::from(u32::from_be_bytes(bytes[at + offset..at + offset + 4].try_into().expect("four bytes")))
    };
    let (timescale, segments) = (number(8) as f64, number(28) & 0xffff);
    let durations = (0..segments as usize).map(|segment| number(32 + 12 * segment + 4) as f64 / timescale);
    let first = (number(12) << 32 | number(16)) as f64 / timescale;
    durations.scan(first, |start, duration| Some(std::mem::replace(start, *start + duration))).collect()
}

/// Each rendition decodes whole, has the pictures of the film at their times, and segments where the
/// copied picture has them.
pub async fn check_renditions(film: &Film, plan: &EncodePlan) {
    let feeds = film.movie.plan().expect("it is streamed").feeds();
    let picture = feeds.iter().find(|feed| feed.kind() == TrackKind::Video).expect("it has pictures");
    let shown = picture.times(0..picture.starts().len() - 1);
    let shown: Vec<f64> = shown.iter().map(|&t| t as f64 / f64::from(picture.timescale())).collect();
    let mut starts: Option<Vec<f64>> =
        picture.is_copied().then(|| segment_starts(&film.out().join(format!("{}.mp4", picture.stem()))));
    for rendition in &plan.renditions {
        let file = film.out().join(format!("{}.mp4", rendition.stem()));
        let (made, made_starts) = times(&file).await;
        assert_close(&made, &shown);
        assert_close(&made_starts, starts.get_or_insert_with(|| made_starts.clone()));
        let decoded = decoded(&file, "0:v:0");
        assert_eq!(decoded.len(), shown.len(), "{} decodes whole", rendition.name);
        let size = format!("{}x{}", rendition.width, rendition.height);
        let text = run("-noautorotate -i @ -frames:v 1 -f framehash -", &[&file]);
        assert!(text.contains(&format!("#dimensions 0: {size}")), "{size}: {text}");
    }
}

fn assert_close(found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
    }
}

/// A decoded frame, or some samples of sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub seconds: f64,
    pub duration: f64,
}

/// The decoded frames of a stream in the order in which they are shown, with the times of the file.
pub fn decoded(file: &Path, stream: &str) -> Vec<Frame> {
    let text = run(
        &format!(
            "-copyts -noautorotate -i @ -map {stream} -fps_mode passthrough -f framehash -hash adler32 -"
        ),
        &[file],
    );
    let mut tick = 1.0;
    let mut frames = Vec::new();
    for line in text.lines() {
        if let Some((over, under)) = line.strip_prefix("#tb 0: ").and_then(|base| base.split_once('/')) {
            tick = over.parse::<f64>().expect("a number") / under.parse::<f64>().expect("a number");
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if let [_, _, pts, duration, ..] = fields[..]
            && !line.starts_with('#')
        {
            let seconds = |field: &str| field.parse::<f64>().expect("a number") * tick;
            frames.push(Frame { seconds: seconds(pts), duration: seconds(duration) });
        }
    }
    frames
}
