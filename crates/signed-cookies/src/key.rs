//! The key pair: the private half signs in the functions, the public half verifies in the CDN.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING};
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Base64 characters in a line of a PEM file (RFC 7468, section 2).
const PEM_LINE: usize = 64;
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// The key is not of the form that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no ECDSA P-256 key of the expected form")]
pub struct InvalidKey;

/// An ECDSA P-256 key that signs policies. Its `Debug` output doesn't show the key.
#[derive(Debug)]
pub struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    /// A new key, as PKCS#8 DER.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Vec<u8>, InvalidKey> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        Ok(document.map_err(|_| InvalidKey)?.as_ref().to_vec())
    }

    /// The key in a PKCS#8 DER document.
    ///
    /// # Errors
    /// When the document holds something else.
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, InvalidKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document);
        Ok(Self(pair.map_err(|_| InvalidKey)?))
    }

    /// The public half as a PEM file, as CloudFront takes it.
    ///
    /// # Errors
    /// When the key can't be encoded, which a valid key always can.
    pub fn public_key_pem(&self) -> Result<String, InvalidKey> {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().map_err(|_| InvalidKey)?;
        let body = BASE64_STANDARD.encode(der.as_ref());
        let mut pem = format!("{PEM_BEGIN}\n");
        for line in body.as_bytes().chunks(PEM_LINE) {
            pem.extend(line.iter().map(|&byte| char::from(byte)));
            pem.push('\n');
        }
        Ok(pem + PEM_END + "\n")
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, InvalidKey> {
        let signature = self.0.sign(&SystemRandom::new(), message);
        Ok(signature.map_err(|_| InvalidKey)?.as_ref().to_vec())
    }
}

/// The half of a key that verifies.
#[derive(Clone, Debug)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// The key in a PEM file.
    ///
    /// # Errors
    /// When the file is no PEM of a public key. That the key is of the right curve shows only when it verifies.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        let body = pem.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let body: String = body.ok_or(InvalidKey)?.split_whitespace().collect();
        Ok(Self(BASE64_STANDARD.decode(body).map_err(|_| InvalidKey)?))
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0).verify(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by: openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 -nocrypt (and openssl ec -pubout),
    // the signature by: printf %s 'signed by openssl' | openssl dgst -sha256 -sign key.pem
    const OPENSSL_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwh582SEThj29b08i37MUDGayqhcx\nhH/0d9ovK1/VM5deWjVROY4ihe/nxok3pnrXAKeTg6Crmh70im2mNDu1Wg==\n-----END PUBLIC KEY-----\n";
    const OPENSSL_PRIVATE: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBChu5xhPIBEdbTQe7qMYKr0YyU4/3fM9vO4ocSuCGMOhRANCAATCHnzZIROGPb1vTyLfsxQMZrKqFzGEf/R32i8rX9Uzl15aNVE5jiKF7+fGiTemetcAp5ODoKuaHvSKbaY0O7Va";
    const OPENSSL_SIGNATURE: &str =
        "MEUCIQCH6dV7px+xZk00LssmtQ0FygXdsv2twEY8278Ss3bI7wIgYqpYUYyb2xfWhGuKcyIQ+Upag6CbGkox+wzHKQRr5Xg=";

    #[test]
    fn what_openssl_signed_is_verified() {
        let key = PublicKey::from_pem(OPENSSL_PUBLIC).expect("a public key");
        let signature = BASE64_STANDARD.decode(OPENSSL_SIGNATURE).expect("base64");
        assert!(key.verifies(b"signed by openssl", &signature));
        assert!(!key.verifies(b"signed by somebody", &signature));
    }

    #[test]
    fn the_public_half_is_the_one_that_openssl_derives() {
        let document = BASE64_STANDARD.decode(OPENSSL_PRIVATE).expect("base64");
        let key = SigningKey::from_pkcs8(&document).expect("a private key");
        assert_eq!(key.public_key_pem().expect("PEM"), OPENSSL_PUBLIC);
    }

    #[test]
    fn a_generated_key_signs_what_its_public_half_verifies() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().expect("a key")).expect("a key");
        let public = PublicKey::from_pem(&key.public_key_pem().expect("PEM")).expect("a public key");
        let signature = key.sign(b"policy").expect("a signature");
        assert!(public.verifies(b"policy", &signature));
    }

    #[test]
    fn a_key_of_another_form_is_refused() {
        assert!(SigningKey::from_pkcs8(b"no key").is_err());
        assert!(PublicKey::from_pem("-----BEGIN CERTIFICATE-----").is_err());
    }
}
