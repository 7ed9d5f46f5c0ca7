//! Films through the packager: real ones, made ones and hostile ones.

mod elementary_streams;
mod film;
mod hostile;
mod manifests;
mod outputs;
mod probing;
mod properties;
mod sniffing;
mod timing;
mod world;
mod writing;
