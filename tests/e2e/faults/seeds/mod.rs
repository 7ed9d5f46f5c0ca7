//! Scenarios and faults that follow from seeds: somebody finds here what nobody thought of.
//!
//! A seed says who uploads, aborts and deletes what, in which order messages come (twice, shuffled, two at a time), which of S3's
//! events are lost, whether dead letters are driven again or lost as well, and which calls of which functions go wrong, how, and
//! whether once or until the cause is removed. In the end the reconciler has repaired what was left, and [`check`] reads every table
//! and bucket.
//!
//! `MATINEE_SEEDS=17` plays one seed, `MATINEE_SEEDS=1000..3000` many; a seed that fails is printed with what went wrong in it. What
//! happens at the same time may end in another order when it is played again.

mod check;
mod films;
mod functions;
mod people;
mod schedule;
mod world;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow, ensure};
use tests::World as Stack;

use super::connector::Fault;
use super::sandbox::Sandbox;
pub use films::remembering_ffmpeg;
use films::{BROKEN, ENCODED, TEXT};
use schedule::{FAULTS, Schedule, Strike};
use world::{Plan, Planned, Way, World};

/// What is played without `MATINEE_SEEDS`.
const SEEDS: std::ops::Range<u64> = 0..1000;
/// Those of them that are played on the local AWS as well.
const ON_LOCAL_AWS: std::ops::Range<u64> = 0..6;
/// Scenarios that are played at the same time.
const AT_ONCE: usize = 6;
/// So many failures are enough to look at.
const MANY_FAILURES: usize = 12;
/// Whose calls go wrong, and about how many calls they make in a scenario.
const FUNCTIONS: [(&str, usize); 13] = [
    ("create_upload", 10),
    ("complete_upload", 16),
    ("abort_upload", 6),
    ("create_challenge", 8),
    ("answer_challenge", 14),
    ("retry_upload", 14),
    ("claim_object", 40),
    ("package_video", 80),
    ("plan_encoding", 12),
    ("encode_video", 60),
    ("remove_content", 16),
    ("delete_video", 8),
    ("reconcile", 60),
];

impl Plan {
    fn from_seed(seed: u64) -> (Self, Vec<Strike>) {
        let mut random = fastrand::Rng::with_seed(seed);
        let people = random.usize(1..4);
        let uploads: Vec<_> = (0..random.usize(1..5))
            .map(|_| {
                // Mostly the same bytes: that is where things meet.
                let film = [0, 0, 0, 0, 0, 1, 1, ENCODED, ENCODED, TEXT, BROKEN][random.usize(..11)];
                let way = match random.u8(..10) {
                    0..6 => Way::Parts,
                    6..9 => Way::Proof,
                    _ => Way::BareHash,
                };
                Planned { owner: random.usize(..people), film, way }
            })
            .collect();
        let mut some = |chance: f64| (0..uploads.len()).filter(|_| random.f64() < chance).collect();
        let (aborted, deleted, discarded, unheard) = (some(0.1), some(0.25), some(0.2), some(0.1));
        let plan = Self {
            uploads,
            aborted,
            deleted,
            discarded,
            unheard,
            in_shares: random.f64() < 0.2,
            is_forgetful: random.f64() < 0.3,
            is_patient: random.f64() < 0.15,
            seed,
        };
        let strikes = (0..random.usize(1..8)).map(|_| {
            let (function, calls) = FUNCTIONS[random.usize(..FUNCTIONS.len())];
            Strike {
                function,
                call: random.usize(1..=calls),
                fault: FAULTS[random.usize(..FAULTS.len())],
                for_good: random.f64() < 0.25,
            }
        });
        (plan, strikes.collect())
    }
}

