"""The HTTP/JSON gateway, end to end: every status it gives by itself, conditions, keys, times, streams."""

import contextlib
import json
import re
import socket

import pytest

import client
import harness
from client import Order, orders
from web import JSON, Web

NOBODY = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module", name="web")
def fixture_web(orderd):
    return Web(orderd.http_port)


@pytest.fixture(scope="module", name="product")
def fixture_product(shop):
    return shop.product()


def order_request(product, **fields):
    return {"customerId": "ada", "lines": [{"productId": product.id, "quantity": 1}],
            "shipTo": {"recipient": "Ada", "addressLines": ["1 St"], "regionCode": "GB"}, **fields}


def place_request(product, **fields):
    return order_request(product, paymentMethod="pm_card_visa", **fields)


# ------------------------------------------------------------------------------- routes and methods


def test_a_product_is_the_same_by_both_of_its_paths(web, product):
    answer = web.get(f"/v1/products/{product.id}")
    assert answer.status == 200 and answer.json["id"] == product.id
    assert answer.json["price"] == {"currencyCode": "EUR", "units": "12", "nanos": 500_000_000}
    assert answer.json["available"] == "100" and answer.json["description"] == ""
    assert web.get(f"/products/{product.id}").body == answer.body
    assert web.get("/v1/products/" + product.id.replace("-", "%2D")).body == answer.body


def test_head_is_get_without_the_body(web, product):
    get, head = (web.ask(method, f"/v1/products/{product.id}") for method in ("GET", "HEAD"))
    assert head.status == 200 and head.body == b""
    del get.fields["date"], head.fields["date"]
    assert head.fields == get.fields


@pytest.mark.parametrize("path, allow", [
    ("/v1/products", "GET, HEAD, POST, OPTIONS"), ("/v1/products/x", "GET, HEAD, PATCH, DELETE, OPTIONS"),
    (f"/v1/orders/{NOBODY}:process", "POST, OPTIONS"), ("/openapi.json", "GET, HEAD, OPTIONS"),
    ("/healthz", "GET, HEAD, OPTIONS")])
def test_a_known_path_tells_its_methods(web, path, allow):
    answer = web.ask("OPTIONS", path)
    assert (answer.status, answer.fields["allow"], answer.body) == (204, allow, b"")
    answer = web.ask("PUT", path, {})
    assert (answer.status, answer.fields["allow"], answer.reason) == (405, allow, "METHOD_NOT_ALLOWED")
    assert answer.error["status"] == "UNIMPLEMENTED"
    assert web.ask("BREW", path).status == 405


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/products/", "/v1//products", "/v1/products/a/b"])
def test_a_path_that_is_none_is_404(web, method, path):
    answer = web.ask(method, path)
    assert answer.status == 404 and answer.fields["content-type"] == "application/json"
    if method != "HEAD":
        assert answer.reason == "ROUTE_NOT_FOUND" and answer.error["status"] == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/v1/products/%zz", "/v1/products/%", "/v1/products?category=%4"])
def test_percent_encoding_that_is_none_is_400(web, path):
    assert web.get(path).status == 400


@pytest.mark.parametrize("path, fields", [
    ("/v1/products?colour=red", ["colour"]), ("/v1/products?pageSize=1&page_size=2", ["page_size"]),
    ("/v1/products?pageSize=two", ["page_size"]), ("/v1/products?pageSize=1&colour=red&category=", ["colour"]),
    ("/v1/products?pageSize=a&page=b", ["page_size", "page"]), ("/v1/products?$unknown=perhaps", ["$unknown"]),
    ("/v1/products/x?id=y", ["id"]), ("/v1/orders?state=NO_STATE", ["state"])])
def test_a_query_is_read_strictly_and_each_wrong_key_is_named(web, path, fields):
    answer = web.get(path)
    assert answer.status == 400 and answer.broken == fields
    assert answer.reason == ("FIELD_UNKNOWN" if fields == ["colour"] else "REQUEST_INVALID")


def test_a_query_takes_both_spellings_lists_enums_and_spaces(web, shop):
    one, two = shop.product(), shop.product()
    answer = web.get(f"/v1/products:batchGet?ids={two.id}&ids={one.id}")
    assert [item["id"] for item in answer.json["products"]] == [two.id, one.id]
    for size in ("pageSize=1", "page_size=1"):
        assert len(web.get(f"/v1/products?{size}").json["products"]) == 1
    assert web.get("/v1/orders?state=FULFILLED&customerId=nobody").json["orders"] == []
    assert web.get("/v1/orders?state=5&customerId=nobody").json["orders"] == []
    assert web.get("/v1/products?category=a+b").broken == ["category"]


# ------------------------------------------------------------------------------------------ the body


