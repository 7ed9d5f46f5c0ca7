//! A bucket as an origin.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use percent_encoding::percent_decode_str;

use super::refusal;

/// Serves the object at `path`, or the range of it that is asked for.
pub async fn serve(s3: &Client, bucket: &str, path: &str, request: &Parts) -> Response {
    let Ok(key) = percent_decode_str(path.trim_start_matches('/')).decode_utf8() else {
        return refusal(StatusCode::BAD_REQUEST, "InvalidURI", "The path is not UTF-8");
    };
    let asked =
        |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let tag = asked(header::IF_NONE_MATCH);
    let found = if request.method == Method::HEAD {
        let head = s3.head_object().bucket(bucket).key(key).set_if_none_match(tag).send().await;
        head.map(|object| {
            let length = object.content_length();
            response(
                [
                    (header::CONTENT_TYPE, object.content_type),
                    (header::CACHE_CONTROL, object.cache_control),
                    (header::ETAG, object.e_tag),
                    (header::CONTENT_LENGTH, length.map(|length| length.to_string())),
                    (header::CONTENT_RANGE, None),
                ],
                Body::empty(),
            )
        })
        .map_err(|error| not_found(&error))
    } else {
        let get =
            s3.get_object().bucket(bucket).key(key).set_range(asked(header::RANGE)).set_if_none_match(tag);
        let object = get.send().await;
        object
            .map(|object| {
                let length = object.content_length();
                response(
                    [
                        (header::CONTENT_TYPE, object.content_type),
                        (header::CACHE_CONTROL, object.cache_control),
                        (header::ETAG, object.e_tag),
                        (header::CONTENT_LENGTH, length.map(|length| length.to_string())),
                        (header::CONTENT_RANGE, object.content_range),
                    ],
                    Body::new(object.body.into_inner()),
                )
            })
            .map_err(|error| not_found(&error))
    };
    found.unwrap_or_else(|refusal| refusal)
}

/// An object, or the part of it that its Content-Range tells.
fn response(headers: [(HeaderName, Option<String>); 5], body: Body) -> Response {
    let mut response = Response::new(body);
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    if response.headers().contains_key(header::CONTENT_RANGE) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

/// What is not there is forbidden: the CDN may read objects but not list them, and S3 then does not tell which it is.
fn not_found<E>(error: &SdkError<E, HttpResponse>) -> Response
where
    E: std::error::Error + 'static,
{
    let Some(answer) = error.raw_response() else {
        eprintln!("  the bucket does not answer: {error:?}");
        return refusal(StatusCode::BAD_GATEWAY, "BadGateway", "The origin did not answer");
    };
    match answer.status().as_u16() {
        304 => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            let tag = answer.headers().get("etag").and_then(|tag| HeaderValue::from_str(tag).ok());
            response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
            response
        }
        416 => {
            let mut response = refusal(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                "The requested range is not satisfiable",
            );
            let range =
                answer.headers().get("content-range").and_then(|range| HeaderValue::from_str(range).ok());
            response.headers_mut().extend(range.map(|range| (header::CONTENT_RANGE, range)));
            response
        }
        403 | 404 => refusal(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
        _ => {
            eprintln!("  the bucket answers: {error:?}");
            refusal(StatusCode::BAD_GATEWAY, "BadGateway", "The origin failed")
        }
    }
}
