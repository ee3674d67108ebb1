"""Every operation of gen/openapi.json against a running orderd, with requests made from the document: right ones, and
wrong ones of every kind. No status that the document does not name, no other shape of an answer, no 5xx.

What a random id would never meet is put in: products and orders that are there, in every state of rest. The document
says how to write a request; that the service also reads other spellings (numbers for texts of numbers and the other
way round, null for nothing) is added to it here, so that whatever else it reads is an error.
"""

import collections
import copy
import functools
import itertools
import json
import re
import zlib

import hypothesis
import jsonschema
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

import client
import harness
from client import orders

DOCUMENT = json.loads((harness.SOURCE_DIR / "gen" / "openapi.json").read_text())
IGNORE = {"$ref": "#/components/parameters/Unknown"}
STATE = {"$ref": "#/components/schemas/OrderState"}


def lenient(document):
    """The document with all that the service reads, instead of how it is to be written."""
    document = copy.deepcopy(document)
    for name, schema in document["components"]["schemas"].items():
        if name.endswith(("Input", "Patch", "Request")):
            required = schema.get("required", [])
            schema["properties"] = {key: read_also(value, key in required and name != "ProductPatch")
                                    for key, value in schema["properties"].items()}
    for item in document["paths"].values():
        for operation in item.values():
            operation["parameters"].remove(IGNORE)  # with it nothing unknown is refused; it has a test of its own
            for parameter in operation["parameters"]:
                if parameter.get("in") == "query":
                    parameter["schema"] = read_also(parameter["schema"], True)
    del document["components"]["parameters"]["Unknown"]
    document["components"]["parameters"]["Last-Event-ID"]["schema"] = {"type": "string", "pattern": "^[0-9]{0,18}$"}
    place, create = (document["components"]["schemas"][f"{name}OrderRequest"] for name in ("Place", "Create"))
    place["required"].remove("requestId")  # it may be the Idempotency-Key
    place["properties"]["requestId"] = create["properties"]["requestId"]
    return document


def read_also(schema, is_required):
    forms = [schema]
    if schema.get("format") == "int64":
        low = -2**63 if re.match(schema["pattern"], "-1") else 0
        number = {"type": "integer", "minimum": low, "maximum": 2**63 - 1}
        forms.append(number if re.match(schema["pattern"], "0") else {**number, "not": {"const": 0}})
    if schema.get("format") == "int32":
        texts = f"[1-9][0-9]{{0,{len(str(schema['maximum'])) - 2}}}"  # all below the highest power of ten
        forms.append({"type": "string", "pattern": f"^({texts})$" if schema["minimum"] > 0 else f"^(0|{texts})$"})
    if schema == STATE:
        forms.append({"type": "integer", "minimum": 0,
                      "maximum": len(DOCUMENT["components"]["schemas"]["OrderState"]["enum"]) - 1})
    if not is_required:
        forms.append({"type": "null"})
    return schema if len(forms) == 1 else {
        "anyOf": forms, **{key: schema[key] for key in ("readOnly",) if key in schema}}


# The feed of events has no end that one could wait for; test_events.py holds it to its schema.
ENDLESS = "OrderEvents_Subscribe"
SCHEMA = schemathesis.openapi.from_dict(lenient(DOCUMENT)).exclude(operation_id=ENDLESS)

# What may be wrong with a request though its schema allows it: operation ("": any), what is said about the field.
NOT_IN_A_SCHEMA = (
    ("", "cannot be combined with page"), ("", "is finer than"), ("", "is out of range"), ("", "is too large"),
    ("", "must not contain a NUL"), ("", "must be one etag in quotes"),  # "0" is taken for a right etag
    ("", "differs from the header field"),  # an etag or a key that is given twice
    ("Catalog_UpdateProduct", "is required"),  # by the mask
    ("Orders_PlaceOrder", "is required"),  # in the body or as a header
)


@schemathesis.check
def a_right_request_is_not_called_wrong(ctx, response, case):
    """So that no limit of the document is wider than the service's."""
    del ctx
    if case.meta.generation.mode is not GenerationMode.POSITIVE or response.status_code != 400:
        return
    error = response.json()["error"]
    if error["details"][0]["reason"] in ("REQUEST_INVALID", "FIELD_UNKNOWN", "JSON_INVALID"):
        told = [violation["description"] for detail in error["details"] for violation in
                detail.get("fieldViolations", [])]
        for text in told:
            assert any(method in ("", method_of(case)) and known in text for method, known in NOT_IN_A_SCHEMA), error


@schemathesis.check
def an_answer_has_nothing_else(ctx, response, case):
    """schemathesis itself lets an answer have members that are not in its schema."""
    del ctx
    media_type = response.headers.get("content-type", [""])[0].partition(";")[0]
    answers = case.operation.definition.raw["responses"]
    content = answers.get(str(response.status_code), {}).get("content", {})
    if media_type == "application/json" and media_type in content:
        validator_of(json.dumps(content[media_type]["schema"])).validate(response.json())


@functools.cache
def validator_of(schema):
    return jsonschema.Draft202012Validator({"components": DOCUMENT["components"], **json.loads(schema)})


