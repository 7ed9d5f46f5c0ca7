//! `channel-source`: live channels for a relay, simulated.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use live::ChannelId;
use relay::channel_source::{
    Channel, ChannelSource, Content, Disorder, Film, Frames, MIN_PATTERN_LEN, Numbers, Restart, RestartTo,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Simulates a channel source: serves channels in 23-byte frames to any number of clients, in real time.
///
/// What it sends is a test pattern, or films (MPEG transport streams) that are played over and over. Packets are shuffled, lost
/// and sent twice as asked for; the same seed does it the same way.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9110")]
    listen: String,
    /// The channels' ids, or how many there are: 3 is zato01 to zato03.
    #[arg(long, default_value = "3", value_delimiter = ',')]
    channels: Vec<String>,
    /// Films to play, in turn if there are more channels than films. Without any, the test pattern is sent.
    #[arg(long, value_name = "FILE")]
    film: Vec<PathBuf>,
    /// Payload of each channel with the test pattern, in bits per second. Films have a rate of their own.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    bitrate: u64,
    /// Payload of each packet, in bytes.
    #[arg(long, default_value_t = 1316, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    payload_bytes: u32,
    /// Sends packets up to so many packets late.
    #[arg(long, default_value_t = 0)]
    shuffle: u64,
    /// Probability that a packet is never sent.
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    loss: f64,
    /// Probability that a packet is sent twice.
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    duplicates: f64,
    /// The first packet's number.
    #[arg(long, default_value_t = 0)]
    first_sequence: u64,
    /// Starts the numbers anew every so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    restart_every: Option<u64>,
    /// Where the numbers start anew: at the first one again, or far above the last.
    #[arg(long, value_enum, default_value = "lower")]
    restart_to: RestartTo,
    /// Seed of everything that happens by chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is due within so many milliseconds is sent together; 0 sends each packet by itself.
    #[arg(long, default_value_t = 10)]
    tick_ms: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).json().flatten_event(true).init();
    match serve(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Arguments) -> Result<()> {
    let frames = Frames::new(channels(arguments)?);
    let tick = Duration::from_millis(arguments.tick_ms);
    let source = ChannelSource::bind(&arguments.listen, frames, tick)
        .await
        .with_context(|| format!("listening at {}", arguments.listen))?;
    info!(address = %source.address()?, "listening");
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    source
        .run(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
        .await;
    Ok(())
}

fn channels(arguments: &Arguments) -> Result<Vec<Channel>> {
    let payload_len = arguments.payload_bytes as usize;
    let mut contents = Vec::new();
    for file in &arguments.film {
        let film = Film::read(file)?;
        info!(film = %file.display(), duration_s = film.duration().as_secs_f64(), "plays without end");
        contents.push(Content::Film(Arc::new(film)));
    }
    if contents.is_empty() {
        ensure!(payload_len >= MIN_PATTERN_LEN, "the test pattern needs --payload-bytes {MIN_PATTERN_LEN}");
        contents.push(Content::Pattern { bits_per_second: arguments.bitrate });
    } else {
        let whole = payload_len.is_multiple_of(Film::PACKET_LEN);
        ensure!(whole, "for films, --payload-bytes is a multiple of {}", Film::PACKET_LEN);
    }
    let disorder = Disorder {
        shuffle_window: arguments.shuffle,
        loss: arguments.loss,
        duplicates: arguments.duplicates,
        seed: arguments.seed,
    };
    let restart = arguments
        .restart_every
        .map(|every| Restart { every: Duration::from_secs(every), to: arguments.restart_to });
    let numbers = Numbers { first: arguments.first_sequence, restart };
    let with_content = ids(&arguments.channels)?.into_iter().zip(contents.iter().cycle());
    Ok(with_content
        .map(|(id, content)| Channel::new(id, content.clone(), payload_len, disorder, numbers))
        .collect())
}

/// The channels that are named, or as many as the one number says.
fn ids(channels: &[String]) -> Result<Vec<ChannelId>> {
    if let [count] = channels
        && count.len() < ChannelId::LEN
        && let Ok(count) = count.parse::<u32>()
    {
        let named =
            |number: u32| if number < 100 { format!("zato{number:02}") } else { format!("z{number:05}") };
        return (1..=count).map(|number| Ok(named(number).parse()?)).collect();
    }
    channels.iter().map(|id| id.parse().with_context(|| format!("{id:?}"))).collect()
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(probability) if (0.0..=1.0).contains(&probability) => Ok(probability),
        _ => Err("a probability is between 0 and 1".to_owned()),
    }
}
