"""Spells the OpenAPI body that SAM gives an HTTP API out as resources.

The local AWS ignores the body. On any other endpoint the explicit resources say the same.
"""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method")


def expand(template: dict) -> None:
    """Replaces, in a translated template, each `Body` by an authorizer, integrations and routes."""
    for api_id, api in list(template["Resources"].items()):
        if api["Type"] != "AWS::ApiGatewayV2::Api" or "Body" not in api["Properties"]:
            continue
        body = api["Properties"].pop("Body")
        api["Properties"].pop("FailOnWarnings", None)
        api["Properties"] |= {"Name": body["info"]["title"], "ProtocolType": "HTTP"}
        template["Resources"] |= _authorizers(api_id, body) | _routes(api_id, body)
        _after_routes(template, api_id)


def _authorizers(api_id: str, body: dict) -> dict:
    schemes = body.get("components", {}).get("securitySchemes", {})
    return {
        f"{api_id}{name}Authorizer": {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": api_id},
                "Name": name,
                "AuthorizerType": "JWT",
                "IdentitySource": [scheme["x-amazon-apigateway-authorizer"]["identitySource"]],
                "JwtConfiguration": {
                    "Audience": scheme["x-amazon-apigateway-authorizer"]["jwtConfiguration"]["audience"],
                    "Issuer": scheme["x-amazon-apigateway-authorizer"]["jwtConfiguration"]["issuer"],
                },
            },
        }
        for name, scheme in schemes.items()
    }


def _routes(api_id: str, body: dict) -> dict:
    resources = {}
    for path, operations in body["paths"].items():
        for method, operation in operations.items():
            if method not in METHODS:
                continue
            name = f"{api_id}{method.title()}" + "".join(c for c in path.title() if c.isalnum())
            integration = operation["x-amazon-apigateway-integration"]
            resources[f"{name}Integration"] = {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": {"Ref": api_id},
                    "IntegrationType": "AWS_PROXY",
                    "IntegrationMethod": integration["httpMethod"],
                    "IntegrationUri": integration["uri"],
                    "PayloadFormatVersion": integration["payloadFormatVersion"],
                },
            }
            resources[f"{name}Route"] = {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    "ApiId": {"Ref": api_id},
                    "RouteKey": f"{'ANY' if method.startswith('x-') else method.upper()} {path}",
                    "Target": {"Fn::Join": ["/", ["integrations", {"Ref": f"{name}Integration"}]]},
                }
                | _authorization(api_id, operation),
            }
    return resources


def _authorization(api_id: str, operation: dict) -> dict:
    names = [name for scheme in operation.get("security", []) for name in scheme if name != "NONE"]
    if not names:
        return {"AuthorizationType": "NONE"}
    return {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": f"{api_id}{names[0]}Authorizer"}}


def _after_routes(template: dict, api_id: str) -> None:
    """A stage with settings for a route is refused as long as the route isn't there."""
    routes = [
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::ApiGatewayV2::Route" and resource["Properties"]["ApiId"] == {"Ref": api_id}
    ]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::ApiGatewayV2::Stage" and resource["Properties"]["ApiId"] == {"Ref": api_id}:
            resource["DependsOn"] = routes
