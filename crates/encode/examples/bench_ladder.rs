//! The ladder in pieces, with one worker and with two, beside one plain run of ffmpeg that makes the
//! same renditions with the same settings, in the same run: CPU (user and system, of all processes),
//! wall time, and what the outputs weigh. One command, from the project's folder:
//!
//!     cargo run --release -p encode --example bench_ladder
//!
//! Each run is held to as many cores as its name says. It finds ffmpeg where the tests do. `BENCH_SECONDS` is the length of the film (by default 120),
//! `BENCH_DIR` where everything goes (by default /dev/shm, 300 MB), `BENCH_ROUNDS` the number of rounds
//! (by default 1), of which the medians are printed.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use encode::{Ffmpeg, PieceSource, assemble, encode_piece, plan};
use futures_util::future::try_join_all;
use media::{DirectoryStore, FileSource, open};
use tokio::runtime::Builder;
use wait4::Wait4;

#[path = "../../media/tests/media/find_ffmpeg.rs"]
mod find_ffmpeg;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, child, film, out, workers] if child == "child" => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(in_pieces(film, Path::new(out), workers.parse()?))
        }
        _ => compare(),
    }
}

/// What a run cost.
struct Cost {
    cpu_seconds: f64,
    wall_seconds: f64,
    megabytes: f64,
}

