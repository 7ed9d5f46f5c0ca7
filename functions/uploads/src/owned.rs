//! Whose upload it is.

use http_api::{Caller, Problem};
use library::{Upload, UploadId, UploadState, UserId};

use crate::Context;
use crate::view::{EXPIRED, has_expired};

/// The caller's own upload. Somebody else's is answered like one that does not exist, so that nobody learns which
/// ids are in use.
pub(crate) async fn own_upload(context: &Context, caller: &Caller, id: UploadId) -> Result<Upload, Problem> {
    let upload = context.uploads.get(id).await?.ok_or_else(Problem::not_found)?;
    if upload.owner_id == owner_id(caller) { Ok(upload) } else { Err(Problem::not_found()) }
}

/// The upload, for its owner and for admins. Others are answered as by [`own_upload`].
pub(crate) async fn visible_upload(
    context: &Context,
    caller: &Caller,
    id: UploadId,
) -> Result<Upload, Problem> {
    let upload = context.uploads.get(id).await?.ok_or_else(Problem::not_found)?;
    if caller.is_admin() || upload.owner_id == owner_id(caller) {
        Ok(upload)
    } else {
        Err(Problem::not_found())
    }
}

/// The caller as an owner.
pub(crate) fn owner_id(caller: &Caller) -> UserId {
    UserId::new(&caller.user_id)
}

/// Refuses uploads that take no parts any more, with 409.
pub(crate) fn ensure_waiting(upload: &Upload) -> Result<(), Problem> {
    if has_expired(upload) {
        return Err(Problem::conflict("upload-expired", "Upload expired", EXPIRED));
    }
    if upload.state == UploadState::Waiting { Ok(()) } else { Err(wrong_state(upload)) }
}

/// 409: what was asked for is impossible in the state that the upload is in.
pub(crate) fn wrong_state(upload: &Upload) -> Problem {
    let detail = format!("That is not possible any more: the upload is {}.", upload.state.as_str());
    Problem::conflict("upload-state", "Not possible in this state", detail)
}

/// Refuses to complete what is past the limits of today. Since it began, the caller may have lost their role, or the operator lowered a limit.
pub(crate) async fn ensure_allowed(
    context: &Context,
    caller: &Caller,
    upload: &Upload,
) -> Result<(), Problem> {
    if !caller.may_publish() {
        return Err(Problem::forbidden("Only publishers may do this."));
    }
    let usage = context.uploads.usage(&owner_id(caller)).await?;
    context.limits()?.of(caller).ensure_within(upload.size_bytes, usage)
}