def test_what_is_unknown_can_be_passed_over(web, product):
    path = f"/v1/products/{product.id}:adjustStock"
    answer = web.post(path, {"delta": 1, "why": "found"})
    assert answer.status == 400 and answer.reason == "FIELD_UNKNOWN" and answer.broken == ["why"]
    assert web.post(f"{path}?$unknown=ignore&colour=red", {"delta": 1, "why": "found"}).status == 200
    assert web.post(f"{path}?$unknown=ignore", {"delta": -1, "why": "lost"}).status == 200


@pytest.mark.parametrize("text, place", [
    ("{", "line 1"), ('{"delta":1,}', "line 1"), ('{"delta":1}x', "line 1"), ('{"delta":1,"delta":2}', "line 1"),
    ('{"requestId":"\\ud800"}', "line 1"), ("[]", "line 1"), ('{\n"delta":\n}', "line 3"), ('{"a":' * 65, "depth"),
    (b'{"requestId":"\xff"}', "line 1")])
def test_json_that_cannot_be_read_is_told_with_its_place(web, product, text, place):
    answer = web.post(f"/v1/products/{product.id}:adjustStock", text, **{"Content-Type": "application/json"})
    assert answer.status == 400 and answer.reason == "JSON_INVALID"
    assert place in answer.error["message"] or place == "depth"


@pytest.mark.parametrize("media_type, is_read", [
    ("application/json", True), ("application/json; charset=utf-8", True), ('Application/JSON;charset="UTF-8"', True),
    ("application/json; x=y", True), ("application/json; charset=utf-8; x=y", True),
    ("application/json; x=y; charset=latin1", False), ("application/json;charset=latin1", False),
    ("text/plain", False), ("application/x-www-form-urlencoded", False), ("application/jsonx", False), ("", False)])
def test_a_body_has_to_be_json(web, product, media_type, is_read):
    answer = web.post(f"/v1/products/{product.id}:adjustStock", '{"delta":0}', **{"Content-Type": media_type})
    assert (answer.status, answer.reason) == ((400, "REQUEST_INVALID") if is_read else (415, "MEDIA_TYPE_UNSUPPORTED"))


def test_a_compressed_body_is_not_read(web, product):
    answer = web.post(f"/v1/products/{product.id}:adjustStock", b"x", Content_Encoding="gzip", **JSON)
    assert answer.status == 415


def test_a_method_without_a_body_refuses_one(web, product):
    assert web.ask("GET", f"/v1/products/{product.id}", {}).status == 400
    assert web.ask("DELETE", "/v1/products/nobody", {}).status == 400


def test_no_body_is_an_empty_message(web, shop, product):
    order = shop.create((product, 1))
    assert web.ask("POST", f"/v1/orders/{order.id}:cancel").json["state"] == "CANCELLED"


@pytest.mark.parametrize("accept, status", [
    ("application/json", 200), ("*/*", 200), ("text/html, application/*;q=0.2", 200), ("text/html", 406),
    ("application/json;q=0, */*", 406), ("text/event-stream", 406), ("", 406)])
def test_an_answer_nobody_accepts_is_406(web, product, accept, status):
    answer = web.get(f"/v1/products/{product.id}", Accept=accept)
    assert answer.status == status
    if status == 406:
        assert answer.reason == "NOT_ACCEPTABLE" and answer.error["status"] == "INVALID_ARGUMENT"


def test_all_that_is_wrong_with_a_request_is_told_at_once_wherever_it_stands(web, product):
    path = f"/v1/products/{product.id}:adjustStock"
    answer = web.post(f"{path}?colour=red&$unknown=x", {"id": 7, "why": "found"}, Idempotency_Key='"')
    assert answer.broken == ["$unknown", "id", "why", "colour", "Idempotency-Key"] and answer.reason == "REQUEST_INVALID"
    answer = web.post(f"{path}?colour=red", {"why": "found"})
    assert answer.broken == ["why", "colour"] and answer.reason == "FIELD_UNKNOWN"
    answer = web.post(f"{path}?colour=red&delta=1", {"delta": 1})
    assert sorted(answer.broken) == ["colour", "delta"] and answer.reason == "REQUEST_INVALID"


def test_a_key_of_the_query_that_is_no_text_is_told_as_one(web):
    answer = web.post("/v1/orders?shipTo.%FF=1&%FE=2", {})
    assert answer.status == 400 and len(answer.broken) >= 2, answer.body


def test_path_body_and_query_must_not_differ(web, shop, product):
    order = shop.create((product, 1))
    path = f"/v1/orders/{order.id}:process"
    assert web.post(path, {"id": NOBODY, "paymentMethod": "pm_card_visa"}).broken == ["id"]
    assert web.post(path + "?paymentMethod=x", {}).broken == ["paymentMethod"]
    assert web.post(path, {"id": order.id, "paymentMethod": "pm_card_visa"}).status == 200
    assert web.post(f"/v1/products/{product.id}:adjustStock", {"id": "", "delta": 1}).status == 200  # "" is unset


