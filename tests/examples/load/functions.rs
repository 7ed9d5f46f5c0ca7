//! The functions' binaries by themselves: this program plays Lambda's runtime API to a few processes, each of which is what an instance at
//! Lambda is, and answers their calls to the store with what the local AWS answered to the same call before. What is left is the function.

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use local::{Project, Stack};
use serde_json::{Value, json};
use tests::{Film, World};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::figures::Figures;
use crate::memory::Sampling;

/// Lambda starts as many as have something to do at once.
const INSTANCES: usize = 4;

/// Invokes each function `rate` times a second for so many seconds, one function after another.
pub async fn run(world: &World, rate: u64, seconds: u64) -> Result<()> {
    let stack = world.stack().context("this needs a stack of its own")?;
    let publisher = world.person("publisher").await?;
    let upload = publisher.publish(&Film::unique()?).await?;
    let upload_id = upload["id"].as_str().context("an upload")?;
    let video_id = upload["video_id"].as_str().context("a video")?;
    let functions = [
        ("GetUpload", "uploads", format!("/uploads/{upload_id}")),
        ("GetVideo", "catalog", format!("/videos/{video_id}")),
        ("ListUploads", "uploads", "/uploads".to_owned()),
        ("ListVideos", "catalog", "/videos".to_owned()),
    ];
    println!("{}", Figures::heading());
    let (mut memory, mut processor) = (String::new(), String::new());
    let mut others = 0;
    for (logical_id, binary, path) in functions {
        let event = event(&path, &publisher.id);
        let (mut figures, table, cpu) = invoke(stack, logical_id, binary, event, rate, seconds).await?;
        println!("{}", figures.row(logical_id));
        others += figures.others_than("200");
        memory += table.lines().nth(1).unwrap_or_default();
        memory.push('\n');
        let each = cpu.as_secs_f64() * 1000.0 / (rate * seconds) as f64;
        processor += &format!("{logical_id:<24}{each:>10.2}\n");
    }
    println!("\n{:<24}{:>10}{:>10}{:>10}{:>10}\n{memory}", "", "processes", "early MB", "end MB", "most MB");
    println!("{:<24}{:>10}\n{processor}", "", "CPU ms each");
    ensure!(others == 0, "{others} invocations were not answered with 200");
    Ok(())
}

/// What API Gateway hands to a function.
fn event(path: &str, user_id: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": format!("GET /api{path}"),
        "rawPath": format!("/api{path}"),
        "rawQueryString": "",
        "headers": {"accept": "application/json", "host": "example.org"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "example",
            "authorizer": {"jwt": {"claims": {"sub": user_id, "cognito:groups": "[publisher]"}, "scopes": null}},
            "domainName": "example.org",
            "domainPrefix": "example",
            "http": {"method": "GET", "path": format!("/api{path}"), "protocol": "HTTP/1.1", "sourceIp": "203.0.113.42", "userAgent": "load"},
            "requestId": "load",
            "routeKey": format!("GET /api{path}"),
            "stage": "api",
            "time": "03/Dec/2024:14:50:00 +0000",
            "timeEpoch": 1_733_237_400_011_u64
        },
        "isBase64Encoded": false
    })
}

async fn invoke(
    stack: &Stack,
    logical_id: &str,
    binary: &str,
    event: Value,
    rate: u64,
    seconds: u64,
) -> Result<(Figures, String, Duration)> {
    let store = serve(Router::new().fallback(replay).with_state(Arc::new(Store::of(stack)))).await?;
    let (invocations, queue) = mpsc::unbounded_channel();
    let runtime = Arc::new(Runtime {
        event: event.to_string(),
        queue: tokio::sync::Mutex::new(queue),
        under_way: Mutex::default(),
        figures: Mutex::default(),
    });
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
        .with_state(Arc::clone(&runtime));
    let address = serve(routes).await?;

    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        let instance = Command::new(Project::find()?.binaries().join(binary))
            .env_clear()
            .envs(stack.function_env(logical_id)?)
            .env("AWS_ENDPOINT_URL", &store)
            .env("AWS_LAMBDA_RUNTIME_API", address.trim_start_matches("http://"))
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        instances.push(instance.with_context(|| format!("starting {binary}"))?);
    }
    let sampling = Sampling::start(&store);
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(rate)?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for index in 0..rate * seconds {
        invocations.send((index, ticks.tick().await))?;
    }
    let all = rate * seconds;
    for _ in 0..300 {
        if runtime.answered() == all {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let table = sampling.end().await.table();
    let cpu = instances.iter().filter_map(|instance| cpu_of(instance.id()?)).sum();
    drop(instances);
    ensure!(runtime.answered() == all, "{logical_id} answered {} of {all}", runtime.answered());
    let figures = std::mem::take(&mut *runtime.figures.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((figures.0, table, cpu))
}

/// User and system time of a process, as Linux accounts for it: in hundredths of a second (proc(5), `stat`).
fn cpu_of(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have spaces in it; the times are the 12th and 13th fields after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

async fn serve(router: Router) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}

/// Lambda's runtime API, as much of it as functions use.
struct Runtime {
    event: String,
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<(u64, Instant)>>,
    /// When each invocation was due.
    under_way: Mutex<HashMap<String, Instant>>,
    figures: Mutex<(Figures, u64)>,
}

impl Runtime {
    fn answered(&self) -> u64 {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn note(&self, id: &str, outcome: String) {
        let due = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.0.note(outcome, due.map(|due| due.elapsed()).unwrap_or_default());
        figures.1 += 1;
    }
}

async fn next(State(runtime): State<Arc<Runtime>>) -> Response {
    let Some((index, due)) = runtime.queue.lock().await.recv().await else {
        return std::future::pending().await;
    };
    let id = index.to_string();
    runtime.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), due);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", "4102444800000".to_owned()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:load".to_owned(),
        ),
        ("lambda-runtime-trace-id", "Root=1-674f1b0b-5c2d0e7f1a3b4c5d6e7f8091".to_owned()),
    ];
    (headers, runtime.event.clone()).into_response()
}

async fn response(State(runtime): State<Arc<Runtime>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    runtime.note(&id, answer["statusCode"].to_string());
    StatusCode::ACCEPTED
}

async fn failure(State(runtime): State<Arc<Runtime>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    runtime.note(&id, String::from_utf8_lossy(&body).into_owned());
    StatusCode::ACCEPTED
}

/// The store, whose answers are remembered.
struct Store {
    url: String,
    http: reqwest::Client,
    answers: Mutex<BTreeMap<Vec<u8>, (StatusCode, HeaderMap, Bytes)>>,
}

impl Store {
    fn of(stack: &Stack) -> Self {
        Self { url: stack.endpoint().url.clone(), http: reqwest::Client::new(), answers: Mutex::default() }
    }
}

async fn replay(
    State(store): State<Arc<Store>>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").map(|target| target.as_bytes().to_vec()).unwrap_or_default();
    let call = [method.as_str().as_bytes(), uri.to_string().as_bytes(), &target, &body].join(&b'\n');
    let known = store.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&call).cloned();
    if let Some(answer) = known {
        return answer.into_response();
    }
    headers.remove("host");
    let asked =
        store.http.request(method, format!("{}{uri}", store.url)).headers(headers).body(body).send().await;
    let Ok(answered) = asked else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, mut headers) = (answered.status(), answered.headers().clone());
    headers.remove("transfer-encoding");
    headers.remove("content-length");
    let Ok(body) = answered.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let answer = (status, headers, body);
    store.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(call, answer.clone());
    answer.into_response()
}
