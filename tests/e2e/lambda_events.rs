//! Each function runs its event under AWS's own Lambda runtime emulator.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tests::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::contract::{event_file, functions};

/// The wheel of the SAM command line carries the emulator.
const WHEEL: &str = "aws-sam-cli==1.170.0";
const UNPACK: &str = "import sys,glob,zipfile,os
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + '/aws_sam_cli-*.whl')[0])
path = sys.argv[1] + '/aws-lambda-rie'
open(path, 'wb').write(wheel.read('samcli/local/rapid/aws-lambda-rie-x86_64'))
os.chmod(path, 0o755)";

async fn emulator(project: &local::Project) -> Result<std::path::PathBuf> {
    let folder = project.root.join(".matinee/aws-lambda-rie");
    let program = folder.join("aws-lambda-rie");
    if !program.exists() {
        std::fs::create_dir_all(&folder)?;
        let python = project.python();
        let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest"];
        let fetched = Command::new(&python).args(download).arg(&folder).arg(WHEEL).status().await?;
        ensure!(fetched.success(), "{WHEEL} could not be fetched");
        ensure!(Command::new(&python).args(["-c", UNPACK]).arg(&folder).status().await?.success(), "{WHEEL}");
    }
    Ok(program)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Runs one function in the emulator and answers what it answers to its event.
async fn invoke(
    program: &std::path::Path,
    stack: &local::Stack,
    id: &str,
    area: &str,
    event: &Value,
) -> Result<Value> {
    let project = local::Project::find()?;
    let (port, runtime_port) = (free_port()?, free_port()?);
    let environment = stack.function_env(id)?;
    let handler = environment.get("_HANDLER").context("a handler")?.clone();
    let mut process = Command::new(program)
        .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")])
        .args(["--runtime-api-address", &format!("127.0.0.1:{runtime_port}")])
        .arg(project.binaries().join(area))
        .arg(handler)
        .env_clear()
        .envs(environment)
        // What layers bring.
        .env("PATH", local::layers::path(&project).await?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations");
    let started = Instant::now();
    loop {
        match reqwest::Client::new().post(&url).json(event).send().await {
            Ok(answer) => {
                let text = answer.text().await?;
                process.kill().await?;
                // A streamed answer is its status and headers in JSON, eight zero bytes, and its body.
                let head = text.split("\0\0\0\0\0\0\0\0").next().unwrap_or_default();
                return serde_json::from_str(head).with_context(|| format!("{id} answered {text}"));
            }
            Err(error) if started.elapsed() > Duration::from_secs(20) => {
                bail!("{id} does not answer: {error}");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[tokio::test]
async fn every_function_handles_its_event_in_the_runtime_emulator() -> Result<()> {
    let Some(stack) = World::get().await.stack() else { return Ok(()) };
    let program = emulator(&local::Project::find()?).await?;
    let cloudformation = TcpListener::bind(("127.0.0.1", 0)).await?;
    let answers_to = format!("http://{}/answer", cloudformation.local_addr()?);
    for (id, properties) in functions()? {
        let mut event: Value = serde_json::from_str(&std::fs::read_to_string(event_file(&id))?)?;
        let is_custom_resource = event.get("ResponseURL").is_some();
        if is_custom_resource {
            event["ResponseURL"] = json!(answers_to);
        }
        let code = template_binary(&id)?;
        let invocation = invoke(&program, stack, &id, &code, &event);
        let answer = if is_custom_resource {
            let (answer, told) = tokio::join!(invocation, told(&cloudformation));
            let told = told?;
            ensure!(told["Status"] == "SUCCESS", "CloudFormation was told {told}");
            if id == "CreateMediaKey" {
                let pem = told["Data"]["PublicKeyPem"].as_str().unwrap_or_default();
                ensure!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "CloudFormation was told {told}");
            }
            answer?
        } else {
            invocation.await?
        };
        ensure!(answer.get("errorMessage").is_none(), "{id} failed: {answer}");
        if id == "ServeOutput" {
            ensure!(answer["statusCode"] == 404, "there is no such film, and it answered {answer}");
        }
        let is_api = properties["Events"]
            .as_object()
            .is_some_and(|events| events.values().any(|event| event["Type"] == "HttpApi"));
        if is_api {
            let status = answer["statusCode"].as_u64().with_context(|| format!("{id} answered {answer}"))?;
            ensure!((200..500).contains(&status), "{id} answered {answer}");
        }
    }
    Ok(())
}

/// Which binary the template builds a function from.
fn template_binary(id: &str) -> Result<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"))?;
    let block = text.split(&format!("\n  {id}:\n")).nth(1).context("the template has the function")?;
    let line = block.lines().find(|line| line.contains("Binary:")).context("the function has a binary")?;
    let name = line.split("Binary:").nth(1).unwrap_or_default();
    Ok(name.trim_matches(|c: char| c.is_whitespace() || c == '}').to_owned())
}

/// Plays the address that CloudFormation waits at: the body of the one request that comes.
async fn told(listener: &TcpListener) -> Result<Value> {
    let (mut stream, _) = listener.accept().await?;
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await?;
        request.extend(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(answer) = serde_json::from_str(body)
        {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
            return Ok(answer);
        }
        ensure!(read > 0, "the request ended early: {text}");
    }
}
