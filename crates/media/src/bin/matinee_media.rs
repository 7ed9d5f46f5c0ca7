//! Probes, packages and hashes files on disk with the same code that the service runs: for trying
//! a file out, and for comparison with other packagers.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};

use media::{
    DirectoryStore, FileSource, MediaError, NoDecoder, Options, Plan, Probe, Source, Store, Treatment,
    content_digest, open, package,
};
use serde::Serialize;

const HELP: &str = "\
Looks into films and packages them for adaptive streaming, without encoding.

usage: matinee-media probe FILE
       matinee-media package FILE OUT_DIR [--digest] [--no-poster] [--window BYTES] [--part BYTES]
       matinee-media hash FILE

probe    prints as JSON what the file holds and what becomes of it: \"package\", \"progressive\" (browsers
         play the original) or \"refuse\", with the reason; and whether the service would encode some of it.
package  writes master.m3u8 (HLS), manifest.mpd (DASH), their playlists, one MP4 file for each track, a VTT
         file for each track of subtitles and, for H.264, poster.jpg into a directory, which is made. Prints the
         name and size of each output. What is there already is replaced.
hash     prints the digest by which equal files are known: SHA-256 over the SHA-256 of each part, and the
         number of parts, as S3 computes it.

--digest        package also prints that digest, computed in the same pass
--no-poster     no poster is made
--window BYTES  how much is read at once (262144)
--part BYTES    how much is written at once (262144)

Exit codes: 0 done; 1 the file can't be packaged, and why is told; 2 wrong usage; 3 a file can't be read
or written.";

/// The smallest part of the upload plan.
const DIGEST_PART_BYTES: u64 = 8 << 20;

/// Why nothing was printed.
enum Failure {
    Usage(String),
    /// The file is at fault; a sentence that says how.
    Film(String),
    System(io::Error),
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Bad { reason } => Failure::Film(reason),
            MediaError::Io(error) => Failure::System(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::System(error)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (code, text) = match run(&arguments) {
        Ok(text) => {
            // Whoever reads may have gone, as `head` does.
            return ExitCode::from(if writeln!(io::stdout(), "{text}").is_ok() { 0 } else { 3 });
        }
        Err(Failure::Film(reason)) => (1, reason),
        Err(Failure::Usage(what)) => (2, format!("{what}\n`matinee-media --help` tells how it is used.")),
        Err(Failure::System(error)) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}\n  because: {error}");
                cause = error.source();
            }
            (3, text)
        }
    };
    eprintln!("{text}");
    ExitCode::from(code)
}

fn run(arguments: &[String]) -> Result<String, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words.iter().any(|word| ["--help", "-h"].contains(word)) {
        return Ok(HELP.into());
    }
    match words[..] {
        ["--version" | "-V"] => Ok(concat!("matinee-media ", env!("CARGO_PKG_VERSION")).into()),
        ["probe", file] => {
            let movie = block_on(open(&source(file)?))?;
            let encoding =
                movie.encoding().map(|encoding| Decided { kind: "encode", reason: Some(encoding.reason) });
            let told = Told { probe: movie.probe(), encoding, treatment: decided(movie.treatment()) };
            serde_json::to_string_pretty(&told).map_err(|error| Failure::System(error.into()))
        }
        ["package", file, directory, ref flags @ ..] => {
            let (options, poster) = options(flags)?;
            package_file(file, directory, options, poster)
        }
        ["hash", file] => {
            let source = source(file)?;
            let window = Options::for_files().window_bytes;
            Ok(block_on(content_digest(&source, digest_part_bytes(source.size_bytes()), window))?)
        }
        [] => Err(Failure::Usage("What is to be done?".into())),
        [command @ ("probe" | "package" | "hash"), ..] => {
            Err(Failure::Usage(format!("{command} has too many or too few arguments.")))
        }
        [other, ..] => Err(Failure::Usage(format!("There is no command {other}."))),
    }
}

fn source(file: &str) -> Result<FileSource, Failure> {
    FileSource::open(file).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")).into())
}

/// What `probe` prints.
#[derive(Serialize)]
struct Told {
    probe: Probe,
    /// What the service does, which has an encoder, before what happens where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Decided>,
    treatment: Decided,
}

#[derive(Serialize)]
struct Decided {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn decided(treatment: Treatment) -> Decided {
    let (kind, reason) = match treatment {
        Treatment::Package(_) => ("package", None),
        Treatment::Progressive { reason } => ("progressive", Some(reason)),
        Treatment::Refuse { reason } => ("refuse", Some(reason)),
    };
    Decided { kind, reason }
}

/// How to package, and whether a poster is wanted.
fn options(flags: &[&str]) -> Result<(Options, bool), Failure> {
    let (mut options, mut poster) = (Options::for_files(), true);
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let mut number = || {
            let number =
                flags.next().and_then(|number| number.parse::<u32>().ok()).filter(|&number| number > 0);
            number.ok_or_else(|| Failure::Usage(format!("{flag} takes a number of bytes.")))
        };
        match *flag {
            // The part size depends on the file's and is filled in where that is known.
            "--digest" => options.digest_part_size = Some(DIGEST_PART_BYTES),
            "--no-poster" => poster = false,
            "--window" => options.window_bytes = number()?.into(),
            "--part" => options.part_bytes = number()? as usize,
            _ => return Err(Failure::Usage(format!("package has no option {flag}."))),
        }
    }
    Ok((options, poster))
}

fn package_file(file: &str, directory: &str, mut options: Options, poster: bool) -> Result<String, Failure> {
    let source = source(file)?;
    let plan: Plan = match block_on(open(&source))?.treatment() {
        Treatment::Package(plan) => plan,
        Treatment::Progressive { reason } | Treatment::Refuse { reason } => {
            return Err(Failure::Film(reason));
        }
    };
    options.digest_part_size = options.digest_part_size.map(|_| digest_part_bytes(source.size_bytes()));
    let store = DirectoryStore::new(directory)?;
    for manifest in plan.manifests() {
        let subtitles = manifest.name.replace(".m3u8", ".vtt");
        block_on(store.put(&manifest.name, manifest.content_type, manifest.body))?;
        if let Some(text) = block_on(plan.subtitle(&source, &subtitles))? {
            block_on(store.put(&text.name, text.content_type, text.body))?;
        }
    }
    let packaged = block_on(package(&source, &plan, &store, &options))?;
    if poster && let Some(poster) = block_on(plan.poster(&source, &NoDecoder))? {
        std::fs::write(Path::new(directory).join("poster.jpg"), poster)?;
    }
    let mut lines: Vec<String> =
        plan.outputs().iter().map(|output| format!("{} {}", output.name, output.size_bytes)).collect();
    lines.extend(packaged.digest.map(|digest| format!("digest {digest}")));
    Ok(lines.join("\n"))
}

/// The part size of an upload: the smallest doubling of 8 MiB that needs no more than 10,000 parts.
fn digest_part_bytes(size_bytes: u64) -> u64 {
    let mut part = DIGEST_PART_BYTES;
    while size_bytes.div_ceil(part) > 10_000 {
        part *= 2;
    }
    part
}

/// Runs a future over files, which never waits for anything.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}
