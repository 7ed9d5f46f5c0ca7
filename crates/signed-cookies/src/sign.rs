//! Signing.

use crate::encoding::encode;
use crate::key::{InvalidKey, SigningKey};
use crate::policy::Policy;

/// The names of the cookies, in the order in which [`SignedCookies`] holds their values.
pub const COOKIE_NAMES: [&str; 4] =
    ["CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id", "CloudFront-Hash-Algorithm"];

/// The name that CloudFront gives to SHA-256; without the cookie it takes SHA-1.
pub(crate) const HASH_ALGORITHM: &str = "SHA256";

/// Four cookies that together give a permission. `Debug` output names them without their values.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCookies([String; 4]);

impl SignedCookies {
    /// Signs a policy with the key that the CDN knows by `key_pair_id`.
    ///
    /// # Errors
    /// When the key can't sign.
    pub fn sign(policy: &Policy, key_pair_id: &str, key: &SigningKey) -> Result<Self, InvalidKey> {
        let json = policy.to_json().map_err(|_| InvalidKey)?;
        let signature = key.sign(json.as_bytes())?;
        let (policy, signature) = (encode(json.as_bytes()), encode(&signature));
        Ok(Self([policy, signature, key_pair_id.to_owned(), HASH_ALGORITHM.to_owned()]))
    }

    /// The cookies as name and value.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        COOKIE_NAMES.into_iter().zip(self.0.iter().map(String::as_str))
    }

    /// The values of `Set-Cookie` headers that give the cookies to a browser, for addresses below `path` only.
    pub fn set_cookie_headers(&self, path: &str) -> impl Iterator<Item = String> {
        self.pairs().map(move |(name, value)| {
            // No Max-Age: the signature has an end of its own, and the browser's end comes first.
            format!("{name}={value}; Path={path}; Secure; HttpOnly; SameSite=Strict")
        })
    }
}

impl std::fmt::Debug for SignedCookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SignedCookies").field(&COOKIE_NAMES).finish()
    }
}