fn compare() -> Outcome<()> {
    let base = PathBuf::from(std::env::var_os("BENCH_DIR").unwrap_or_else(|| "/dev/shm".into()));
    let directory = base.join(format!("matinee-ladder-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let result = rounds(&directory);
    std::fs::remove_dir_all(&directory)?;
    result
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn rounds(directory: &Path) -> Outcome<()> {
    let seconds = number("BENCH_SECONDS", 120);
    let ffmpeg = find_ffmpeg::find_ffmpeg();
    let (film, out) = (directory.join("film.mp4"), directory.join("out"));
    make_film(&ffmpeg, &film, seconds)?;
    let own = std::env::current_exe()?;
    let pieces = |workers: &str, cores: &str| {
        let mut command = Command::new("taskset");
        command.args(["-c", cores]).arg(&own);
        command.args(["child".as_ref(), film.as_os_str(), out.as_os_str(), workers.as_ref()]);
        command.env("TMPDIR", directory);
        command
    };
    let mut costs: [Vec<Cost>; 4] = Default::default();
    for _ in 0..number("BENCH_ROUNDS", 1) {
        for (index, costs) in costs.iter_mut().enumerate() {
            if out.exists() {
                std::fs::remove_dir_all(&out)?;
            }
            std::fs::create_dir_all(&out)?;
            let command = match index {
                0 => plain(&ffmpeg, &film, &out),
                1 => pieces("1", "0,1"),
                2 => pieces("2", "0,1"),
                _ => pieces("1", "0"),
            };
            costs.push(run(command, &out)?);
        }
    }
    println!("film: {seconds} s of 1080p at 24 frames a second; three renditions\n");
    println!("| | CPU s | CPU / plain | wall s | outputs MB |\n|---|---|---|---|---|");
    let median = |costs: &[Cost], of: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let reference = median(&costs[0], |cost| cost.cpu_seconds);
    let names = [
        "one plain run of ffmpeg, two cores",
        "in pieces and assembled, 1 worker, two cores",
        "in pieces and assembled, 2 workers, two cores",
        "in pieces and assembled, 1 worker, one core",
    ];
    for (name, costs) in names.iter().zip(&costs) {
        let cpu = median(costs, |cost| cost.cpu_seconds);
        let (wall, size) = (median(costs, |cost| cost.wall_seconds), median(costs, |cost| cost.megabytes));
        println!("| {name} | {cpu:.1} | {:.3} | {wall:.1} | {size:.1} |", cpu / reference);
    }
    Ok(())
}

/// Ten seconds of moving pictures with noise, again and again: as much work in every piece.
fn make_film(ffmpeg: &Path, film: &Path, seconds: usize) -> Outcome<()> {
    let short = film.with_extension("short.mp4");
    let encode = "-y -v error -f lavfi -i testsrc2=s=1920x1080:r=24:d=12,noise=alls=12:allf=t -c:v libx264 \
        -preset ultrafast -pix_fmt yuv420p -g 96 -keyint_min 96 -sc_threshold 0 -bf 2 -b:v 8M";
    let made = Command::new(ffmpeg).args(encode.split_whitespace()).arg(&short).status()?;
    let times = (seconds / 12).saturating_sub(1).to_string();
    let repeat = ["-y", "-v", "error", "-stream_loop", &times, "-i"];
    let repeated = Command::new(ffmpeg).args(repeat).arg(&short).args(["-c", "copy"]).arg(film).status()?;
    std::fs::remove_file(short)?;
    if made.success() && repeated.success() { Ok(()) } else { Err("ffmpeg could not make the film".into()) }
}

/// What somebody would run who has one machine. The settings of x264 are those of the pieces.
fn plain(ffmpeg: &Path, film: &Path, out: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0,1"]).arg(ffmpeg);
    command.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(film);
    let scale = |index: u32, size: &str| {
        format!("[s{index}]scale={size}:flags=bicubic:out_range=tv,format=yuv420p[v{index}]")
    };
    let scaled = [scale(0, "640:360"), scale(1, "1280:720"), scale(2, "1920:1080")].join(";");
    command.args(["-filter_complex", &format!("[0:v:0]split=3[s0][s1][s2];{scaled}")]);
    for (index, (rate, level)) in [(600_000, 30), (2_200_000, 31), (4_000_000, 40)].into_iter().enumerate() {
        let settings = format!(
            "-c:v libx264 -preset veryfast -profile:v high -crf 23 -maxrate {rate} -bufsize {} -x264-params \
             keyint=infinite:scenecut=0:open-gop=0:threads=4:level={level} -forced-idr 1 \
             -force_key_frames expr:gte(t,4*n_forced) -fps_mode passthrough -movflags +faststart",
            2 * rate
        );
        command.args(["-map", &format!("[v{index}]")]).args(settings.split_whitespace());
        command.arg(out.join(format!("plain-{index}.mp4")));
    }
    command
}

fn run(mut command: Command, out: &Path) -> Outcome<Cost> {
    let started = Instant::now();
    let used = command.stdin(Stdio::null()).spawn()?.wait4()?;
    if !used.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(out)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_file() { entry.metadata()?.len() } else { 0 };
    }
    Ok(Cost {
        // Of the child, and of all processes that it waited for.
        cpu_seconds: (used.rusage.utime + used.rusage.stime).as_secs_f64(),
        wall_seconds: started.elapsed().as_secs_f64(),
        megabytes: bytes as f64 / 1e6,
    })
}

/// Pieces in a folder.
struct Pieces(PathBuf);

impl PieceSource for Pieces {
    type Source = FileSource;

    async fn open(&self, name: &str) -> io::Result<FileSource> {
        FileSource::open(self.0.join(name))
    }
}

/// All jobs by so many workers, each of which takes the next that nobody has, and the assembly.
async fn in_pieces(film: &str, out: &Path, workers: u32) -> Outcome<()> {
    let ffmpeg = Ffmpeg::at(find_ffmpeg::find_ffmpeg());
    let source = FileSource::open(film)?;
    let movie = open(&source).await?;
    let plan = plan(&movie, true)?.ok_or("there is nothing to encode")?;
    let folder = out.join("pieces");
    let store = DirectoryStore::new(&folder)?;
    let next = AtomicU32::new(0);
    let worker = async |_: u32| {
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= plan.jobs() {
                return Ok::<(), encode::EncodeError>(());
            }
            encode_piece(&ffmpeg, &source, &movie, &plan, job, &store).await?;
        }
    };
    try_join_all((0..workers).map(worker)).await?;
    assemble(&movie, &plan, &Pieces(folder), &DirectoryStore::new(out)?).await?;
    Ok(())
}
