//! The service as its users meet it, over HTTP, and what must hold behind the API.

mod catalog;
mod contract;
mod faults;
mod films;
mod ingest;
mod lambda_events;
mod playback;
mod rights;
mod sessions;
mod uploads;