CHECKS = [
    a_right_request_is_not_called_wrong, an_answer_has_nothing_else,
    checks.not_a_server_error, openapi_checks.status_code_conformance, openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance, openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection, openapi_checks.unsupported_method,
]
EXAMPLES = 25  # of each operation, beside those of the document and those at the limits of each field
CALL_SECONDS = 20

SEEN = collections.defaultdict(collections.Counter)  # operation -> statuses


@pytest.fixture(scope="module", name="served")
def fixture_served(folder, postgres, sandbox):
    """An orderd of its own, since what is written here would stand in the pages of others."""
    orderd = harness.Orderd(folder, postgres.create_database(client.unique("schema")), sandbox)
    shop = client.Shop(orderd.grpc_addr)
    served = Served(orderd, shop)
    yield served
    served.session.close()
    shop.close()
    orderd.stop_clean()


class Served:
    """A running orderd, and what is in it to be asked for."""

    def __init__(self, orderd, shop):
        self.url = orderd.http_url
        self.shop = shop
        self.product = shop.product(stock=1_000_000)
        self.session = requests.Session()
        self.products = itertools.cycle([self.product.id, shop.product(stock=5).id])
        self.final, failed = self.orders_at_rest()
        self.resting = itertools.cycle([*self.final, failed])
        self.watched = itertools.cycle(self.final)  # the watch of a FAILED one may wait for its next attempt

    def orders_at_rest(self):
        cancelled = self.pending()
        self.shop.orders.CancelOrder(orders.CancelOrderRequest(id=cancelled))
        fulfilled = self.shop.place((self.product, 2)).order_id
        failed = self.pending()
        with client.refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
            self.shop.process(failed, card="pm_card_chargeDeclined")
        return [fulfilled, cancelled], failed

    def id_for(self, method, turn):
        if method == "Catalog_DeleteProduct":
            return self.shop.product().id
        if method.startswith("Catalog_"):
            return next(self.products)
        if method == "Orders_WatchOrder":
            return next(self.watched)
        is_fresh = method in ("Orders_ProcessOrder", "Orders_CancelOrder") and turn % 2
        return self.pending() if is_fresh else next(self.resting)

    def pending(self):
        return self.shop.create((self.product, 1)).id


def method_of(case):
    return case.operation.definition.raw["operationId"].rstrip("2")


def turn_of(case):
    """A number that is the same whenever the case is repeated."""
    return zlib.crc32(repr((case.path_parameters, case.query, dict(case.headers or {}), case.body)).encode())


def resumes(case):
    return any(name.lower() == "last-event-id" for name in case.headers or {})


def make_meaningful(case, served):
    """No two keys that contradict each other, no deadline that has passed; and three of four cases are about something
    that is there."""
    method, turn = method_of(case), turn_of(case)
    if case.headers and re.fullmatch("[0-9]{1,8}[HMSmun]", str(case.headers.get("Grpc-Timeout"))):
        case.headers["Grpc-Timeout"] = f"{CALL_SECONDS}S"
    if case.headers and any(isinstance(part, dict) and "requestId" in part for part in (case.query, case.body)):
        case.headers.pop("Idempotency-Key", None)
    if resumes(case):
        case.query = {key: value for key, value in (case.query or {}).items() if key != "afterRevision"}
    if turn % 4 == 0:
        return
    if case.path_parameters and "id" in case.path_parameters:
        case.path_parameters["id"] = served.id_for(method, turn)
    if case.query and isinstance(case.query.get("ids"), list) and turn % 2:
        case.query["ids"] = [served.product.id]
    if isinstance(case.body, dict) and case.meta.generation.mode is GenerationMode.POSITIVE:
        make_body_meaningful(case, served)


def make_body_meaningful(case, served):
    body = case.body
    if isinstance(body.get("lines"), list):
        for line in body["lines"]:
            if isinstance(line, dict) and "productId" in line:
                line["productId"] = served.product.id
    if isinstance(body.get("paymentMethod"), str):
        body["paymentMethod"] = "pm_card_visa"
    price = body.get("price")
    if isinstance(price, dict) and "currencyCode" in price:
        price.update(currencyCode="EUR", nanos=500_000_000, units="12")


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],  # a failure is not looked at for minutes
    suppress_health_check=list(hypothesis.HealthCheck))
def test_an_operation_answers_as_documented(case, served):
    make_meaningful(case, served)
    # Last-Event-ID stands for afterRevision where events are asked for, and means nothing elsewhere.
    headers = {"Accept": "text/event-stream"} if resumes(case) else None
    response = case.call(base_url=served.url, session=served.session, headers=headers, timeout=CALL_SECONDS)
    SEEN[case.operation.definition.raw["operationId"]][response.status_code] += 1
    is_stream = response.headers["content-type"][0].startswith("text/event-stream") if response.content else False
    # The schema of a stream is that of its text, not of its events, which schemathesis takes it for.
    case.validate_response(response, checks=CHECKS, excluded_checks=[
        openapi_checks.response_schema_conformance] if is_stream else [])


# ----------------------------------------------------------------------------------- what no schema can produce


