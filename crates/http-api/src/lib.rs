//! What every area of the HTTP API shares: serving a router from Lambda, knowing the caller, reading
//! requests, and answering problems.
//!
//! An area is a [`axum::Router`] whose `main` hands it to [`serve`], and a `Document` that describes it: composing that at
//! every start would take as long as making two clients of the SDK. Handlers take the
//! extractors of this crate, never axum's: ours refuse with a [`Problem`].

mod app;
mod caller;
mod openapi;
mod page;
mod precondition;
mod problem;
mod problem_responses;
mod request;

pub use app::{app, serve};
pub use caller::{Admin, Caller, Publisher, Role};
pub use openapi::merge;
pub use page::{Limit, Page, PageQuery};
pub use precondition::{ETag, IfMatch};
pub use problem::{FieldError, Problem, ProblemDetails};
pub use problem_responses::{
    Conflict, Forbidden, IdempotencyKeyReused, InvalidBody, InvalidRequest, NotFound, PayloadTooLarge,
    PreconditionFailed, PreconditionRequired, TooManyRequests, Unauthenticated, Unavailable,
};
pub use request::{Json, Path, Query};

/// Why a function could not be started, or stopped.
pub use lambda_http::Error;

#[cfg(test)]
mod tests;
