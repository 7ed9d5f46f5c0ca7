//! Base64 with the three characters replaced that mean something in a cookie or a query.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text.replace('-', "+").replace('_', "=").replace('~', "/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_and_safe_in_a_cookie(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte)));
            prop_assert_eq!(decode(&text), Some(bytes));
        }
    }
}
