//! Tickets: the right to begin watching as one viewer, for some minutes. The register function signs them, a relay verifies
//! them without a call.
//!
//! As text: `{when it expires, in unix seconds}.{id of the key}.{Ed25519 signature, base64url without padding}`, at most 116
//! characters. Signed is `matinee-live-ticket`, a zero byte, the viewer's id, a zero byte, and the time as in the text.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ViewerId;

/// How long a ticket holds, in seconds.
pub const TICKET_LIFETIME_S: u64 = 600;

/// The clocks of whoever signs and whoever verifies may differ by so much, in seconds.
pub const CLOCK_SKEW_S: u64 = 60;

const PURPOSE: &[u8] = b"matinee-live-ticket\0";

/// Why a ticket gives no right.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TicketError {
    /// It isn't of the form that tickets have.
    #[error("this is no ticket")]
    Malformed,
    /// It was good once.
    #[error("the ticket has expired")]
    Expired,
    /// It was signed with a key that was withdrawn, or never was ours.
    #[error("the ticket's key is unknown")]
    UnknownKey,
    /// It is forged, or somebody else's.
    #[error("the ticket's signature is wrong")]
    BadSignature,
}

/// A document that holds no Ed25519 key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("this is no Ed25519 key")]
pub struct InvalidKey;

/// Names a key: eight base64url characters, made from its public half.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    const LEN: usize = 8;

    fn of(public_key: &[u8]) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(&digest(&SHA256, public_key).as_ref()[..6]))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let fits = text.len() == Self::LEN
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidKey) }
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that signs tickets. Its `Debug` output doesn't show it.
#[derive(Debug)]
pub struct SigningKey {
    id: KeyId,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new key, as PKCS#8 DER.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Vec<u8>, InvalidKey> {
        let pair = Ed25519KeyPair::generate().map_err(|_| InvalidKey)?;
        Ok(pair.to_pkcs8().map_err(|_| InvalidKey)?.as_ref().to_vec())
    }

    /// The key in a PKCS#8 DER document.
    ///
    /// # Errors
    /// When the document holds something else.
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, InvalidKey> {
        let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|_| InvalidKey)?;
        Ok(Self { id: KeyId::of(pair.public_key().as_ref()), pair })
    }

    /// What names it in tickets.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The public half: 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// A ticket for this viewer until `expires_at_s`, in unix seconds.
    #[must_use]
    pub fn sign(&self, viewer: &ViewerId, expires_at_s: u64) -> String {
        let signature = self.pair.sign(&message(viewer, expires_at_s));
        format!("{expires_at_s}.{}.{}", self.id, BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The public halves of all keys whose tickets are good.
#[derive(Clone, Debug, Default)]
pub struct VerifyingKeys(HashMap<String, Vec<u8>>);

impl VerifyingKeys {
    /// These keys, each the 32 bytes of a public half.
    pub fn new(public_keys: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(public_keys.into_iter().map(|key| (KeyId::of(&key).0, key)).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none: then no ticket is good.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this ticket gives this viewer the right to watch at `now_s`, in unix seconds.
    ///
    /// # Errors
    /// Says why it doesn't. Whoever presented it is not to be told.
    pub fn verify(&self, ticket: &str, viewer: &ViewerId, now_s: u64) -> Result<(), TicketError> {
        let mut parts = ticket.split('.');
        let (Some(expires), Some(key_id), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TicketError::Malformed);
        };
        let expires_at_s: u64 = expires.parse().map_err(|_| TicketError::Malformed)?;
        // Seconds have one spelling, for it is the number that is signed: "+1" and "01" are no times.
        if expires_at_s.to_string() != expires {
            return Err(TicketError::Malformed);
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| TicketError::Malformed)?;
        if expires_at_s.saturating_add(CLOCK_SKEW_S) < now_s {
            return Err(TicketError::Expired);
        }
        let key = self.0.get(key_id).ok_or(TicketError::UnknownKey)?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&message(viewer, expires_at_s), &signature)
            .map_err(|_| TicketError::BadSignature)
    }
}

fn message(viewer: &ViewerId, expires_at_s: u64) -> Vec<u8> {
    [PURPOSE, viewer.as_str().as_bytes(), b"\0", expires_at_s.to_string().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW_S: u64 = 1_790_000_000;

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(&SigningKey::generate().expect("a key")).expect("a key")
    }

    fn keys(of: &[&SigningKey]) -> VerifyingKeys {
        VerifyingKeys::new(of.iter().map(|key| key.public_key().to_vec()))
    }

    fn viewer(id: &str) -> ViewerId {
        id.parse().expect("an id")
    }

    #[test]
    fn a_ticket_is_good_for_its_viewer_until_it_expires_and_a_little_longer() {
        let key = key();
        let ticket = key.sign(&viewer("anna"), NOW_S);
        assert!(ticket.len() <= 116, "{ticket}");
        let keys = keys(&[&key]);
        for now_s in [0, NOW_S - TICKET_LIFETIME_S - CLOCK_SKEW_S, NOW_S, NOW_S + CLOCK_SKEW_S] {
            assert_eq!(keys.verify(&ticket, &viewer("anna"), now_s), Ok(()), "{now_s}");
        }
        let late = NOW_S + CLOCK_SKEW_S + 1;
        assert_eq!(keys.verify(&ticket, &viewer("anna"), late), Err(TicketError::Expired));
        assert_eq!(keys.verify(&ticket, &viewer("ann"), NOW_S), Err(TicketError::BadSignature));
    }

    #[test]
    fn tickets_of_the_last_key_and_of_this_one_are_good_at_once() {
        let (old, new) = (key(), key());
        let both = keys(&[&old, &new]);
        for key in [&old, &new] {
            assert_eq!(both.verify(&key.sign(&viewer("anna"), NOW_S), &viewer("anna"), NOW_S), Ok(()));
        }
        let ticket = old.sign(&viewer("anna"), NOW_S);
        assert_eq!(keys(&[&new]).verify(&ticket, &viewer("anna"), NOW_S), Err(TicketError::UnknownKey));
        assert_eq!(
            VerifyingKeys::default().verify(&ticket, &viewer("anna"), NOW_S),
            Err(TicketError::UnknownKey)
        );
    }

    #[test]
    fn what_is_no_ticket_is_refused() {
        let keys = keys(&[&key()]);
        for text in [
            "",
            ".",
            "..",
            "a.b.c",
            "1.2",
            "1.2.3.4",
            "+1.abcdefgh.AA",
            "01.abcdefgh.AA",
            "99999999999999999999.a.AA",
        ] {
            assert_eq!(keys.verify(text, &viewer("anna"), NOW_S), Err(TicketError::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_ticket_with_any_other_byte_is_refused(at in 0usize..200, byte in 0x21u8..0x7f) {
            let key = key();
            let mut ticket = key.sign(&viewer("anna"), NOW_S).into_bytes();
            let at = at % ticket.len();
            prop_assume!(ticket[at] != byte);
            ticket[at] = byte;
            let ticket = String::from_utf8(ticket).expect("ASCII");
            prop_assert!(keys(&[&key]).verify(&ticket, &viewer("anna"), NOW_S).is_err());
        }

        #[test]
        fn no_text_makes_the_verifier_panic(text in ".{0,200}") {
            prop_assert!(keys(&[&key()]).verify(&text, &viewer("anna"), NOW_S).is_err());
        }
    }
}
