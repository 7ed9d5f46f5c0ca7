//! The headers that `infra/cdn.yaml` adds to every answer.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

/// What pages may load, and that they may send parts of films to the upload bucket at `uploads`.
pub fn content_security_policy(uploads: &str) -> String {
    format!(
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self' {uploads}; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// What pages may ask the browser for: nothing of these.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()";

/// Adds them. Strict-Transport-Security is left out: there is no TLS on this machine to insist on.
pub fn secure(response: &mut Response, content_security_policy: &str) {
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_SECURITY_POLICY, content_security_policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("permissions-policy"), PERMISSIONS);
}

#[cfg(test)]
mod tests {
    use super::{PERMISSIONS, content_security_policy};

    #[test]
    fn the_permissions_are_those_of_the_template() {
        assert!(include_str!("../../../infra/cdn.yaml").contains(&format!("Value: {PERMISSIONS}\n")));
    }

    #[test]
    fn the_policy_is_the_one_of_the_template() {
        let template = include_str!("../../../infra/cdn.yaml");
        let start = template.find("default-src").expect("the template has a policy");
        let end = start + template[start..].find("StrictTransportSecurity").expect("another header follows");
        let folded: Vec<_> = template[start..end].split_whitespace().collect();
        let here = content_security_policy("https://${UploadBucketHost}");
        assert_eq!(folded.join(" "), here.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}
