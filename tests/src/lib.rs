//! The world that the end-to-end tests live in: one running service, people in it, films for it.
//!
//! `MATINEE_SITE` names a deployed stack to be tested instead of one that is started for the tests, and
//! `MATINEE_PEOPLE` the accounts in it (`publisher=a@example.org:password,publisher=…,viewer=…,admin=…`). Tests that must look
//! behind the API then say so and pass.

mod answer;
mod film;
mod live;
mod person;
mod upload;
mod world;

pub use answer::Answer;
pub use film::{Film, sample};
pub use live::{Got, Studio, Ticket, Viewer};
pub use person::Person;
pub use upload::{Part, announce, digest_of, put, sha256};
pub use world::{World, eventually};
