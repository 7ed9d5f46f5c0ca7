//! Films through the packager: real ones, made ones and hostile ones.

mod authoring;
mod command;
mod conformance;
mod elementary_streams;
mod feeding;
mod ffmpeg;
mod film;
mod find_ffmpeg;
mod fragments;
mod hostile;
mod manifests;
mod matroska;
mod outputs;
mod pictures;
mod probing;
mod properties;
mod reading;
mod shares;
mod sniffing;
mod subtitles;
mod sync;
mod timing;
mod world;
mod writing;
