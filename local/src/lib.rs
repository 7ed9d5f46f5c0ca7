//! The whole of Matinee on one machine: what `cargo run` starts, as a library for tests.
//!
//! [`Stack::start`] builds what is outdated, starts the local AWS, deploys `template.yaml` into it as it is, runs the relay
//! beside it, and plays CloudFront's part in front. There is no second implementation of storage, queues or routing: what
//! passes here is what deploys.

pub mod all_tests;
pub mod cdn;
pub mod check_api;
pub mod client;
pub mod demo;
pub mod demo_world;
pub mod deployment;
pub mod emulator;
pub mod endpoint;
pub mod film;
pub mod given_up;
pub mod layers;
pub mod live;
pub mod live_demo;
pub mod mails;
pub mod password;
pub mod people;
pub mod port;
pub mod project;
pub mod reconcile;
pub mod redrive;
pub mod running;
pub mod setup;
pub mod signed_request;
pub mod site;
pub mod stack;
pub mod stamp;
pub mod step;
pub mod tools;
pub mod upload;

pub use deployment::{Deployment, Function};
pub use endpoint::Endpoint;
pub use project::Project;
pub use stack::{Options, Stack};
