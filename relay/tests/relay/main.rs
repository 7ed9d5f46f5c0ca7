//! A relay in this process (or its program) between a source and viewers that do what a test tells them.

mod bad_sources;
mod bad_store;
mod bad_viewers;
mod ends;
mod feeding;
mod ordinary;
mod packets;
mod process;
mod rights;
mod slow_viewers;
mod source;
mod store;
mod viewer;
mod world;