ERROR = validator_of('{"$ref": "#/components/schemas/Error"}')
BIG = "x" * 300_000
ORDER = "/v1/orders/{order}"
REFUSED_BY_THE_DOOR = [
    # operation, path, reason, and what is wrong with the request
    ("get /v1/products", "/v1/products", "NOT_ACCEPTABLE", {"headers": {"Accept": "text/plain"}}),
    ("get /v1/products", "/v1/products?category=" + "x" * 9000, "URL_TOO_LONG", {}),
    ("get /v1/products", "/v1/products", "HEADERS_TOO_LARGE", {"headers": {"X-Big": "x" * 9000}}),
    ("get /v1/products", "/v1/products?colour=red", "FIELD_UNKNOWN", {}),
    ("get /v1/products", "/v1/products?page=1&page=2", "REQUEST_INVALID", {}),
    ("get /v1/products", "/v1/products?category=%zz", "REQUEST_INVALID", {}),
    ("get /v1/products/{id}", "/v1/products/a/b", "ROUTE_NOT_FOUND", {}),
    ("get /v1/products/{id}", "/v1/products/%ff", "REQUEST_INVALID", {}),
    ("post /v1/orders", "/v1/orders", "JSON_INVALID", {"json_text": "{"}),
    ("post /v1/orders", "/v1/orders", "JSON_INVALID", {"json_text": "{}{}"}),
    ("post /v1/orders", "/v1/orders", "FIELD_UNKNOWN", {"json_text": '{"colour":"red"}'}),
    ("post /v1/orders", "/v1/orders", "REQUEST_INVALID", {"json_text": "{}"}),
    ("post /v1/orders", "/v1/orders", "MEDIA_TYPE_UNSUPPORTED",
     {"data": "a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
    ("post /v1/orders", "/v1/orders", "BODY_TOO_LARGE", {"json_text": f'{{"requestId":"{BIG}"}}'}),
    ("post /v1/orders/{id}:cancel", ORDER + ":cancel", "MEDIA_TYPE_UNSUPPORTED",
     {"data": "{}", "headers": {"Content-Type": "text/plain"}}),
]


@pytest.mark.parametrize("name, path, reason, wrong", REFUSED_BY_THE_DOOR,
                         ids=[f"{row[0]} {row[2]}" for row in REFUSED_BY_THE_DOOR])
def test_what_the_door_itself_refuses_is_documented(served, name, path, reason, wrong):
    verb, documented_path = name.split(" ")
    headers = {**({"Content-Type": "application/json"} if verb == "post" else {}), **wrong.get("headers", {})}
    answer = requests.request(verb, served.url + path.replace("{order}", next(served.resting)), headers=headers,
                              data=wrong.get("json_text", wrong.get("data")), timeout=CALL_SECONDS)
    body = answer.json()
    ERROR.validate(body)
    assert body["error"]["details"][0]["reason"] == reason, body
    documented = DOCUMENT["paths"][documented_path][verb]["responses"]
    assert reason in documented[str(answer.status_code)]["content"]["application/json"]["examples"]


def test_a_path_that_is_no_operation_and_a_method_that_is_none_are_refused_in_the_same_shape(served):
    unknown = requests.get(served.url + "/v1/nothing", timeout=CALL_SECONDS)
    assert (unknown.status_code, unknown.json()["error"]["details"][0]["reason"]) == (404, "ROUTE_NOT_FOUND")
    ERROR.validate(unknown.json())
    for path, item in DOCUMENT["paths"].items():
        verbs = {verb.upper() for verb in item}
        answer = requests.put(served.url + path.replace("{id}", "x"), timeout=CALL_SECONDS)
        assert (answer.status_code, answer.json()["error"]["details"][0]["reason"]) == (405, "METHOD_NOT_ALLOWED")
        ERROR.validate(answer.json())
        allowed = {verb.strip() for verb in answer.headers["Allow"].split(",")}
        assert allowed == verbs | {"OPTIONS"} | ({"HEAD"} if "GET" in verbs else set())


def test_what_is_unknown_is_ignored_on_demand(served):
    for path in ("/v1/products", f"/v1/products/{served.product.id}"):
        answer = requests.get(f"{served.url}{path}?colour=red&$unknown=ignore", timeout=CALL_SECONDS)
        assert answer.status_code == 200
    answer = requests.post(f"{served.url}/v1/orders?$unknown=ignore", json={"colour": "red"}, timeout=CALL_SECONDS)
    assert answer.json()["error"]["details"][0]["reason"] == "REQUEST_INVALID"


def test_the_document_itself_is_served(served):
    answer = requests.get(served.url + "/openapi.json", timeout=CALL_SECONDS)
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    assert answer.json() == DOCUMENT
    again = requests.get(served.url + "/openapi.json", timeout=CALL_SECONDS,
                         headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_each_operation_was_also_carried_out():
    """A run of refusals only would show little."""
    names = {operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()} - {ENDLESS}
    if set(SEEN) != names:
        pytest.skip("only some of the operations were called")
    assert not [name for name in names if 200 not in SEEN[name]], dict(SEEN)
