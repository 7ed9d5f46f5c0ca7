//! Resident memory of the functions' processes, as Linux accounts for it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_secs(1);

/// Resident memory of each process over time, in kB.
#[derive(Debug, Default)]
pub struct Memory {
    by_process: BTreeMap<(String, u32), Vec<u64>>,
}

/// Samples until it is asked for what it has.
#[derive(Debug)]
pub struct Sampling {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Memory>,
}

impl Sampling {
    /// Begins to look each second at the functions that talk to this endpoint.
    pub fn start(endpoint_url: &str) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let endpoint = format!("AWS_ENDPOINT_URL={endpoint_url}");
        let task = tokio::spawn(async move {
            let mut memory = Memory::default();
            loop {
                memory.sample(&endpoint);
                if tokio::time::timeout(EVERY, &mut stopped).await.is_ok() {
                    return memory;
                }
            }
        });
        Self { stop, task }
    }

    /// What it saw.
    pub async fn end(self) -> Memory {
        // It may have ended by itself if it panicked, which the task tells.
        let _ended = self.stop.send(());
        self.task.await.unwrap_or_default()
    }
}

impl Memory {
    fn sample(&mut self, endpoint: &str) {
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Ok(environment) = fs::read(process.path().join("environ")) else { continue };
            let environment = String::from_utf8_lossy(&environment);
            let mut variables = environment.split('\0');
            if !variables.clone().any(|variable| same_port(variable, endpoint)) {
                continue;
            }
            let Some(handler) = variables.find_map(|variable| variable.strip_prefix("_HANDLER=")) else {
                continue;
            };
            let Ok(status) = fs::read_to_string(process.path().join("status")) else { continue };
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let Some(kb) = resident.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()) else {
                continue;
            };
            self.by_process.entry((handler.to_owned(), pid)).or_default().push(kb);
        }
    }

    /// A table: for each function its processes, and of the largest of them the memory after a sixth of its time, at the end, and at most.
    pub fn table(&self) -> String {
        let mut functions: BTreeMap<&str, (usize, u64, u64, u64)> = BTreeMap::new();
        for ((handler, _), samples) in &self.by_process {
            let most = samples.iter().copied().max().unwrap_or_default();
            let (count, early, late, known_most) = functions.entry(handler).or_default();
            *count += 1;
            if most >= *known_most {
                *early = samples.get(samples.len() / 6).copied().unwrap_or_default();
                *late = samples.last().copied().unwrap_or_default();
                *known_most = most;
            }
        }
        let mb = |kb: u64| kb as f64 / 1024.0;
        let mut table =
            format!("{:<24}{:>10}{:>10}{:>10}{:>10}\n", "", "processes", "early MB", "end MB", "most MB");
        for (handler, (count, early, late, most)) in functions {
            table +=
                &format!("{handler:<24}{count:>10}{:>10.1}{:>10.1}{:>10.1}\n", mb(early), mb(late), mb(most));
        }
        table
    }
}

/// Functions are given the endpoint by another name of this machine.
fn same_port(variable: &str, endpoint: &str) -> bool {
    let port = |text: &str| text.rsplit(':').next().map(|port| port.trim_end_matches('/').to_owned());
    variable.starts_with("AWS_ENDPOINT_URL=") && port(variable) == port(endpoint)
}
