//! One service for all tests of a process.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use local::{Options, Stack};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::person::Person;

/// The service under test.
#[derive(Debug)]
pub struct World {
    /// Scheme, host and port.
    pub site: String,
    stack: Option<Stack>,
    /// Accounts in a stack that is not ours: role, e-mail and password, taken in turn.
    people: Mutex<Vec<(String, String, String)>>,
}

static WORLD: OnceCell<World> = OnceCell::const_new();

/// How long what has to become true may take on a machine that does much else: encoding, in the tests that run beside.
const PATIENCE: Duration = Duration::from_secs(240);

/// Everybody's password in stacks of our own.
const PASSWORD: &str = "Correct horse 7 battery";

impl World {
    /// The world of this process, started when it is first asked for.
    ///
    /// # Panics
    /// When it can't be started: no test makes sense then.
    pub async fn get() -> &'static Self {
        WORLD.get_or_init(|| async { Self::start().await.expect("the service did not start") }).await
    }

    async fn start() -> Result<Self> {
        if let Ok(site) = std::env::var("MATINEE_SITE") {
            let people = std::env::var("MATINEE_PEOPLE").context("MATINEE_PEOPLE names the accounts")?;
            let people = people.split(',').map(person_in).collect::<Result<_>>()?;
            return Ok(Self {
                site: site.trim_end_matches('/').to_owned(),
                stack: None,
                people: Mutex::new(people),
            });
        }
        let parameters = vec![("Tracing".to_owned(), "Active".to_owned())];
        let options = Options { pages: true, live: true, parameters, ..Options::default() };
        let stack = Stack::start(options).await?;
        Ok(Self { site: stack.site_url().to_owned(), stack: Some(stack), people: Mutex::default() })
    }

    /// The stack, for tests that look behind the API; none when the service is not ours.
    #[must_use]
    pub fn stack(&self) -> Option<&Stack> {
        if self.stack.is_none() {
            eprintln!("not tried: this test looks behind the API of a stack of its own");
        }
        self.stack.as_ref()
    }

    /// Somebody new who is signed in, in the group of that name. In a stack that is not ours, the next account of that role.
    ///
    /// # Errors
    /// When they can't be made or can't sign in.
    pub async fn person(&self, role: &str) -> Result<Person> {
        let (email, password) = self.account(role).await?;
        Person::sign_in(&self.site, &email, &password).await
    }

    /// An account that nobody is signed in with yet: e-mail and password.
    ///
    /// # Errors
    /// As for [`World::person`].
    pub async fn account(&self, role: &str) -> Result<(String, String)> {
        if let Some(stack) = &self.stack {
            let email = format!("{role}-{}@example.org", Uuid::now_v7().simple());
            stack.create_user(&email, PASSWORD, role).await?;
            return Ok((email, PASSWORD.to_owned()));
        }
        let mut people = self.people.lock().map_err(|_| anyhow::anyhow!("a test panicked"))?;
        let at = people.iter().position(|(found, ..)| found == role);
        let account = people.remove(at.with_context(|| format!("MATINEE_PEOPLE names no {role}"))?);
        people.push(account.clone());
        Ok((account.1, account.2))
    }
}

fn person_in(entry: &str) -> Result<(String, String, String)> {
    let (role, account) = entry.split_once('=').context("an account is role=e-mail:password")?;
    let (email, password) = account.split_once(':').context("an account is role=e-mail:password")?;
    Ok((role.to_owned(), email.to_owned(), password.to_owned()))
}

/// Asks again and again until there is an answer, for what becomes true after a while.
///
/// # Errors
/// What `what` says, after some minutes.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("{what} did not come true in time")
}
