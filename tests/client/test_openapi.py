"""gen/openapi.json: a valid document that says all of the protos, and nothing else.

Compared with the descriptors of the generated Python code, not with the program that writes the document. That a
running orderd keeps to it is test_schema.py's.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import grpc
import grpc_tools
import jsonschema
import openapi_spec_validator
import pytest
import referencing
from grpc_tools import protoc

import client
import harness
from google.api import annotations_pb2, field_behavior_pb2
from test_answers import CASES

FILE = harness.SOURCE_DIR / "gen" / "openapi.json"
DOCUMENT = json.loads(FILE.read_text())
SERVICES = [module.DESCRIPTOR.services_by_name[name]
            for module, name in ((client.catalog, "Catalog"), (client.orders, "Orders"),
                                 (client.events, "OrderEvents"))]
METHODS = [method for service in SERVICES for method in service.methods]
REQUIRED, OUTPUT_ONLY = field_behavior_pb2.REQUIRED, field_behavior_pb2.OUTPUT_ONLY

# What a status of gRPC is over HTTP, and the reasons of the HTTP door that are something else.
HTTP_OF_CODE = {
    "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404, "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400, "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501,
    "INTERNAL": 500, "UNAVAILABLE": 503,
}
HTTP_OF_REASON = {"NOT_ACCEPTABLE": {406}, "BODY_TOO_LARGE": {413}, "URL_TOO_LONG": {414},
                  "MEDIA_TYPE_UNSUPPORTED": {415}, "HEADERS_TOO_LARGE": {431}, "ETAG_MISMATCH": {409, 412},
                  "MESSAGE_INVALID": {400, 417}}
# Of gRPC only, or of requests that are none of the operations.
NOT_OF_OPERATIONS = {"MESSAGE_TOO_LARGE", "METHOD_NOT_FOUND", "COMPRESSION_UNSUPPORTED", "SERVICE_UNKNOWN",
                     "CALL_CANCELLED", "METHOD_NOT_ALLOWED"}


# ----------------------------------------------------------------------------------- reading the document


def resolve(node):
    while "$ref" in node:
        target = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def operations():
    return [(verb, path, operation) for path, item in DOCUMENT["paths"].items() for verb, operation in item.items()]


def rules_of(method):
    first = method.GetOptions().Extensions[annotations_pb2.http]
    return [(rule.WhichOneof("pattern"), getattr(rule, rule.WhichOneof("pattern")), rule.body)
            for rule in (first, *first.additional_bindings)]


def shape(path):
    """A path without the names of its variables, which OpenAPI may choose."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def operation_of(verb, path):
    return next(operation for other_verb, other_path, operation in operations()
                if (other_verb, shape(other_path)) == (verb, shape(path)))


def parameters_of(operation, place):
    return {parameter["name"]: parameter for parameter in map(resolve, operation["parameters"])
            if parameter["in"] == place}


def behaviours(field):
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def variables_of(path):
    return re.findall(r"\{([^}=]+)", path)


def body_message(method, body):
    return method.input_type if body == "*" else method.input_type.fields_by_name[body].message_type


def body_schema(operation):
    return resolve(operation["requestBody"]["content"]["application/json"]["schema"])


def values_with_schema():
    """(where, value, schema) of everything the document shows as an example."""
    def media(where, content):
        for media_type, part in content.items():
            for name, example in part.get("examples", {}).items():
                yield f"{where} {media_type} {name}", resolve(example)["value"], part["schema"]

    for verb, path, operation in operations():
        where = f"{verb} {path}"
        for parameter in map(resolve, operation["parameters"]):
            if "example" in parameter:
                yield f"{where} {parameter['name']}", parameter["example"], parameter["schema"]
        yield from media(f"{where} request", operation.get("requestBody", {}).get("content", {}))
        for status, answer in operation["responses"].items():
            yield from media(f"{where} {status}", answer.get("content", {}))
    for name, header in DOCUMENT["components"]["headers"].items():
        yield name, header["example"], header["schema"]


