//! The problems that an operation lists in its `responses(…)`, each by the name of its type: the document
//! then refers to one description of it.

use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema as _};

use crate::problem::ProblemDetails;

macro_rules! problem_responses {
    ($($(#[$doc:meta])* $name:ident $status:literal $description:literal;)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    BTreeMap::from([($status.to_owned(), reference(stringify!($name)))])
                }
            }
        )*

        /// Every problem's name and description, for the components of the document.
        pub(crate) fn all() -> Vec<(&'static str, Response)> {
            vec![$((stringify!($name), described(stringify!($name), $description))),*]
        }
    };
}

problem_responses! {
    /// 400.
    InvalidRequest "400" "The request is invalid; `errors` names the fields.";
    /// 401.
    Unauthenticated "401" "Nobody is signed in, or the session has ended.";
    /// 403.
    Forbidden "403" "The caller may not do this.";
    /// 404.
    NotFound "404" "There is no such thing, or none that the caller may know of.";
    /// 409.
    Conflict "409" "The state of things does not permit it; `type` says what is in the way.";
    /// 412.
    PreconditionFailed "412" "It was changed since the caller read it.";
    /// 413. Listed by [`InvalidBody`].
    PayloadTooLarge "413" "The body, or the file that it announces, is larger than any that is taken.";
    /// 415. Listed by [`InvalidBody`].
    UnsupportedMediaType "415" "The body is not JSON.";
    /// 422.
    IdempotencyKeyReused "422" "The idempotency key came with a different request before.";
    /// 428.
    PreconditionRequired "428" "`If-Match` is missing.";
    /// 429.
    TooManyRequests "429" "It was asked for too often; `Retry-After` says how many seconds to wait.";
    /// 503.
    Unavailable "503" "Trying again in a moment may help.";
    /// 500. [`crate::merge`] adds it to every operation.
    Internal "500" "Something went wrong on our side.";
}

/// 400, 413 and 415: what every operation answers that takes a body.
pub struct InvalidBody;

impl IntoResponses for InvalidBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = InvalidRequest::responses();
        responses.append(&mut PayloadTooLarge::responses());
        responses.append(&mut UnsupportedMediaType::responses());
        responses
    }
}

fn reference(name: &str) -> RefOr<Response> {
    RefOr::Ref(Ref::from_response_name(name))
}

fn described(name: &str, description: &str) -> Response {
    let schema = Ref::from_schema_name(ProblemDetails::name());
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", Content::new(Some(schema)));
    // Most of those without a session get no further than to API Gateway, which has words of its own.
    let gateways = if name == stringify!(Unauthenticated) { Some(gateways_message()) } else { None };
    gateways
        .into_iter()
        .fold(response, |response, content| response.content("application/json", content))
        .build()
}

fn gateways_message() -> Content {
    let message = ObjectBuilder::new().schema_type(Type::String);
    let schema = ObjectBuilder::new().property("message", message).required("message");
    Content::new(Some(schema))
}

/// The schemas that the descriptions refer to.
pub(crate) fn schemas() -> Vec<(String, RefOr<utoipa::openapi::Schema>)> {
    let mut schemas = vec![(ProblemDetails::name().into_owned(), ProblemDetails::schema())];
    ProblemDetails::schemas(&mut schemas);
    schemas
}
