use utoipa::IntoResponses as _;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, Info, OpenApi, OpenApiBuilder, PathItem, Paths, RefOr, Server, path::Operation,
};

use crate::problem_responses::{self, Internal};

/// The API's one document, from the areas' parts: the same whatever order they come in.
///
/// It adds what no area repeats: the title, the server, the security scheme `bearer`, the problems that
/// operations refer to, and 500, which any of them may answer.
pub fn merge(areas: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let mut info = Info::new("Matinee", env!("CARGO_PKG_VERSION"));
    info.description =
        Some("Upload a film, watch it a moment later. Errors are problem details (RFC 9457).".to_owned());
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    bearer.description = Some("The access token of a session.".to_owned());

    let mut components = Components::new();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.schemas.extend(problem_responses::schemas());
    for (name, response) in problem_responses::all() {
        components.responses.insert(name.to_owned(), RefOr::T(response));
    }
    let mut document = OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/api")]))
        .paths(Paths::new())
        .components(Some(components))
        .build();
    areas.into_iter().for_each(|area| document.merge(area));
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        operation.responses.responses.extend(Internal::responses());
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}