def validator(schema):
    registry = referencing.Registry().with_resource(
        "urn:document", referencing.jsonschema.DRAFT202012.create_resource(DOCUMENT))
    rooted = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
    return jsonschema.Draft202012Validator(rooted, registry=registry,
                                           format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


# ----------------------------------------------------------------------------------- the document as a whole


def test_the_document_is_valid_openapi_3_1():
    assert DOCUMENT["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(DOCUMENT, cls=openapi_spec_validator.OpenAPIV31SpecValidator)


def test_it_is_the_same_byte_for_byte_however_often_it_is_made():
    proto = harness.SOURCE_DIR / "proto"
    with tempfile.TemporaryDirectory() as folder:
        descriptors = pathlib.Path(folder) / "set"
        code = protoc.main([
            "protoc", f"-I{proto}", f"-I{pathlib.Path(grpc_tools.__file__).parent / '_proto'}", "--include_imports",
            "--include_source_info", f"--descriptor_set_out={descriptors}",
            *sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))])
        assert code == 0
        for seed in ("1", "2"):
            made = subprocess.run(
                [sys.executable, str(harness.SOURCE_DIR / "deploy/dev/openapi"), str(descriptors)], check=True,
                capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"})
            assert made.stdout == FILE.read_bytes(), "run make gen"


def test_every_component_is_referred_to():
    used = set(re.findall(r'"#/components/(\w+/[^"]+)"', json.dumps(DOCUMENT)))
    assert used == {f"{kind}/{name}" for kind, part in DOCUMENT["components"].items() for name in part}


def test_every_example_is_valid():
    count = 0
    for where, value, schema in values_with_schema():
        problems = [problem.message for problem in validator(schema).iter_errors(value)]
        assert not problems, (where, problems)
        count += 1
    assert count > 250


def test_every_body_and_every_answer_with_one_has_an_example():
    for verb, path, operation in operations():
        contents = [answer["content"] for answer in operation["responses"].values() if "content" in answer]
        contents += [operation["requestBody"]["content"]] if "requestBody" in operation else []
        for content in contents:
            for media_type, part in content.items():
                assert part["examples"], (verb, path, media_type)


# ----------------------------------------------------------------------------------- routes and parameters


def test_every_route_of_the_protos_is_an_operation_and_nothing_else_is():
    routes = sorted((verb, shape(path)) for method in METHODS for verb, path, _ in rules_of(method))
    assert sorted((verb, shape(path)) for verb, path, _ in operations()) == routes
    assert len(routes) == len(set(routes))


def test_each_operation_names_its_method_and_service():
    for method in METHODS:
        for number, (verb, path, _) in enumerate(rules_of(method), 1):
            operation = operation_of(verb, path)
            name = f"{method.containing_service.name}_{method.name}"
            assert operation["operationId"] == (name if number == 1 else f"{name}{number}")
            assert operation["tags"] == [method.containing_service.name]
    assert [tag["name"] for tag in DOCUMENT["tags"]] == [service.name for service in SERVICES]


def test_paths_differ_in_more_than_the_names_of_their_variables():
    shapes = collections.Counter(shape(path) for path in DOCUMENT["paths"])
    assert not [path for path, count in shapes.items() if count > 1]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_each_field_of_a_request_is_in_the_path_the_query_or_the_body(method):
    for verb, path, body in rules_of(method):
        operation, variables = operation_of(verb, path), variables_of(path)
        assert len(parameters_of(operation, "path")) == len(variables)
        in_query = set(parameters_of(operation, "query")) - {"$unknown"}
        assert ("requestBody" in operation) == bool(body)
        if body == "*":
            assert not in_query
            in_body = {field.json_name for field in method.input_type.fields if field.name not in variables}
        else:
            assert in_query == {field.json_name for field in method.input_type.fields
                                if field.name not in variables and field.name != body}
            in_body = {field.json_name for field in body_message(method, body).fields
                       if f"{body}.{field.name}" not in variables} if body else None
        if body:
            assert set(body_schema(operation)["properties"]) == in_body
            assert body_schema(operation)["additionalProperties"] is False


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_is_required_and_what_only_the_service_writes_is_said(method):
    for verb, path, body in rules_of(method):
        operation, variables = operation_of(verb, path), variables_of(path)
        for field in method.input_type.fields:
            parameter = parameters_of(operation, "query").get(field.json_name)
            assert parameter is None or parameter.get("required", False) == (REQUIRED in behaviours(field))
        if not body:
            continue
        schema = body_schema(operation)
        fields = [field for field in body_message(method, body).fields
                  if field.name not in variables and f"{body}.{field.name}" not in variables]
        required = [] if verb == "patch" else [field.json_name for field in fields if REQUIRED in behaviours(field)]
        assert schema.get("required", []) == required
        for field in fields:
            assert schema["properties"][field.json_name].get("readOnly", False) == (OUTPUT_ONLY in behaviours(field))


def test_a_patch_clears_with_null_what_is_not_required():
    schema = body_schema(operation_of("patch", "/v1/products/{id}"))
    for field in client.Product.DESCRIPTOR.fields:
        if field.name == "id" or OUTPUT_ONLY in behaviours(field):
            continue
        accepts_null = validator(schema["properties"][field.json_name]).is_valid(None)
        assert accepts_null == (REQUIRED not in behaviours(field)), field.name


def test_request_headers_stand_where_they_mean_something():
    for method in METHODS:
        for verb, path, body in rules_of(method):
            headers = set(parameters_of(operation_of(verb, path), "header"))
            fields = set(method.input_type.fields_by_name)
            etag = "etag" in fields or verb == "patch" and "etag" in body_message(method, body).fields_by_name
            reads_one = verb == "get" and "etag" in method.output_type.fields_by_name
            assert headers == {"Grpc-Timeout"} | {name for name, wanted in (
                ("Idempotency-Key", "request_id" in fields),
                ("If-Match", etag),
                ("If-None-Match", reads_one and not method.server_streaming),
                ("Last-Event-ID", method.server_streaming)) if wanted}, (verb, path)


# ----------------------------------------------------------------------------------- schemas


def schema_of_answer(method):
    contents = operation_of(*rules_of(method)[0][:2])["responses"]["200"]["content"]
    if "application/json" not in contents:  # a stream that does not end
        return resolve(contents["application/x-ndjson"]["x-itemSchema"])
    content = contents["application/json"]["schema"]
    return resolve(content["items"] if method.server_streaming else content)


def walk(message, schema, seen):
    """(field, its schema) of a message and all that it is made of."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        made = resolve(schema)["properties"][field.json_name]
        yield field, made
        inner = made.get("items", made)
        if field.message_type and "properties" in resolve(inner):
            yield from walk(field.message_type, inner, seen)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_each_type_has_the_form_of_proto3_json(method):
    forms = {"google.protobuf.Timestamp": ("string", "date-time"), "google.protobuf.Duration": ("string", None)}
    for field, made in walk(method.output_type, schema_of_answer(method), set()):
        value = resolve(made["items"]) if field.is_repeated and "items" in made else made
        merged = {**resolve(value), **value}
        if field.is_repeated and "items" not in made:
            assert made["additionalProperties"] == {"type": "string"}  # a map
        elif field.type == field.TYPE_INT64:
            assert (merged["type"], merged["format"]) == ("string", "int64")
            for text in ("0", "9223372036854775807"):
                assert re.search(merged["pattern"], text)
            for text in ("", "1.0", "00", "x", "+1", "92233720368547758070"):
                assert not validator(value).is_valid(text)
        elif field.type == field.TYPE_INT32:
            assert (merged["type"], merged["format"]) == ("integer", "int32")
        elif field.type == field.TYPE_ENUM:
            assert merged["enum"] == [name.name for name in field.enum_type.values]
        elif field.type == field.TYPE_STRING:
            assert merged["type"] == "string"
        elif field.message_type.full_name in forms:
            assert (merged["type"], merged.get("format")) == forms[field.message_type.full_name]
        else:
            assert field.type == field.TYPE_MESSAGE and ("properties" in merged or "oneOf" in merged)


def test_answers_always_hold_their_scalars_and_lists():
    for method in METHODS:
        schema = schema_of_answer(method)
        for field in method.output_type.fields:
            if field.is_repeated or field.message_type is None:
                assert field.json_name in schema["required"], field.full_name


LINE = {"productId": "a", "quantity": 1}
LIMITS = [
    # schema, property, the most that is allowed, one more
    ("ProductInput", "id", "a" * 63, "a" * 64),
    ("ProductInput", "id", "0.-_", "-a"),
    ("ProductInput", "id", "a", ""),
    ("ProductInput", "id", "a", "A"),
    ("ProductInput", "name", "ä" * 200, "ä" * 201),
    ("ProductInput", "description", "x" * 4000, "x" * 4001),
    ("ProductInput", "category", "", "x" * 64),
    ("AdjustStockRequest", "delta", "-1", "0"),
    ("AdjustStockRequest", "requestId", "~" * 255, "~" * 256),
    ("AdjustStockRequest", "requestId", "!", "a b"),
    ("OrderLineInput", "quantity", 10_000, 10_001),
    ("OrderLineInput", "quantity", 1, 0),
    ("CreateOrderRequest", "lines", [LINE] * 100, [LINE] * 101),
    ("CreateOrderRequest", "lines", [LINE], []),
    ("AddressInput", "addressLines", ["x"] * 4, ["x"] * 5),
    ("AddressInput", "addressLines", ["x" * 200], ["x" * 201]),
    ("AddressInput", "addressLines", ["x"], []),
    ("AddressInput", "regionCode", "DE", "de"),
    ("ProcessOrderRequest", "paymentMethod", "pm_card_visa", "4242-4242-4242-4242"),
    ("ProcessOrderRequest", "paymentMethod", "4" * 11, "4" * 12),
    ("MoneyInput", "units", "9223372036854775807", "-1"),
    ("MoneyInput", "nanos", 999_999_999, 1_000_000_000),
    ("MoneyInput", "currencyCode", "EUR", "eur"),
]


@pytest.mark.parametrize("schema, name, allowed, refused", LIMITS)
def test_the_limits_of_a_field_are_in_its_schema(schema, name, allowed, refused):
    made = validator(DOCUMENT["components"]["schemas"][schema]["properties"][name])
    assert made.is_valid(allowed)
    assert not made.is_valid(refused)


def test_the_limits_of_a_parameter_are_in_its_schema():
    ids = validator(parameters_of(operation_of("get", "/v1/products:batchGet"), "query")["ids"]["schema"])
    assert ids.is_valid([f"id-{i}" for i in range(100)])
    assert not ids.is_valid([f"id-{i}" for i in range(101)])
    assert not ids.is_valid([])
    assert not ids.is_valid(["a", "a"])
    mask = validator(parameters_of(operation_of("patch", "/v1/products/{id}"), "query")["updateMask"]["schema"])
    for text in ("*", "name", "price,name"):
        assert mask.is_valid(text)
    for text in ("id", "etag", "available", "createTime", "price.units", "name,"):
        assert not mask.is_valid(text)


# ----------------------------------------------------------------------------------- errors


def documented_of(operation):
    """{(code, reason): {statuses}}"""
    found = collections.defaultdict(set)
    for status, answer in operation["responses"].items():
        for example in answer.get("content", {}).get("application/json", {}).get("examples", {}).values():
            error = resolve(example)["value"]
            if isinstance(error, dict) and "error" in error:
                assert error["error"]["code"] == int(status)
                found[error["error"]["status"], error["error"]["details"][0]["reason"]].add(int(status))
    return found


def documented():
    """The same of all operations."""
    found = collections.defaultdict(set)
    for _, _, operation in operations():
        for key, statuses in documented_of(operation).items():
            found[key] |= statuses
    return found


def test_every_reason_that_can_be_met_over_http_is_documented_with_its_status():
    printed = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_]+) \|", harness.run_orderd("--print-reasons").stdout, re.M)
    wanted = {(code, reason): HTTP_OF_REASON.get(reason, {HTTP_OF_CODE.get(code)}) for reason, code in printed
              if reason not in NOT_OF_OPERATIONS}
    assert len(wanted) > 40
    assert documented() == wanted


@pytest.mark.parametrize("method", ["ProcessOrder", "PlaceOrder"])
def test_each_answer_that_an_order_ends_with_is_documented(method):
    given = {(case.code, case.reason) for case in CASES if case.reason and method in case.methods}
    rule = next(rules_of(found)[0] for found in METHODS if found.name == method)
    assert len(given) > 15
    assert given <= set(documented_of(operation_of(*rule[:2])))


def test_every_error_has_the_one_schema():
    for verb, path, operation in operations():
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/json"], (verb, path, status)
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}


def test_retry_after_stands_where_a_reason_invites_a_repeat():
    for _, _, operation in operations():
        for answer in operation["responses"].values():
            shown = [resolve(example)["value"] for example in
                     answer.get("content", {}).get("application/json", {}).get("examples", {}).values()]
            invites = any("RetryInfo" in json.dumps(value) for value in shown)
            assert ("Retry-After" in answer.get("headers", {})) == invites


def test_every_code_of_grpc_has_its_number_in_no_body():
    """The body's code is the HTTP status, not gRPC's number: they are easily mixed up."""
    numbers = {code.value[0] for code in grpc.StatusCode}
    for status in {status for statuses in documented().values() for status in statuses}:
        assert status not in numbers


# ----------------------------------------------------------------------------------- watching


def test_a_watch_is_documented_in_its_three_forms():
    answer = operation_of("get", "/v1/orders/{id}:watch")["responses"]
    assert set(answer["200"]["content"]) == {"text/event-stream", "application/x-ndjson", "application/json"}
    assert "content" not in answer["204"]


def test_the_feed_of_events_is_documented_in_its_two_forms_with_the_schema_of_an_item():
    answer = operation_of("get", "/v1/events")["responses"]
    content = answer["200"]["content"]
    assert set(content) == {"text/event-stream", "application/x-ndjson"}
    assert "204" not in answer
    lines = content["application/x-ndjson"]["examples"]["paid"]["value"].splitlines()
    for line in lines:
        validator(content["application/x-ndjson"]["x-itemSchema"]).validate(json.loads(line)["result"])
    assert len(lines) == 2
