//! Packages a film by several workers, each a process of its own, one after the other and with the
//! sizes that a bucket gets; then by a single one, whose every part is compared with what the several have
//! written. Prints what each worker read, wrote and held in memory:
//!
//!     cargo run --release -p media --example share_out -- FILM DIRECTORY [SHARE_BYTES]
//!
//! The directory is made, takes as much as the film, and is removed in the end. Each part is held for
//! 20 ms, as an upload would hold it.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{FileSource, Options, Part, Plan, ShareSizes, Source, Store, Treatment, Writer, open};
use media::{package, package_share};
use tokio::runtime::Builder;
use wait4::Wait4;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let worker = |film: &str, directory: &str, share_bytes: &str, share: Option<u32>| {
        let work = work(film.into(), directory.into(), share_bytes.parse()?, share);
        Builder::new_current_thread().enable_time().build()?.block_on(work)
    };
    match words[..] {
        ["share", film, directory, share_bytes, share] => {
            worker(film, directory, share_bytes, Some(share.parse()?))
        }
        ["whole", film, directory, share_bytes] => worker(film, directory, share_bytes, None),
        [film, directory] => compare(film, directory, ShareSizes::default().share_bytes),
        [film, directory, share_bytes] => compare(film, directory, share_bytes.parse()?),
        _ => Err("usage: share_out FILM DIRECTORY [SHARE_BYTES]".into()),
    }
}

fn compare(film: &str, directory: &str, share_bytes: u64) -> Outcome<()> {
    std::fs::create_dir_all(directory)?;
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let plan = runtime.block_on(plan_of(&FileSource::open(film)?))?;
    let sizes = ShareSizes { share_bytes, ..ShareSizes::default() };
    let shares = plan.share_out(&sizes).ok_or("the film is one share")?;
    println!("| worker | read | written | parts | requests | CPU s | wall s | peak RSS MB |");
    println!("|---|---|---|---|---|---|---|---|");
    let text = share_bytes.to_string();
    for share in 0..shares.count() {
        run(&format!("share {share}"), &["share", film, directory, &text, &share.to_string()])?;
    }
    let scraps: usize = shares.joins().iter().map(|join| join.scraps.len()).sum();
    for join in shares.joins() {
        let name = &plan.outputs()[join.output].name;
        let output = OpenOptions::new().write(true).open(Path::new(directory).join(name))?;
        let mut position = join.position;
        for (scrap, _) in &join.scraps {
            let bytes = std::fs::read(Path::new(directory).join(scrap))?;
            output.write_all_at(&bytes, position)?;
            position += bytes.len() as u64;
        }
    }
    run("all by one, compared", &["whole", film, directory, &text])?;
    for (index, output) in plan.outputs().iter().enumerate() {
        let found = std::fs::metadata(Path::new(directory).join(&output.name))?.len();
        if found != output.size_bytes {
            return Err(format!("{} has {found} bytes, not {}", output.name, output.size_bytes).into());
        }
        println!("{}: {found} bytes in {} parts", output.name, shares.parts(index).len());
    }
    println!("{} parts were joined from {scraps} scraps", shares.joins().len());
    Ok(std::fs::remove_dir_all(directory)?)
}

fn run(name: &str, arguments: &[&str]) -> Outcome<()> {
    let started = Instant::now();
    let own = std::env::current_exe()?;
    let mut child = Command::new(own).args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        io::Read::read_to_string(&mut output, &mut said)?;
    }
    let used = child.wait4()?;
    if !used.status.success() {
        return Err(format!("{name} failed").into());
    }
    let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    let (wall, rss) = (started.elapsed().as_secs_f64(), used.rusage.maxrss as f64 / 1e6);
    println!("| {name} | {} | {cpu:.2} | {wall:.1} | {rss:.0} |", said.trim());
    Ok(())
}

async fn plan_of(source: &impl Source) -> Outcome<Plan> {
    match open(source).await?.treatment() {
        Treatment::Package(plan) => Ok(plan),
        other => Err(format!("it is not packaged: {other:?}").into()),
    }
}

async fn work(film: PathBuf, directory: PathBuf, share_bytes: u64, share: Option<u32>) -> Outcome<()> {
    let source =
        Counted { source: FileSource::open(film)?, read: AtomicU64::new(0), reads: AtomicU64::new(0) };
    let plan = plan_of(&source).await?;
    let compares = share.is_none();
    let written = Written { directory, compares, bytes: AtomicU64::new(0), parts: AtomicU64::new(0) };
    let options = Options::default();
    match share {
        None => {
            package(&source, &plan, &&written, &options).await?;
        }
        Some(share) => {
            let sizes = ShareSizes { share_bytes, ..ShareSizes::default() };
            let shares = plan.share_out(&sizes).ok_or("the film is one share")?;
            let mut writers = Vec::new();
            for output in plan.outputs() {
                writers.push((&written).create(&output.name, output.content_type).await?);
            }
            package_share(&source, &shares, share, &writers, &&written, &options).await?;
        }
    }
    let [read, reads] = [&source.read, &source.reads].map(|count| count.load(Ordering::Relaxed));
    let [bytes, parts] = [&written.bytes, &written.parts].map(|count| count.load(Ordering::Relaxed));
    println!("{read} | {bytes} | {parts} | {reads} reads");
    Ok(())
}

/// A film that counts what is read of it.
struct Counted {
    source: FileSource,
    read: AtomicU64,
    reads: AtomicU64,
}

impl Source for Counted {
    fn size_bytes(&self) -> u64 {
        self.source.size_bytes()
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.read.fetch_add(range.end - range.start, Ordering::Relaxed);
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.source.read(range).await
    }
}

/// Files that several processes write to, each its own parts.
struct Written {
    directory: PathBuf,
    /// Whether the parts are there already.
    compares: bool,
    bytes: AtomicU64,
    parts: AtomicU64,
}

struct Output<'a> {
    written: &'a Written,
    file: File,
}

impl<'a> Store for &'a Written {
    type Writer = Output<'a>;

    async fn put(&self, name: &str, _content_type: &str, body: Bytes) -> io::Result<()> {
        self.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        self.parts.fetch_add(1, Ordering::Relaxed);
        std::fs::write(self.directory.join(name), body)
    }

    async fn create(&self, name: &str, _content_type: &str) -> io::Result<Output<'a>> {
        let mut options = OpenOptions::new();
        let file =
            options.create(true).read(true).write(true).truncate(false).open(self.directory.join(name))?;
        Ok(Output { written: self, file })
    }
}

impl Writer for Output<'_> {
    async fn write_part(&self, part: Part) -> io::Result<()> {
        let position = part.position;
        self.written.bytes.fetch_add(part.size_bytes as u64, Ordering::Relaxed);
        self.written.parts.fetch_add(1, Ordering::Relaxed);
        let bytes = part.into_bytes();
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !self.written.compares {
            return self.file.write_all_at(&bytes, position);
        }
        let mut found = [0; 64 << 10];
        for (chunk, at) in bytes.chunks(found.len()).zip((position..).step_by(found.len())) {
            let found = &mut found[..chunk.len()];
            self.file.read_exact_at(found, at)?;
            if found != chunk {
                return Err(io::Error::other(format!("the bytes from {at} on differ")));
            }
        }
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        Ok(())
    }
}
