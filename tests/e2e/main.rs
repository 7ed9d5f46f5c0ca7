//! The service as its users meet it, over HTTP, and what must hold behind the API.

mod accounts;
mod admins;
mod again;
mod catalog;
mod contract;
mod curl_uploads;
mod door;
mod encoding;
mod faults;
mod films;
mod health;
mod ingest;
mod instant;
mod lambda_events;
mod live;
mod logs;
mod memory_aws;
mod new_devices;
mod playback;
mod promises;
mod quota;
mod rights;
mod security;
mod sessions;
mod uploads;
mod viewers;
