use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http_api::{Caller, InvalidRequest, Json, Page, PageQuery, Problem, Query, Unauthenticated};

use crate::Context;
use crate::sign_ins::SignIn;

/// Lists the attempts to sign in to the caller's account in the last 180 days, newest first.
#[utoipa::path(
    get, path = "/me/sign-ins", operation_id = "list_sign_ins", tag = "accounts",
    security(("bearer" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of attempts.", body = Page<SignIn>),
        InvalidRequest, Unauthenticated,
    )
)]
pub(crate) async fn list_sign_ins(
    State(context): State<Context>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SignIn>>, Problem> {
    Ok(Json(page_of(&context, &caller.user_id, page).await?))
}

/// A page of the attempts on an account.
pub(crate) async fn page_of(
    context: &Context,
    user_id: &str,
    PageQuery { cursor, limit }: PageQuery,
) -> Result<Page<SignIn>, Problem> {
    let after = cursor.as_deref().map(decode).transpose()?;
    let (items, next) = context.sign_ins()?.newest(user_id, limit.get(), after).await?;
    let next_cursor = next.map(|entry| BASE64_URL_SAFE_NO_PAD.encode(entry));
    Ok(Page { items, next_cursor })
}

/// The cursor is a place in one account's list, whatever it says: nobody gets into another's by it.
fn decode(cursor: &str) -> Result<String, Problem> {
    let entry = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|entry| String::from_utf8(entry).ok());
    let entry = entry.filter(|entry| (1..=64).contains(&entry.len()));
    entry.ok_or_else(|| Problem::invalid_field("cursor", "is not one that a page has given"))
}
