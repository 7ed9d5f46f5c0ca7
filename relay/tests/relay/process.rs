//! The relay's program: signals, a kill, and file descriptors that are used up.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

use crate::packets::{frames, numbers, stream};
use crate::source::{Connection, Source};
use crate::store::Store;
use crate::viewer::Viewer;
use crate::world::{PATIENCE, get};

/// The program, its source and its store.
struct Process {
    child: Ended,
    stream: SocketAddr,
    server: SocketAddr,
    source: Source,
    store: Store,
    log: mpsc::Receiver<String>,
}

impl Process {
    fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(Source::new(), Store::new(), variables)
    }

    fn start_with(source: Source, store: Store, variables: &[(&str, &str)]) -> Self {
        let tables = Store::tables();
        // Ports are asked of the kernel and given back, so somebody may take one in between: then others are tried.
        let ports = ["SERVER_PORT", "STREAM_PORT"].map(|name| {
            let given = variables.iter().find(|(key, _)| *key == name);
            given.map_or_else(free_port, |(_, port)| port.parse().expect("a port"))
        });
        let [server, stream] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut child = Command::new(env!("CARGO_BIN_EXE_relay"))
            .env_clear()
            .env("HTTP_STREAM_PORT", "0")
            .env("CHANNEL_SOURCE_HOST", "127.0.0.1")
            .env("CHANNEL_SOURCE_PORT", source.address().port().to_string())
            .env("LIVE_USAGE_TABLE", tables.usage)
            .env("LIVE_RELAYS_TABLE", tables.relays)
            .env("LIVE_VIEWERS_TABLE", tables.viewers)
            .env("TICKET_KEYS_TABLE", tables.ticket_keys)
            .env("AWS_ENDPOINT_URL", format!("http://{}", store.address()))
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("DRAIN_SECONDS", "2")
            .envs(variables.iter().copied())
            .env("SERVER_PORT", server.port().to_string())
            .env("STREAM_PORT", stream.port().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("is piped"));
        let (lines, log) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let line = wait_for_line(&log, |line| line["message"] == "listening" || line["level"] == "ERROR");
        if line["level"] == "ERROR" {
            assert!(line.to_string().contains("listen on"), "{line}");
            child.wait().expect("it has ended");
            return Self::start_with(source, store, variables);
        }
        Self { child: Ended(child), stream, server, source, store, log }
    }

    /// Waits for a line of the log.
    #[track_caller]
    fn wait_for_line(&self, right: impl Fn(&Value) -> bool) -> Value {
        wait_for_line(&self.log, right)
    }

    fn accept(&self) -> Connection {
        let connection = self.source.accept();
        self.wait_until(|| get(self.server, "/ready", "").0 == 200);
        connection
    }

    fn watch(&self, viewer: &str) -> Viewer {
        Viewer::watch(self.stream, &self.store.line(viewer, "zato01"))
    }

    fn wait_for_viewers(&self, viewers: usize) {
        let line = format!("matinee_relay_viewers {viewers}");
        self.wait_until(|| get(self.server, "/metrics", "").1.lines().any(|found| found == line));
    }

    #[track_caller]
    fn wait_until(&self, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < PATIENCE, "not in time");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child.0)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is there");
    }

    #[track_caller]
    fn wait_for_end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.0.try_wait().expect("it is ours") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it doesn't end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A child that doesn't outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended mostly, and then this is an error that doesn't matter.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn wait_for_line(log: &mpsc::Receiver<String>, right: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let left = PATIENCE.saturating_sub(start.elapsed());
        let line = log.recv_timeout(left).expect("the line comes");
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        if right(&line) {
            return line;
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("has an address").port()
}