@pytest.mark.parametrize("number, moved", [
    ("1.0", 1), ("2e0", 2), ("9007199254740993.0", 2**53 + 1), ("9.007199254740993e15", 2**53 + 1),
    ("0.99999999999999999999", None), ("2.00000000000000001", None), ("1e400", None), ("9223372036854775808", None)])
def test_an_integer_is_read_as_it_is_written(web, shop, number, moved):
    path = f"/v1/products/{shop.product(stock=0).id}:adjustStock"
    answer = web.post(path, '{"delta":%s}' % number, **JSON)
    if moved is None:
        assert (answer.status, answer.broken) == (400, ["delta"])
    else:
        assert (answer.status, answer.json["available"]) == (200, str(moved))


# ------------------------------------------------------------------------------------- PATCH, etags


def test_the_keys_of_a_patch_are_its_mask(web, shop):
    path = f"/v1/products/{shop.product(description='old').id}"
    was = web.get(path).json
    del was["etag"]  # with it the version would be checked
    assert web.patch(path, {"name": "New"}).json["description"] == "old"
    assert web.patch(path, {"description": None, "name": "Newer"}).json["description"] == ""
    now = web.patch(path, {**was, "category": "chairs"}).json  # id, available and times of the answer are let be
    assert (now["category"], now["description"], now["name"]) == ("chairs", "old", "Walnut desk")
    assert web.patch(path, {}).json["name"] == "Walnut desk"
    assert web.patch(path, {"price": {"currencyCode": "EUR", "units": "3"}}).json["price"]["units"] == "3"


def test_an_update_mask_wins_over_the_keys(web, shop):
    path = f"/v1/products/{shop.product(description='old').id}"
    answer = web.patch(path + "?updateMask=description", {"name": "New"})
    assert (answer.json["name"], answer.json["description"]) == ("Walnut desk", "")
    for mask in ("id", "etag", "available", "createTime", "price.units", "nothing"):
        assert web.patch(f"{path}?updateMask={mask}", {"name": "New"}).status == 400, mask


@pytest.mark.parametrize("key", ["name", "price"])
def test_what_is_required_cannot_be_cleared(web, product, key):
    answer = web.patch(f"/v1/products/{product.id}", {key: None})
    assert answer.status == 400 and answer.broken == [f"product.{key}"]


def test_the_id_of_a_patch_must_be_that_of_the_path(web, product):
    assert web.patch(f"/v1/products/{product.id}", {"id": "other"}).broken == ["product.id"]


def test_the_etag_of_a_product_covers_what_is_available(web, shop):
    product = shop.product()
    path = f"/v1/products/{product.id}"
    etag = web.get(path).fields["etag"]
    assert etag == f'W/"{product.etag}-100"'
    for value in (etag, etag[2:], f'"x,y", {etag}', "*"):
        answer = web.get(path, If_None_Match=value)
        assert (answer.status, answer.body, answer.fields["etag"]) == (304, b"", etag), value
    web.post(f"{path}:adjustStock", {"delta": 1})
    assert web.get(path, If_None_Match=etag).status == 200


def test_the_etag_of_an_order_is_its_revision(web, shop, product):
    order = shop.create((product, 1))
    answer = web.get(f"/v1/orders/{order.id}")
    assert answer.fields["etag"] == f'W/"{order.revision}"'
    assert web.get(f"/v1/orders/{order.id}", If_None_Match=answer.fields["etag"]).status == 304


def test_if_match_that_fails_is_412_and_an_etag_field_409(web, shop):
    path = f"/v1/products/{shop.product().id}"
    etag = web.get(path).fields["etag"]
    web.post(f"{path}:adjustStock", {"delta": 1})  # what is available is no part of the version
    assert web.patch(path, {"name": "New"}, If_Match=etag).status == 200
    for value in (etag, '"1"', '"strange"', '""'):
        answer = web.patch(path, {"name": "Newer"}, If_Match=value)
        assert (answer.status, answer.reason, answer.error["status"]) == (412, "ETAG_MISMATCH", "ABORTED"), value
    answer = web.patch(path, {"name": "Newer", "etag": "1"})
    assert (answer.status, answer.reason) == (409, "ETAG_MISMATCH")
    assert web.patch(path, {"name": "Newer", "etag": "1"}, If_Match="*").status == 409  # it is the field that fails
    assert web.ask("DELETE", path + "?etag=1", fields={"If-Match": "*"}).status == 409
    assert web.ask("DELETE", path, fields={"If-Match": etag}).status == 412
    assert web.ask("DELETE", path, fields={"If-Match": "*"}).json == {}


