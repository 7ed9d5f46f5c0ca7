//! What happens in a test: who sent what, and which workers run when.

use proptest::prelude::*;

use crate::memory_dynamodb::Fate;

/// An upload that is complete in S3.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub owner: u8,
    /// Equal numbers are equal bytes.
    pub bytes: u8,
    /// Whether S3 has verified the digest; otherwise packaging computes it.
    pub is_verified: bool,
    /// Whether it is ready before its outputs are written, which only what S3 has verified can be.
    pub is_promised: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    Claim,
    Package,
    Remove,
    Delete,
    /// The completion's own record that all parts are there. S3's event may be faster.
    Complete,
    /// The owner takes an upload off their list.
    Abort,
    /// The last try to package fails.
    GiveUp,
    /// The owner asks for another try.
    Retry,
    /// The owner shows that they have the bytes.
    Prove,
}

/// One worker's doing.
#[derive(Clone, Debug)]
pub struct Run {
    pub job: Job,
    /// Which upload it is about, or its content, or its video.
    pub upload: usize,
    /// Whether S3 sends its event once more.
    pub is_repeat: bool,
    pub lease_ms: u64,
    pub fates: Vec<Fate>,
    pub yields: Vec<u8>,
}

impl Run {
    /// One that nothing goes wrong for.
    pub fn undisturbed(job: Job, upload: usize) -> Self {
        Self { job, upload, is_repeat: false, lease_ms: 0, fates: Vec::new(), yields: Vec::new() }
    }
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub uploads: Vec<Given>,
    /// These bytes are no video.
    pub bad_bytes: Option<u8>,
    /// The runs of a round happen at the same time.
    pub rounds: Vec<Vec<Run>>,
}

/// Mostly the same bytes, and workers that meet: that is where things can go wrong.
pub fn scenarios(with_deletion: bool, with_failures: bool) -> impl Strategy<Value = Scenario> {
    let bytes = prop_oneof![4 => Just(0u8), 1 => Just(1u8)];
    let kind = (prop::bool::weighted(0.7), prop::bool::weighted(0.7));
    let given = (0u8..3, bytes, kind).prop_map(|(owner, bytes, (is_verified, is_promised))| Given {
        owner,
        bytes,
        is_verified,
        is_promised,
    });
    let uploads = prop::collection::vec(given, 1..=4);
    let bad_bytes = prop::option::weighted(0.25, 0u8..2);
    (uploads, bad_bytes, any::<[bool; 2]>()).prop_flat_map(
        move |(uploads, bad_bytes, [is_brought, is_packaged])| {
            let rounds = prop::collection::vec(round(uploads.len(), with_deletion, with_failures), 1..=5);
            rounds.prop_map(move |mut rounds| {
                // Others often come when the first upload is there already.
                let before = [(is_packaged && is_brought, Job::Package), (is_brought, Job::Claim)];
                for (_, job) in before.into_iter().filter(|(is_done, _)| *is_done) {
                    rounds.insert(0, vec![Run::undisturbed(job, 0)]);
                }
                Scenario { uploads: uploads.clone(), bad_bytes, rounds }
            })
        },
    )
}

fn round(uploads: usize, with_deletion: bool, with_failures: bool) -> impl Strategy<Value = Vec<Run>> {
    prop::collection::vec(run(uploads, with_deletion, with_failures), 1..=6)
}

fn run(uploads: usize, with_deletion: bool, with_failures: bool) -> impl Strategy<Value = Run> {
    let job = prop_oneof![
        4 => Just(Job::Claim),
        4 => Just(Job::Package),
        1 => Just(Job::Remove),
        3 => Just(if with_deletion { Job::Delete } else { Job::Claim }),
        1 => Just(if with_deletion { Job::Abort } else { Job::Claim }),
        2 => Just(Job::Complete),
        3 => Just(if with_failures { Job::GiveUp } else { Job::Package }),
        3 => Just(if with_failures { Job::Retry } else { Job::Package }),
        2 => Just(Job::Prove),
    ];
    let fate = prop_oneof![
        24 => Just(Fate::Answered),
        1 => Just(Fate::Lost),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Conflict),
        1 => Just(Fate::DeathBefore),
        1 => Just(Fate::DeathAfter),
    ];
    let fates = prop::collection::vec(fate, 0..8);
    let yields = prop::collection::vec(0u8..8, 8);
    let lease_ms = prop_oneof![Just(0u64), Just(3u64)];
    (job, 0..uploads, prop::bool::weighted(0.2), lease_ms, fates, yields).prop_map(
        |(job, upload, is_repeat, lease_ms, fates, yields)| Run {
            job,
            upload,
            is_repeat,
            lease_ms,
            fates,
            yields,
        },
    )
}