/// Plays a scenario, and answers what went wrong in it.
async fn play(sandbox: &Sandbox, plan: Plan, strikes: Vec<Strike>) -> Result<Vec<String>> {
    let schedule = Schedule::new(strikes);
    let told = format!("{plan:?}");
    let mut world = World::new(sandbox, plan, schedule.clone()).await?;
    // Boxed, because together they are too large for the stack of a thread.
    let outcome = async {
        Box::pin(world.live()).await?;
        Box::pin(check::check(&world)).await?;
        Box::pin(check::clear(&mut world)).await
    };
    let outcome = outcome.await;
    let struck: Vec<_> = schedule.struck().into_iter().collect();
    outcome.with_context(|| format!("{told}\nwith {struck:#?}"))?;
    Ok(struck)
}

/// Plays every one of these scenarios, several at a time, each in tables and buckets of its own: of the stack, if there is one,
/// and in memory otherwise. Answers how many faults there were.
fn play_all(
    stack: Option<&local::Stack>,
    scenarios: impl Fn(u64) -> Option<(Plan, Vec<Strike>)> + Sync,
) -> Result<usize> {
    let (next, faults, failures) = (AtomicU64::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<()> {
        // A scenario in one thread alone: what happens in it follows from its seed, but for leases that end.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        while let Some((plan, strikes)) = scenarios(next.fetch_add(1, Ordering::SeqCst)) {
            let seed = plan.seed;
            let played = runtime.block_on(Box::pin(async {
                let sandbox = match stack {
                    Some(stack) => Sandbox::local(stack).await?,
                    None => Sandbox::in_memory(seed).await?,
                };
                play(&sandbox, plan, strikes).await
            }));
            match played {
                Ok(struck) => drop(faults.fetch_add(struck.len(), Ordering::SeqCst)),
                Err(error) => {
                    let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                    failures.push(format!("MATINEE_SEEDS={seed} fails: {error:?}"));
                    ensure!(failures.len() < MANY_FAILURES, "there are many failures");
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        // One that gave up says nothing that isn't among the failures.
        workers.into_iter().try_for_each(|worker| worker.join().map(drop))
    })
    .map_err(|_| anyhow!("a scenario panicked"))?;
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(failures.is_empty(), "{} scenarios fail:\n{}", failures.len(), failures.join("\n\n"));
    Ok(faults.load(Ordering::SeqCst))
}

fn seeds() -> Result<std::ops::Range<u64>> {
    let Ok(asked) = std::env::var("MATINEE_SEEDS") else { return Ok(SEEDS) };
    let parse = |text: &str| text.parse::<u64>().with_context(|| format!("MATINEE_SEEDS={asked}"));
    match asked.split_once("..") {
        Some((from, to)) => Ok(parse(from)?..parse(to)?),
        None => {
            let seed = parse(&asked)?;
            Ok(seed..seed + 1)
        }
    }
}

fn play_seeds(stack: Option<&local::Stack>, seeds: std::ops::Range<u64>) -> Result<()> {
    let faults = play_all(stack, |index| {
        let seed = seeds.start + index;
        (seed < seeds.end).then(|| Plan::from_seed(seed))
    })?;
    // Fewer would mean that the faults no longer reach the calls.
    let scenarios = usize::try_from(seeds.end - seeds.start)?;
    ensure!(scenarios < 50 || faults > scenarios, "only {faults} faults in {scenarios} scenarios");
    Ok(())
}

#[test]
fn whatever_follows_from_a_seed_ends_well() -> Result<()> {
    play_seeds(None, seeds()?)
}

/// The AWS in memory is not so kind that things end well on it alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_a_seed_ends_well_on_the_local_aws_too() -> Result<()> {
    let Some(stack) = Stack::get().await.stack() else { return Ok(()) };
    tokio::task::block_in_place(|| play_seeds(Some(stack), ON_LOCAL_AWS))
}

/// Two people send the same film, one of them twice, and one a text; one video is deleted, and one upload is given up. Somebody shows that
/// they have that film, and somebody that they know its digest.
fn everything(seed: u64) -> Plan {
    let send = |owner, film, way| Planned { owner, film, way };
    let parts = |owner, film| send(owner, film, Way::Parts);
    let (shown, claimed) = (send(2, 0, Way::Proof), send(3, 0, Way::BareHash));
    Plan {
        uploads: vec![parts(0, 0), parts(1, 0), parts(0, 0), parts(1, TEXT), parts(0, 1), shown, claimed],
        aborted: [4].into(),
        deleted: [1].into(),
        discarded: [].into(),
        unheard: [].into(),
        in_shares: false,
        is_forgetful: false,
        is_patient: false,
        seed,
    }
}

/// The scenario in which a function has the most to do.
fn scenario(function: &str, seed: u64) -> Plan {
    let mut plan = everything(seed);
    match function {
        // Nobody has the film any more while faults still happen.
        "remove_content" => plan.deleted.extend([0, 5]),
        "plan_encoding" | "encode_video" => {
            plan.uploads
                .iter_mut()
                .filter(|upload| upload.film == 0)
                .for_each(|upload| upload.film = ENCODED);
        }
        _ => {}
    }
    plan
}

/// Each of the function's first calls, up to the `deepest`, with one fault, once or for good: the kinds take turns. With
/// `MATINEE_FAULTS=all` each call with every fault, once and for good.
fn at_every_call_of(function: &'static str, deepest: usize) -> Result<()> {
    let kinds = FAULTS.len() * 2;
    let scenarios: Vec<_> = match std::env::var("MATINEE_FAULTS").is_ok_and(|asked| asked == "all") {
        true => (0..deepest * kinds).map(|index| (index / kinds, index % kinds)).collect(),
        // It shares no factor with the number of kinds, so that each has its turn.
        false => (0..deepest).map(|call| (call, call * 3 % kinds)).collect(),
    };
    let scenarios = &scenarios;
    // Packaging ends before it has begun, so that there is something to be tried again.
    let unsent = Strike { function: "package_video", call: 2, fault: Fault::Unsent, for_good: true };
    let cause = (function == "retry_upload").then_some(unsent);
    let faults = play_all(None, |index| {
        let (call, kind) = *scenarios.get(usize::try_from(index).ok()?)?;
        let strike = Strike { function, call: call + 1, fault: FAULTS[kind / 2], for_good: kind % 2 == 1 };
        Some((scenario(function, index), cause.into_iter().chain([strike]).collect()))
    })
    .with_context(|| format!("at the calls of {function}"))?;
    // Which call is the last depends on what meets whom. Fewer would mean that the faults no longer reach the calls.
    ensure!(
        faults * 4 >= scenarios.len() * (3 + 4 * usize::from(cause.is_some())),
        "only {faults} faults at the calls of {function} in {} scenarios",
        scenarios.len()
    );
    Ok(())
}

#[test]
fn every_call_of_the_uploads_functions_may_go_wrong_in_every_way() -> Result<()> {
    at_every_call_of("create_upload", 3)?;
    at_every_call_of("complete_upload", 5)?;
    at_every_call_of("abort_upload", 4)
}

#[test]
fn every_call_of_an_instant_upload_may_go_wrong_in_every_way() -> Result<()> {
    at_every_call_of("create_challenge", 4)?;
    at_every_call_of("answer_challenge", 8)
}

#[test]
fn every_call_of_another_try_may_go_wrong_in_every_way() -> Result<()> {
    at_every_call_of("retry_upload", 6)
}

#[test]
fn every_call_of_encoding_may_go_wrong_in_every_way() -> Result<()> {
    at_every_call_of("plan_encoding", 6)?;
    at_every_call_of("encode_video", 20)
}

#[test]
fn every_call_of_ingest_may_go_wrong_in_every_way() -> Result<()> {
    at_every_call_of("claim_object", 12)?;
    at_every_call_of("package_video", 16)
}

#[test]
fn every_call_of_what_deletes_may_go_wrong_in_every_way() -> Result<()> {
    at_every_call_of("remove_content", 6)?;
    at_every_call_of("delete_video", 3)
}

#[test]
fn every_call_of_the_reconciler_may_go_wrong_in_every_way() -> Result<()> {
    at_every_call_of("reconcile", 16)
}