def test_if_match_on_a_method_without_an_etag_or_that_is_none_is_400(web, product):
    path = f"/v1/products/{product.id}"
    assert web.get(path, If_Match='"1"').broken == ["If-Match"]
    assert web.post(f"{path}:adjustStock", {"delta": 1}, If_Match='"1"').broken == ["If-Match"]
    assert web.patch(path, {"name": "x"}, If_Match="1").broken == ["If-Match"]
    assert web.patch(path, {"name": "x"}, If_Match='"1", "2"').broken == ["If-Match"]
    assert web.patch(path, {"name": "x", "etag": "7"}, If_Match='"1"').broken == ["product.etag"]


# --------------------------------------------------------------------------------------- keys, time


def test_an_idempotency_key_is_the_request_id(web, product):
    key = client.request_id()
    first = web.post("/v1/orders:place", place_request(product), Idempotency_Key=f'"{key}"')
    assert first.status == 200 and "idempotent-replayed" not in first.fields
    for again in (web.post("/v1/orders:place", place_request(product), Idempotency_Key=key),
                  web.post("/v1/orders:place", place_request(product, requestId=key)),
                  web.post("/v1/orders:place", place_request(product, requestId=key), Idempotency_Key=key)):
        assert (again.status, again.fields["idempotent-replayed"]) == (200, "true")
        assert again.json == first.json
    other = web.post("/v1/orders:place", {**place_request(product), "customerId": "bob"}, Idempotency_Key=key)
    assert (other.status, other.reason) == (400, "REQUEST_ID_REUSED")


def test_quotes_within_a_key_are_escaped(web, product):
    key = client.request_id()
    first = web.post("/v1/orders:place", place_request(product), Idempotency_Key=f'"{key}\\"\\\\"')
    again = web.post("/v1/orders:place", place_request(product, requestId=f'{key}"\\'))
    assert (first.status, again.fields["idempotent-replayed"], again.json) == (200, "true", first.json)


