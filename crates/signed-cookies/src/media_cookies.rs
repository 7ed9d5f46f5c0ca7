//! The cookies of this service: for one content's media, and for all posters.

use anyhow::Context as _;
use tokio::sync::OnceCell;

use crate::key::SigningKey;
use crate::media_keys::MediaKeys;
use crate::policy::Policy;
use crate::sign::SignedCookies;

/// Signs cookies with the current key, which it reads when it is first needed and then keeps.
#[derive(Debug)]
pub struct MediaCookies {
    keys: MediaKeys,
    key_pair_id: String,
    key: OnceCell<SigningKey>,
}

impl MediaCookies {
    /// A signer whose key the CDN knows by `key_pair_id`.
    pub fn new(keys: MediaKeys, key_pair_id: impl Into<String>) -> Self {
        Self { keys, key_pair_id: key_pair_id.into(), key: OnceCell::new() }
    }

    /// `Set-Cookie` values that let everything of one content be fetched, and nothing else.
    ///
    /// # Errors
    /// When the key can't be read.
    pub async fn for_content(&self, content_id: &str, expires_at_unix_s: i64) -> anyhow::Result<Vec<String>> {
        self.sign(&format!("/media/{content_id}/"), expires_at_unix_s).await
    }

    /// `Set-Cookie` values that let posters be fetched, and nothing else.
    ///
    /// # Errors
    /// When the key can't be read.
    pub async fn for_posters(&self, expires_at_unix_s: i64) -> anyhow::Result<Vec<String>> {
        self.sign("/posters/", expires_at_unix_s).await
    }

    async fn sign(&self, folder: &str, expires_at_unix_s: i64) -> anyhow::Result<Vec<String>> {
        let key = self.key.get_or_try_init(|| self.keys.signing_key()).await?;
        // Any scheme and host: the key is trusted by one distribution only, under whatever names it has.
        let policy = Policy { resource: format!("http*://*{folder}*"), expires_at_unix_s };
        let cookies =
            SignedCookies::sign(&policy, &self.key_pair_id, key).context("signing media cookies")?;
        Ok(cookies.set_cookie_headers(folder).collect())
    }
}
