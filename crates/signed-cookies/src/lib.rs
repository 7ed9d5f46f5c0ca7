//! CloudFront's signed cookies with a custom policy: made, and verified as CloudFront does.
//!
//! A policy names the addresses that may be fetched (`*` and `?` are wildcards) and until when. It is signed with
//! ECDSA P-256 over SHA-256. The form is that of the CloudFront developer guide, «Set signed cookies using a custom
//! policy»: base64 in which `+`, `=` and `/` become `-`, `_` and `~`, the signature in ASN.1 DER.

mod encoding;
mod key;
mod media_cookies;
mod media_keys;
mod policy;
mod sign;
mod verify;

pub use key::{InvalidKey, PublicKey, SigningKey};
pub use media_cookies::MediaCookies;
pub use media_keys::MediaKeys;
pub use policy::Policy;
pub use sign::{COOKIE_NAMES, SignedCookies};
pub use verify::{Refusal, Verifier};