def test_a_key_that_is_none_or_differs_is_400(web, product):
    for value in ('"open', '"', '""', "", "two words", '"a" "b"', '"a\\b"', '"a\\"'):
        answer = web.post("/v1/orders:place", place_request(product), Idempotency_Key=value)
        assert answer.broken == ["Idempotency-Key"], value
    answer = web.post("/v1/orders:place", place_request(product, requestId="a"), Idempotency_Key="b")
    assert answer.broken == ["request_id"]
    body = json.dumps(place_request(product))
    answer, _ = web.send(f"POST /v1/orders:place HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                         f"Idempotency-Key: a\r\nIdempotency-Key: a\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    assert answer.broken == ["Idempotency-Key"]
    assert web.get(f"/v1/products/{product.id}", Idempotency_Key="a").status == 200
    assert web.post("/v1/orders:place", place_request(product), Idempotency_Key="x" * 256).status == 400


@pytest.mark.parametrize("value, status", [
    ("20S", 200), ("99999999H", 200), ("5000m", 200), ("99999999u", 200), ("1n", 504), ("0S", 504),
    ("1", 400), ("S", 400), ("123456789m", 400), ("1s", 400), ("-1S", 400), ("1.5S", 400), ("", 400)])
def test_grpc_timeout_is_the_deadline(web, product, value, status):
    answer = web.get(f"/v1/products/{product.id}", Grpc_Timeout=value)
    assert answer.status == status
    if status == 400:
        assert answer.broken == ["Grpc-Timeout"]
    if status == 504:
        assert answer.reason == "DEADLINE_EXCEEDED"


# --------------------------------------------------------------------------------- pages, gzip, CORS


def test_the_page_and_the_document_are_there(web):
    page = web.get("/")
    assert page.status == 200 and page.fields["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.fields["content-security-policy"]
    for path in re.findall(r'(?:src|href)="/?([\w.-]+\.(?:js|css))"', page.body.decode()):
        assert web.get("/" + path).status == 200, path
    document = web.get("/openapi.json")
    assert document.json["openapi"].startswith("3.1")
    assert web.get("/openapi.json", If_None_Match=document.fields["etag"]).status == 304
    same = web.get("/", If_None_Match=page.fields["etag"])
    assert (same.status, same.fields["vary"]) == (304, page.fields["vary"])
    assert same.fields["content-security-policy"] == page.fields["content-security-policy"]


def test_whatever_has_a_body_says_what_it_is_and_that_nothing_else_may_be_guessed(web, product):
    for path in ("/", "/session.js", "/openapi.json", "/healthz", f"/v1/products/{product.id}", "/v1/products/none",
                 "/none"):
        fields = web.get(path).fields
        assert fields["x-content-type-options"] == "nosniff" and "/" in fields["content-type"], path


def test_health_is_told(web):
    assert web.get("/healthz").json == {"status": "SERVING"}
    assert web.get("/healthz?service=shop.v1.Orders").status == 200
    answer = web.get("/healthz?service=nobody%ff")
    assert (answer.status, answer.reason) == (404, "SERVICE_UNKNOWN")
    assert answer.details("ResourceInfo")[0]["resourceName"] == "nobody?"
    for query in ("servce=nobody", "service=%zz", "service=%00", "service%00x=nobody"):  # a slip must not look healthy
        assert web.get("/healthz?" + query).status == 400, query


@pytest.mark.parametrize("coding, is_packed", [
    ("gzip", True), ("br, gzip;q=0.1", True), ("*", True), ("gzip;q=0", False), ("identity", False), ("", False),
    ("gzip;q=0, *", False)])
def test_large_answers_are_compressed_when_that_is_asked_for(web, coding, is_packed):
    plain, packed = web.get("/openapi.json"), web.get("/openapi.json", Accept_Encoding=coding)
    assert packed.body == plain.body
    assert (packed.fields.get("content-encoding") == "gzip") == is_packed
    assert "accept-encoding" in packed.fields["vary"] and "accept-encoding" in plain.fields["vary"]


def test_an_answer_whose_every_character_takes_six_in_json_is_whole(web, shop):
    products = [shop.product(description="\x01" * 4000) for _ in range(100)]
    answer = web.get("/v1/products:batchGet?" + "&".join(f"ids={product.id}" for product in products))
    assert answer.status == 200 and len(answer.body) > 2.4e6
    assert [item["description"] for item in answer.json["products"]] == ["\x01" * 4000] * 100


def test_small_answers_are_not_compressed(web, product):
    assert "content-encoding" not in web.get(f"/v1/products/{product.id}", Accept_Encoding="gzip").fields


def test_other_origins_are_served_by_setting_only(web, own_orderd, product):
    preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    for answer in (web.get("/healthz", Origin="https://shop.example"),
                   web.ask("OPTIONS", "/v1/orders", fields=preflight)):
        assert not any(name.startswith("access-control") for name in answer.fields)
    other = Web(own_orderd(CORS_ORIGINS="https://a.example, https://shop.example").http_port)
    answer = other.ask("OPTIONS", "/v1/orders", fields=preflight)
    assert answer.status == 204
    assert answer.fields["access-control-allow-origin"] == "https://shop.example"
    assert "POST" in answer.fields["access-control-allow-methods"]
    assert "Idempotency-Key" in answer.fields["access-control-allow-headers"]
    assert answer.fields["access-control-max-age"] == "7200"
    for answer in (other.get("/healthz", Origin="https://shop.example"),
                   other.get(f"/v1/products/{product.id}", Origin="https://shop.example")):
        assert answer.fields["access-control-allow-origin"] == "https://shop.example"
        assert "Retry-After" in answer.fields["access-control-expose-headers"]
    for origin in ("https://evil.example", "https://shop.example.evil", "null", "https://a.example,"):
        answer = other.get("/healthz", Origin=origin)
        assert "access-control-allow-origin" not in answer.fields and "origin" in answer.fields["vary"]
        assert "access-control-allow-credentials" not in answer.fields


def test_every_origin_is_served_when_the_setting_says_so(own_orderd):
    everybody = Web(own_orderd(CORS_ORIGINS="*").http_port)
    for origin in ("https://shop.example", "http://localhost:3000", "null"):
        answer = everybody.get("/healthz", Origin=origin)
        assert answer.fields["access-control-allow-origin"] == origin and "origin" in answer.fields["vary"]
        assert "access-control-allow-credentials" not in answer.fields
    assert "access-control-allow-origin" not in everybody.get("/healthz").fields


def test_a_preflight_that_asks_for_nothing_is_told_the_methods_only(own_orderd):
    other = Web(own_orderd(CORS_ORIGINS="https://shop.example").http_port)
    answer = other.ask("OPTIONS", "/v1/orders", fields={"Origin": "https://shop.example"})
    assert (answer.status, answer.fields["allow"]) == (204, "GET, HEAD, POST, OPTIONS")
    assert "access-control-allow-methods" not in answer.fields


# ------------------------------------------------------------------------------------ the connection


def get(path="/healthz", fields=""):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"


@pytest.mark.parametrize("head", [
    "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    "POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}",
    "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\n{}",
    "GET /healthz HTTP/1.1\nHost: x\n\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a b@/c\r\n\r\n",
    "GET http:///healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "GET /healthz HTTP/1.1\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
    "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "\x16\x03\x01\x02\r\n\r\n",
])
def test_shapes_that_smuggle_requests_are_refused_and_end_the_connection(web, head):
    answer, is_closed = web.send(head + get())
    assert answer.status == 400 and is_closed
    assert answer.error["status"] == "INVALID_ARGUMENT" and answer.reason == "MESSAGE_INVALID"


@pytest.mark.parametrize("beginning", [
    "GET /healthz HTTP/1.1\nHost: x\n\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "hello\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\n\n", "GET /\x00"])
def test_what_cannot_become_a_request_is_refused_at_once(web, beginning):
    """Without the empty line that nobody would send."""
    answer, is_closed = web.send(beginning)
    assert (answer.status, answer.reason) == (400, "MESSAGE_INVALID") and is_closed


@pytest.mark.parametrize("request_, status", [
    ("HEAD /healthz HTTP/1.1\r\n\r\n", 400), ("HEAD /healthz HTTP/1.1\n\n", 400),
    (f"HEAD /{'x' * 9000} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ("HEAD /healthz HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417)])
def test_head_that_is_refused_gets_no_body(web, request_, status):
    with web.open() as wire:
        wire.send(request_)
        assert wire.answer(has_body=False).status == status
        assert wire.is_closed()


def test_an_expectation_that_is_unknown_is_417(web):
    answer, is_closed = web.send(get(fields="Expect: miracles\r\n"))
    assert answer.status == 417 and is_closed


@pytest.mark.parametrize("spare, status", [(0, 400), (1, 414)])
def test_a_url_has_8_kib(web, spare, status):
    path = "/v1/products?a="
    answer, _ = web.send(get(path + "x" * (8192 - len(path) + spare)))
    assert answer.status == status
    if status == 414:
        assert (answer.reason, answer.error["status"]) == ("URL_TOO_LONG", "INVALID_ARGUMENT")


@pytest.mark.parametrize("spare, status", [(0, 200), (1, 431)])
def test_header_fields_have_8_kib(web, spare, status):
    fill = 8192 - len("Host: x\r\n") - len("A: \r\n") + spare
    answer, _ = web.send(get(fields=f"A: {'x' * fill}\r\n"))
    assert answer.status == status
    if status == 431:
        assert (answer.reason, answer.error["status"]) == ("HEADERS_TOO_LARGE", "INVALID_ARGUMENT")


@pytest.mark.parametrize("spare, status", [(0, 400), (1, 413)])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_has_256_kib(web, spare, status, is_chunked):
    size = 256 * 1024 + spare
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    head = f"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n".encode()
    body = b" " * size
    with web.open() as wire:
        with contextlib.suppress(ConnectionError):
            wire.send(head + (b"%x\r\n%s\r\n0\r\n\r\n" % (size, body) if is_chunked else body))
        answer = wire.answer()
    assert answer.status == status
    if status == 413:
        assert (answer.reason, answer.error["status"]) == ("BODY_TOO_LARGE", "RESOURCE_EXHAUSTED")


def test_pipelined_requests_are_answered_in_order(web, product):
    with web.open() as wire:
        wire.send(get(f"/v1/products/{product.id}") + get() + get("/nothing") + get(f"/v1/products/{product.id}"))
        assert [wire.answer().status for _ in range(4)] == [200, 200, 404, 200]


def test_who_sends_no_more_still_gets_his_answers(web, product):
    with web.open() as wire:
        wire.send(get(f"/v1/products/{product.id}") * 3)
        wire.socket.shutdown(socket.SHUT_WR)
        assert [wire.answer().status for _ in range(3)] == [200] * 3
        assert wire.is_closed()
    with web.open() as wire:  # half a request is none
        wire.send("GET /healthz HTTP/1.1\r\n")
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.is_closed()


def test_a_slow_client_is_served(web):
    with web.open() as wire:
        for byte in get().encode():
            wire.send(bytes([byte]))
        assert wire.answer().status == 200


def test_a_body_is_asked_for(web, product):
    with web.open() as wire:
        wire.send(f"POST /v1/products/{product.id}:adjustStock HTTP/1.1\r\nHost: x\r\n"
                  "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        assert wire.head()[0] == 100
        wire.send('{"delta":1}')
        assert wire.answer().status == 200


# ------------------------------------------------------------------------------------------- limits


def test_connections_have_a_limit(own_orderd):
    """Who comes beyond it is told so, whatever he asks, and hung up on; a place that is free is given again."""
    web = Web(own_orderd(MAX_CONNECTIONS="3").http_port)

    def is_served(wire):
        try:
            wire.send(get())
            return wire.head()[0] == 200
        except (OSError, ValueError):
            return False  # closed without a word
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(web.open()) for _ in range(3)]
        assert all(is_served(wire) for wire in wires)
        for request in (get("/v1/products"), get("/"), "nonsense"):
            with web.open() as wire:
                wire.send(request)
                answer = wire.answer()
                assert (answer.status, answer.reason) == (429, "TOO_MANY_CONNECTIONS")
                assert answer.error["status"] == "RESOURCE_EXHAUSTED"
                assert (answer.fields["retry-after"], answer.fields["connection"]) == ("1", "close")
                assert "date" in answer.fields and wire.is_closed()
        wires[0].close()

        def has_place():
            wire = stack.enter_context(web.open())
            return is_served(wire)
        harness.wait_until(has_place, 20, "the place of a connection that has gone")
        with web.open() as wire:
            assert not is_served(wire)


def test_watchers_that_have_gone_behind_a_pile_of_requests_leave_their_places(own_orderd):
    orderd = own_orderd(MAX_WATCHERS="2")
    web, shop = Web(orderd.http_port), client.Shop(orderd.grpc_addr)
    path = f"/v1/orders/{shop.create((shop.product(), 1)).id}:watch"
    shop.close()
    for _ in range(2):
        with web.open() as wire:
            wire.send(get(path))
            assert wire.head()[0] == 200
            with contextlib.suppress(ConnectionError):
                wire.send(get() * 700)

    def count(name):
        return int(re.search(rf"^{name} (\d+)", orderd.metrics(), re.MULTILINE)[1])
    harness.wait_until(lambda: count("http_connections") == 0, 20, "connections of watchers that have gone")
    with web.open() as wire:
        wire.send(get(path))
        assert wire.head()[0] == 200


def test_watches_of_both_doors_share_a_limit(own_orderd):
    orderd = own_orderd(MAX_WATCHERS="2")
    web, own = Web(orderd.http_port), client.Shop(orderd.grpc_addr)
    order = own.create((own.product(), 1))
    path = f"/v1/orders/{order.id}:watch"
    stream = own.orders._stub.WatchOrder(orders.WatchOrderRequest(id=order.id))  # pylint: disable=protected-access
    next(stream)
    with web.open() as wire:
        wire.send(get(path))
        assert wire.head()[0] == 200
        answer = web.get(path)
        assert (answer.status, answer.reason, answer.fields["retry-after"]) == (429, "TOO_MANY_WATCHERS", "1")
        with client.refused("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHERS"):
            try:
                next(own.orders._stub.WatchOrder(  # pylint: disable=protected-access
                    orders.WatchOrderRequest(id=order.id)))
            except client.grpc.RpcError as error:
                raise client.Refused(error) from None

    def gone():
        with web.open() as wire:
            wire.send(get(path))
            return wire.head()[0] == 200
    harness.wait_until(gone, 20, "the place of a watcher that has gone")
    stream.cancel()
    own.close()


# -------------------------------------------------------------------------------------------- watches


def events_of(text):
    """[(event, id, data)] of a stream of server-sent events."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(":", 1) for line in block.split("\n"))
        found.append((fields.get("event", " message").strip(), fields.get("id", "").strip(), fields["data"].strip()))
    return found


def declined(shop, product):
    """A FAILED order."""
    order = shop.create((product, 1))
    with client.refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
        shop.process(order, "pm_card_visa_chargeDeclined")
    return shop.order_at_rest(order.id)


def test_a_watch_is_events_lines_or_an_array(web, shop, product):
    order = shop.create((product, 1))
    path = f"/v1/orders/{order.id}:watch"
    forms = ("text/event-stream", "application/x-ndjson", "application/json")
    with contextlib.ExitStack() as stack:
        wires, texts = [stack.enter_context(web.open()) for _ in forms], []
        for form, wire in zip(forms, wires):
            wire.send(get(path, f"Accept: {form}\r\n"))
            status, fields = wire.head()
            assert (status, dict(fields)["content-type"]) == (200, form)
            texts.append(wire.chunk())  # as it is before it is processed
        shop.process(order)
        texts = [text + "".join(iter(wire.chunk, "")) for text, wire in zip(texts, wires)]
    events = events_of(texts[0])
    assert events[-1] == ("end", "", "")
    assert all(event == "message" for event, _, _ in events[:-1])
    assert [int(id_) for _, id_, _ in events[:-1]] == [int(json.loads(data)["revision"]) for _, _, data in events[:-1]]
    lines = [json.loads(line)["result"] for line in texts[1].splitlines()]
    for seen in ([json.loads(data) for _, _, data in events[:-1]], lines, json.loads(texts[2])):
        revisions = [int(item["revision"]) for item in seen]
        assert revisions == sorted(set(revisions)) and seen[-1]["state"] == "FULFILLED"
        assert seen[0]["state"] == "PENDING" and len(seen) >= 2


def test_a_browser_that_connects_again_goes_on_where_it_was(web, shop, product):
    order = declined(shop, product)
    path = f"/v1/orders/{order.id}:watch"
    events = {"Accept": "text/event-stream"}
    last = str(order.revision)
    assert web.get(path, Last_Event_ID=last, **events).status == 204
    assert web.get(path + "?afterRevision=1", Last_Event_ID=last, **events).status == 204
    seen = events_of(web.get(path, Last_Event_ID=str(order.revision - 1), **events).body.decode())
    assert [id_ for _, id_, _ in seen] == [last, ""]
    assert len(web.get(path, Last_Event_ID=last).json) == 1  # it means something to event streams only
    assert web.get(path, Last_Event_ID="x", **events).broken == ["Last-Event-ID"]
    waiting = shop.create((product, 1))
    with web.open() as wire:
        wire.send(get(f"/v1/orders/{waiting.id}:watch",
                      f"Accept: text/event-stream\r\nLast-Event-ID: {waiting.revision}\r\n"))
        assert wire.head()[0] == 200
        shop.process(waiting)
        text = "".join(iter(wire.chunk, ""))
    seen = events_of(text)
    assert seen[-1][0] == "end" and all(int(id_) > waiting.revision for _, id_, _ in seen[:-1]) and len(seen) >= 2


def test_an_error_before_the_first_message_is_a_status(web):
    for accept in ("text/event-stream", "application/x-ndjson", "application/json"):
        answer = web.get(f"/v1/orders/{NOBODY}:watch", Accept=accept)
        assert (answer.status, answer.reason) == (404, "ORDER_NOT_FOUND")
    assert web.get(f"/v1/orders/{NOBODY}:watch", Accept="text/html").status == 406


def test_head_of_a_watch_ends(web, shop, product):
    order = shop.create((product, 1))
    answer = web.ask("HEAD", f"/v1/orders/{order.id}:watch", fields={"Accept": "text/event-stream"})
    assert (answer.status, answer.fields["content-type"]) == (200, "text/event-stream")
    assert answer.fields["transfer-encoding"] == "chunked" and "content-length" not in answer.fields
    assert web.ask("HEAD", f"/v1/orders/{NOBODY}:watch").status == 404


def test_watches_end_when_the_server_does(own_orderd):
    orderd = own_orderd()
    web, shop = Web(orderd.http_port), client.Shop(orderd.grpc_addr)
    order = shop.create((shop.product(), 1))
    shop.close()
    ends = {"text/event-stream": "event: error\ndata: ", "application/x-ndjson": "", "application/json": ""}
    wires = []
    for form in ends:
        wire = web.open()
        wire.send(get(f"/v1/orders/{order.id}:watch", f"Accept: {form}\r\n"))
        assert wire.head()[0] == 200
        wires.append((form, wire))
        if form == "application/json":
            assert wire.chunk().startswith("[{")
        else:
            assert order.id in wire.chunk()
    orderd.stop_clean()
    for form, wire in wires:
        text = "".join(iter(wire.chunk, ""))
        if form == "application/json":
            text = "[{}" + text
            error = json.loads(text)[-1]["error"]
        else:
            error = json.loads(text.removeprefix(ends[form]))["error"]
        assert (error["status"], error["details"][0]["reason"]) == ("UNAVAILABLE", "SHUTTING_DOWN"), form
        wire.close()


def test_a_client_that_goes_away_does_not_end_its_order(web, shop, product):
    key = client.request_id()
    body = json.dumps(place_request(product, customerId=client.unique("gone")))
    with web.open() as wire:
        wire.send(f"POST /v1/orders:place HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    customer = json.loads(body)["customerId"]

    def fulfilled():
        found = shop.orders.ListOrders(orders.ListOrdersRequest(customer_id=customer)).orders
        return found and found[0].state == Order.FULFILLED
    harness.wait_until(fulfilled, 30, "the order of a client that has gone")


def test_requests_are_counted_by_route_and_class_of_status(web, orderd, product):
    def count(route, status):
        name = f'http_server_request_duration_seconds_count{{method="GET",route="{route}",status="{status}"}}'
        return int(re.search(rf"^{re.escape(name)} (\d+)", orderd.metrics(), re.MULTILINE)[1])
    before = count("/v1/products/{id}", "2xx"), count("/v1/products/{id}", "4xx"), count("/healthz", "2xx")
    web.get(f"/v1/products/{product.id}")
    web.get("/v1/products/nobody")
    web.get("/healthz")
    after = count("/v1/products/{id}", "2xx"), count("/v1/products/{id}", "4xx"), count("/healthz", "2xx")
    assert [new - old for new, old in zip(after, before)] == [1, 1, 1]
    assert 'method="_other",route="_other",status="4xx"' in orderd.metrics()
