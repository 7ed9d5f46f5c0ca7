//! The relay beside nats-server and redis-server: the same packets to the same number of viewers, in interleaved rounds,
//! and what that cost each server. One command, from the project's folder:
//!
//!     cargo bench --profile relay -p relay --bench fan_out -- [scenario…] [--rounds N]
//!
//! The peers come from Debian's packages, into `.matinee/peers`, without root. Viewers, publisher and a DynamoDB for the
//! relay live in this process; each server is a process of its own, whose CPU time and memory are read from /proc.
//! `RELAY_BIN` names another build of the relay to measure.

#![allow(clippy::print_stdout)]

mod clock;
mod peers;
mod publisher;
mod raw_loop;
mod report;
mod round;
mod scenarios;
mod server;
mod store;
mod viewers;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::peers::Peers;
use crate::scenarios::{ALL, Plan};
use crate::server::{Kind, Setup};
use crate::store::Store;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    raise_file_limit()?;
    if let [role, port, viewers] = &arguments[..]
        && role == "raw-loop"
    {
        return raw_loop::serve(port.parse()?, viewers.parse()?);
    }
    let mut rounds = 5;
    if let Some(at) = arguments.iter().position(|word| word == "--rounds") {
        rounds = arguments.get(at + 1).context("--rounds wants a number")?.parse()?;
        arguments.drain(at..at + 2);
    }
    let mut chosen: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if chosen.is_empty() {
        chosen.extend(ALL);
    }

    let matinee = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.matinee");
    let logs = matinee.join("bench");
    std::fs::create_dir_all(&logs)?;
    let relay = std::env::var_os("RELAY_BIN").map(PathBuf::from);
    let relay = relay.or(option_env!("CARGO_BIN_EXE_relay").map(PathBuf::from));
    let setup = Setup {
        relay: relay.context("RELAY_BIN is to name the relay")?,
        peers: Peers::new(matinee.join("peers")),
        store: Store::start()?,
        logs,
    };
    let peers = match [Kind::Nats, Kind::Redis].map(|kind| setup.peers.version(kind)) {
        [Ok(nats), Ok(redis)] => {
            println!("{nats}\n{redis}\n");
            true
        }
        [nats, redis] => {
            for error in [nats.err(), redis.err()].into_iter().flatten() {
                println!("No peer beside the relay: {error:#}");
            }
            false
        }
    };
    let plan = Plan { setup: &setup, rounds, peers };
    chosen.into_iter().try_for_each(|scenario| plan.run(scenario))
}

/// Ten thousand viewers are as many sockets here, and as many in the server, which inherits the limit.
fn raise_file_limit() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
