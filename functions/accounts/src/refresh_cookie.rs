use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::{COOKIE, HeaderName, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::AppendHeaders;
use cookie::{Cookie, SameSite};
use http_api::Problem;

const NAME: &str = "matinee_refresh";
const PATH: &str = "/api/session";

/// The cookie that carries a session from one access token to the next: `<user id>.<refresh token>`.
///
/// Cognito wants the user's id, which the refresh token does not reveal, to take the token back. A wrong id gains
/// nothing: the token is then refused.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RefreshCookie {
    pub user_id: String,
    pub refresh_token: String,
}

/// A `Set-Cookie` header, to go into an answer beside its body.
pub(crate) type SetCookie = AppendHeaders<[(HeaderName, String); 1]>;

impl RefreshCookie {
    /// Gives the cookie to the browser, for as long as Cognito takes the token.
    pub(crate) fn set(&self, validity: Duration) -> SetCookie {
        let max_age = i64::try_from(validity.as_secs()).unwrap_or(i64::MAX);
        let value = format!("{}.{}", self.user_id, self.refresh_token);
        AppendHeaders([(SET_COOKIE, cookie(value, max_age))])
    }

    /// Takes the cookie away from the browser.
    pub(crate) fn clear() -> SetCookie {
        AppendHeaders([(SET_COOKIE, cookie(String::new(), 0))])
    }

    /// The same problem, with the cookie taken away: it is of no more use.
    pub(crate) fn clear_with(problem: Problem) -> Problem {
        match HeaderValue::try_from(cookie(String::new(), 0)) {
            Ok(value) => problem.with_header(SET_COOKIE, value),
            Err(_) => problem,
        }
    }

    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let cookies = lines.flat_map(Cookie::split_parse).flatten();
        let mut found = cookies.filter(|cookie| cookie.name() == NAME);
        let (found, other) = (found.next()?, found.next());
        // A browser sends another one beside ours if somebody else planted it for another path or domain, and maybe in front.
        if other.is_some() {
            return None;
        }
        let (user_id, refresh_token) = found.value().split_once('.')?;
        let is_whole = !user_id.is_empty() && !refresh_token.is_empty();
        is_whole.then(|| Self { user_id: user_id.to_owned(), refresh_token: refresh_token.to_owned() })
    }
}

fn cookie(value: String, max_age_s: i64) -> String {
    Cookie::build((NAME, value))
        .path(PATH)
        .max_age(cookie::time::Duration::seconds(max_age_s))
        .http_only(true)
        .secure(true)
        .same_site(SameSite::Strict)
        .to_string()
}

impl<S: Sync> OptionalFromRequestParts<S> for RefreshCookie {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(Self::from_headers(&parts.headers))
    }
}

impl<S: Sync> FromRequestParts<S> for RefreshCookie {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::from_headers(&parts.headers).ok_or_else(Problem::session_ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, line.parse().expect("it is a header"));
        }
        RefreshCookie::from_headers(&headers).map(|found| (found.user_id, found.refresh_token))
    }

    #[test]
    fn the_token_may_hold_dots_and_the_cookie_others_beside_it() {
        let expected = Some(("u-1".to_owned(), "eyJ.a.b".to_owned()));
        assert_eq!(read(&["a=b; matinee_refresh=u-1.eyJ.a.b; c=d"]), expected);
        assert_eq!(read(&["a=b", "matinee_refresh=u-1.eyJ.a.b"]), expected);
    }

    #[test]
    fn what_is_no_session_is_none() {
        for line in
            ["", "a=b", "matinee_refresh=", "matinee_refresh=x", "matinee_refresh=.t", "matinee_refresh=u."]
        {
            assert_eq!(read(&[line]), None, "{line}");
        }
    }

    #[test]
    fn of_two_sessions_neither_is_taken() {
        assert_eq!(read(&["matinee_refresh=u-2.planted; matinee_refresh=u-1.own"]), None);
        assert_eq!(read(&["matinee_refresh=u-1.own", "matinee_refresh=u-2.planted"]), None);
    }

    #[test]
    fn scripts_other_sites_and_other_paths_never_see_it() {
        let cookie = RefreshCookie { user_id: "u-1".to_owned(), refresh_token: "t".to_owned() };
        let AppendHeaders([(_, value)]) = cookie.set(Duration::from_secs(60));
        assert_eq!(
            value,
            "matinee_refresh=u-1.t; HttpOnly; SameSite=Strict; Secure; Path=/api/session; Max-Age=60"
        );
    }
}
