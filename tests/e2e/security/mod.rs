//! What an attacker would try over HTTP.

mod cross_site;
mod headers;
mod ids;
mod presigned;
mod roles;