#[test]
fn sigterm_under_load_sends_all_viewers_away_in_time_and_stores_their_usage() {
    let mut process = Process::start(&[]);
    let source = process.accept();
    let viewers = (0..100).map(|viewer| process.watch(&format!("anna-{viewer}")).keep_reading());
    let viewers: Vec<_> = viewers.collect();
    process.wait_for_viewers(100);
    let playing = source.play("zato01", 1);
    playing.play_on(1_000);
    let start = Instant::now();
    process.signal(Signal::TERM);
    for viewer in viewers {
        let (got, rest) = numbers("zato01", &viewer.receive_all());
        assert!(got.len() >= 1_000 && rest == 0, "{} packets and {rest} bytes", got.len());
        assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
    assert_eq!(process.wait_for_end().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let recorded: Vec<_> =
        (0..100).map(|viewer| process.store.recorded_ms(&format!("anna-{viewer}"))).collect();
    assert!(recorded.iter().all(|ms| *ms >= 900), "{recorded:?}");
    drop(playing);
}

#[test]
fn a_second_sigterm_ends_it_at_once() {
    let mut process = Process::start(&[("DRAIN_SECONDS", "3600")]);
    let mut source = process.accept();
    let mut viewers: Vec<_> = (0..1_000).map(|_| Viewer::connect(process.stream)).collect();
    for (number, viewer) in viewers.iter_mut().enumerate() {
        viewer.send(format!("{}\n", process.store.line(&format!("anna-{number}"), "zato01")).as_bytes());
    }
    process.wait_for_viewers(1_000);
    source.send(&frames("zato01", 0..20));
    process.signal(Signal::TERM);
    process.wait_for_line(|line| line["message"] == "draining");
    process.signal(Signal::TERM);
    assert_eq!(process.wait_for_end().code(), Some(0));
}

#[test]
fn after_a_kill_it_starts_again_on_the_same_ports_and_goes_on() {
    let mut process = Process::start(&[]);
    let mut source = process.accept();
    let mut viewer = process.watch("anna");
    process.wait_for_viewers(1);
    source.send(&frames("zato01", 0..50));
    viewer.expect(&stream("zato01", 0..50));
    let ports = [process.stream, process.server].map(|address| address.port().to_string());
    process.signal(Signal::KILL);
    process.wait_for_end();
    viewer.receive_all();
    let Process { source: listener, store, .. } = process;
    let again =
        Process::start_with(listener, store, &[("STREAM_PORT", &ports[0]), ("SERVER_PORT", &ports[1])]);
    let mut source = again.accept();
    let mut viewer = again.watch("anna");
    again.wait_for_viewers(1);
    source.send(&frames("zato01", 50..100));
    viewer.expect(&stream("zato01", 50..100));
}

#[test]
fn used_up_file_descriptors_keep_newcomers_out_until_some_are_free_again() {
    let process = Process::start(&[]);
    let source = process.accept();
    let healthy = process.watch("anna").keep_reading();
    process.wait_for_viewers(1);
    let playing = source.play("zato01", 1);
    // From now on it may open some files more than it has: fewer than come now, but more than the ten viewers of the end and all
    // the connections on which it tells the store of those who left.
    let open =
        std::fs::read_dir(format!("/proc/{}/fd", process.child.0.id())).expect("it is there").count() as u64;
    let limit = Rlimit { current: Some(open + 80), maximum: Some(open + 80) };
    prlimit(Some(process.pid()), Resource::Nofile, limit).expect("can be lowered");
    let mut others: Vec<_> = (0..120).map(|other| process.watch(&format!("bert-{other}"))).collect();
    process.wait_for_line(|line| line["message"] == "connection not accepted");
    playing.play_on(100);
    // Those who got in leave, and the others are let in.
    let late = others.split_off(110);
    drop(others);
    for mut viewer in late {
        viewer.receive(10_000);
    }
    let (_source, sent) = playing.stop();
    healthy.expect_to_the_end("zato01", sent);
}

#[test]
fn an_unusable_environment_is_named_and_nothing_is_opened() {
    for (name, value) in [("STREAM_PORT", "no port"), ("LIVE_USAGE_TABLE", ""), ("MAX_CHANNELS", "0")] {
        let tables = ["LIVE_USAGE_TABLE", "LIVE_RELAYS_TABLE", "LIVE_VIEWERS_TABLE", "TICKET_KEYS_TABLE"];
        let output = Command::new(env!("CARGO_BIN_EXE_relay"))
            .env_clear()
            .envs(tables.map(|table| (table, "a-table")))
            .env(name, value)
            .output()
            .expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && text.contains(name), "{name}={value}: {text}");
    }
}

#[test]
fn nothing_that_gives_a_right_is_ever_logged() {
    let mut process = Process::start(&[("LOG_LEVEL", "trace")]);
    let mut source = process.accept();
    let ticket = process.store.ticket("anna");
    let mut viewer = Viewer::watch(process.stream, &format!("anna zato01 {ticket}"));
    process.wait_for_viewers(1);
    Viewer::watch(process.stream, &format!("bert zato01 {ticket}")).expect_refusal();
    source.send(&frames("zato01", 0..20));
    viewer.expect(&stream("zato01", 0..20));
    process.signal(Signal::TERM);
    process.wait_for_end();
    let log: Vec<_> = process.log.iter().collect();
    assert!(log.iter().any(|line| line.contains("viewer came")), "the log has nothing of it");
    let signature = ticket.rsplit('.').next().expect("has a signature");
    assert!(!log.iter().any(|line| line.contains(signature)), "the ticket is in the log");
}
