//! Probes, packages and hashes files on disk with the same code that the service runs: for trying
//! a file out, and for comparison with other packagers.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};

use media::{
    DirectoryStore, FileSource, NoDecoder, Options, Source, Store, Treatment, content_digest, open, package,
};

const USAGE: &str = "\
usage: matinee-media probe FILE
       matinee-media package FILE OUT_DIR [--digest] [--window BYTES] [--part BYTES]
       matinee-media hash FILE";

/// The smallest part of the upload plan.
const DIGEST_PART_BYTES: u64 = 8 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => match writeln!(std::io::stdout(), "{text}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("{error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["probe", file] => {
            let movie = block_on(open(&FileSource::open(file)?))?;
            let treatment = match movie.treatment() {
                Treatment::Package(_) => "package".to_owned(),
                Treatment::Progressive { reason } => format!("progressive: {reason}"),
                Treatment::Refuse { reason } => format!("refuse: {reason}"),
            };
            // What the service does, which has an encoder, and then what happens where there is none.
            let encoding =
                movie.encoding().map(|encoding| format!("encode: {}\nwithout an encoder, ", encoding.reason));
            let probe = serde_json::to_string_pretty(&movie.probe())?;
            Ok(format!("{probe}\n{}{treatment}", encoding.unwrap_or_default()))
        }
        ["package", file, directory, ref flags @ ..] => package_file(file, directory, options(flags)?),
        ["hash", file] => {
            let source = FileSource::open(file)?;
            let window = Options::for_files().window_bytes;
            Ok(block_on(content_digest(&source, digest_part_bytes(source.size_bytes()), window))?)
        }
        _ => Err(USAGE.into()),
    }
}

fn options(flags: &[&str]) -> Result<Options, Box<dyn Error>> {
    let mut options = Options::for_files();
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let mut number = || flags.next().and_then(|number| number.parse().ok()).ok_or(USAGE);
        match *flag {
            // The part size depends on the file's and is filled in where that is known.
            "--digest" => options.digest_part_size = Some(DIGEST_PART_BYTES),
            "--window" => options.window_bytes = number()?,
            "--part" => options.part_bytes = number()? as usize,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

fn package_file(file: &str, directory: &str, mut options: Options) -> Result<String, Box<dyn Error>> {
    let source = FileSource::open(file)?;
    let plan = match block_on(open(&source))?.treatment() {
        Treatment::Package(plan) => plan,
        Treatment::Progressive { reason } | Treatment::Refuse { reason } => return Err(reason.into()),
    };
    options.digest_part_size = options.digest_part_size.map(|_| digest_part_bytes(source.size_bytes()));
    let store = DirectoryStore::new(directory)?;
    for manifest in plan.manifests() {
        block_on(store.put(&manifest.name, manifest.content_type, manifest.body))?;
    }
    let packaged = block_on(package(&source, &plan, &store, &options))?;
    if let Some(poster) = block_on(plan.poster(&source, &NoDecoder))? {
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
