"""One list of cases through both doors: the reply over HTTP, read as the message it is, equals the one over gRPC, and
so does every error with all its details."""

import json
import re

import grpc
import pytest
from google.protobuf import json_format, text_format
from google.rpc import status_pb2

import client
from client import Refused, catalog, orders
from stand import Stand
from web import Web

NOBODY = "01890000-0000-7000-8000-000000000000"
DECLINED, SHORT, ACTION = "pm_card_visa_chargeDeclined", 1000, "pm_card_authenticationRequired"

# HTTP statuses of the codes (api.md).
HTTP_STATUS = {"CANCELLED": 499, "UNKNOWN": 500, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404,
               "ALREADY_EXISTS": 409, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400,
               "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500, "UNAVAILABLE": 503,
               "DATA_LOSS": 500, "UNAUTHENTICATED": 401}

# What differs from call to call: times, the delay of an invitation to repeat, and the ids that are made. Amounts of
# money have nanos of their own, which are compared.
MADE = re.compile(r"(create_time|update_time|start_time|end_time|fulfill_time|retry_delay) \{[^}]*\}|"
                  r'(payment_id|shipment_id|external_id|request_id|next_page_token): "[^"]*"|'
                  r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|"
                  r"(product|request|kind)-\d+|\d+-request-\d+")


def lines(product, quantity=1):
    return [{"product_id": product, "quantity": quantity}]


ADDRESS = {"recipient": "Ada", "address_lines": ["1 St"], "region_code": "GB"}


def order(product, quantity=1, **fields):
    return {"customer_id": "ada", "lines": lines(product, quantity), "ship_to": ADDRESS, **fields}


class World:
    """What a case may ask for: made anew for each door, so that both find the same."""

    def __init__(self, shop):
        self.shop = shop

    def product(self, **fields):
        return self.shop.product(**fields).id

    def pending(self, quantity=1):
        return self.shop.create((self.product(), quantity)).id

    def fulfilled(self):
        made = self.pending()
        self.shop.process(made)
        return made

    def failed(self):
        made = self.pending()
        with client.refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
            self.shop.process(made, DECLINED)
        self.shop.order_at_rest(made)
        return made

    def placed(self, **fields):
        """A request to place an order that has been answered; sent again with these fields it is another one."""
        request = order(self.product(), payment_method="pm_card_visa", request_id=client.request_id())
        self.shop.orders.PlaceOrder(orders.PlaceOrderRequest(**request))
        return {**request, **fields}


def case(service, method, verb, path, make, name):
    """make(world) gives the request's fields; those named in the path stand there over HTTP."""
    return pytest.param(service, method, verb, path, make, id=f"{method}: {name}")


PRODUCT, ORDER = "/v1/products/{id}", "/v1/orders/{id}"
CASES = [
    case("catalog", "GetProduct", "GET", PRODUCT,
         lambda w: {"id": w.product(description="Ünï \"q\" \\")}, "is there"),
    case("catalog", "GetProduct", "GET", PRODUCT, lambda w: {"id": "nobody"}, "is not there"),
    case("catalog", "GetProduct", "GET", PRODUCT, lambda w: {"id": "NO GOOD:id/%2F"}, "no id"),
    case("catalog", "BatchGetProducts", "GET", "/v1/products:batchGet",
         lambda w: {"ids": [w.product(), w.product()]}, "all are there"),
    case("catalog", "BatchGetProducts", "GET", "/v1/products:batchGet",
         lambda w: {"ids": [w.product(), "nobody"]}, "one is missing"),
    case("catalog", "BatchGetProducts", "GET", "/v1/products:batchGet", lambda w: {}, "none"),
    case("catalog", "BatchGetProducts", "GET", "/v1/products:batchGet", lambda w: {"ids": ["a"] * 101}, "too many"),
    case("catalog", "ListProducts", "GET", "/v1/products", lambda w: {"category": "nothing"}, "none"),
    case("catalog", "ListProducts", "GET", "/v1/products",
         lambda w: {"category": (kind := client.unique("kind")), "page_size": len(w.product(category=kind)) and 1},
         "a page"),
    case("catalog", "ListProducts", "GET", "/v1/products", lambda w: {"page_size": -1, "category": "!"}, "wrong"),
    case("catalog", "ListProducts", "GET", "/v1/products", lambda w: {"page": 2, "page_token": "x"}, "both ways"),
    case("catalog", "ListProducts", "GET", "/v1/products", lambda w: {"page": 10000, "per_page": 100}, "too far"),
    case("catalog", "ListProducts", "GET", "/v1/products", lambda w: {"page_token": "junk"}, "a token of nobody"),
    case("catalog", "CreateProduct", "POST", "/v1/products",
         lambda w: {"product": {"id": client.unique("product"), "name": "N",
                                "price": {"currency_code": "JPY", "units": 7}}}, "made"),
    case("catalog", "CreateProduct", "POST", "/v1/products",
         lambda w: {"product": {"id": w.product(), "name": "N", "price": {"currency_code": "JPY", "units": 7}}},
         "taken"),
    case("catalog", "CreateProduct", "POST", "/v1/products",
         lambda w: {"product": {"name": "x" * 201, "price": {"units": -1, "nanos": 1}}, "initial_stock": -1},
         "wrong in five places"),
    case("catalog", "CreateProduct", "POST", "/v1/products", lambda w: {}, "nothing"),
    case("catalog", "UpdateProduct", "PATCH", "/v1/products/{product.id}",
         lambda w: {"product": {"id": w.product(), "name": "New"}, "update_mask": {"paths": ["name"]}}, "one field"),
    case("catalog", "UpdateProduct", "PATCH", "/v1/products/{product.id}",
         lambda w: {"product": {"id": w.product()}, "update_mask": {"paths": ["name", "id", "nothing"]}}, "mask"),
    case("catalog", "UpdateProduct", "PATCH", "/v1/products/{product.id}",
         lambda w: {"product": {"id": w.product(), "name": "N", "etag": "7"}}, "another version"),
    case("catalog", "DeleteProduct", "DELETE", PRODUCT, lambda w: {"id": w.product()}, "gone"),
    case("catalog", "DeleteProduct", "DELETE", PRODUCT, lambda w: {"id": w.product(), "etag": "7"}, "another version"),
    case("catalog", "AdjustStock", "POST", PRODUCT + ":adjustStock",
         lambda w: {"id": w.product(), "delta": -3}, "less"),
    case("catalog", "AdjustStock", "POST", PRODUCT + ":adjustStock",
         lambda w: {"id": w.product(), "delta": -101}, "below zero"),
    case("catalog", "AdjustStock", "POST", PRODUCT + ":adjustStock",
         lambda w: {"id": w.product(), "delta": 2**63 - 1}, "too much"),
    case("orders", "CreateOrder", "POST", "/v1/orders", lambda w: order(w.product(), 3), "made"),
    case("orders", "CreateOrder", "POST", "/v1/orders", lambda w: order("nobody"), "no such product"),
    case("orders", "CreateOrder", "POST", "/v1/orders",
         lambda w: {"lines": [{"quantity": 0}] * 101, "ship_to": {}}, "wrong in many places"),
    case("orders", "CreateOrder", "POST", "/v1/orders",
         lambda w: {**order(w.product()), "lines": lines(w.product()) + lines(
             w.product(price=client.money(1, currency="JPY")))}, "two currencies"),
    case("orders", "GetOrder", "GET", ORDER, lambda w: {"id": w.pending()}, "pending"),
    case("orders", "GetOrder", "GET", ORDER, lambda w: {"id": w.fulfilled()}, "fulfilled"),
    case("orders", "GetOrder", "GET", ORDER, lambda w: {"id": w.failed()}, "failed, with its cause"),
    case("orders", "GetOrder", "GET", ORDER, lambda w: {"id": NOBODY}, "is not there"),
    case("orders", "GetOrder", "GET", ORDER, lambda w: {"id": "x:y"}, "no id"),
    case("orders", "ListOrders", "GET", "/v1/orders", lambda w: {"customer_id": "nobody", "state": 5}, "none"),
    case("orders", "ListOrders", "GET", "/v1/orders", lambda w: {"state": 77, "page_size": -1}, "wrong"),
    case("orders", "ProcessOrder", "POST", ORDER + ":process",
         lambda w: {"id": w.pending(), "payment_method": "pm_card_visa"}, "fulfilled"),
    case("orders", "ProcessOrder", "POST", ORDER + ":process",
         lambda w: {"id": w.pending(), "payment_method": DECLINED}, "declined"),
    case("orders", "ProcessOrder", "POST", ORDER + ":process",
         lambda w: {"id": w.pending(), "payment_method": ACTION}, "an action is needed"),
    case("orders", "ProcessOrder", "POST", ORDER + ":process",
         lambda w: {"id": w.pending(SHORT), "payment_method": "pm_card_visa"}, "short stock"),
    case("orders", "ProcessOrder", "POST", ORDER + ":process", lambda w: {"id": w.pending()}, "no card"),
    case("orders", "PlaceOrder", "POST", "/v1/orders:place",
         lambda w: order(w.product(), payment_method="pm_card_visa", request_id=client.request_id()), "fulfilled"),
    case("orders", "PlaceOrder", "POST", "/v1/orders:place",
         lambda w: order(w.product(), payment_method="pm_card_visa"), "without a key"),
    case("orders", "PlaceOrder", "POST", "/v1/orders:place", lambda w: w.placed(), "again"),
    case("orders", "PlaceOrder", "POST", "/v1/orders:place", lambda w: w.placed(customer_id="bob"),
         "another one with the same key"),
    case("orders", "CancelOrder", "POST", ORDER + ":cancel", lambda w: {"id": w.pending()}, "cancelled"),
    case("orders", "CancelOrder", "POST", ORDER + ":cancel", lambda w: {"id": w.fulfilled()}, "too late"),
]


@pytest.fixture(scope="module", name="web")
def fixture_web(orderd):
    return Web(orderd.http_port)


def message_type(service, name):
    return getattr({"catalog": catalog, "orders": orders}[service], name)


def over_grpc(shop, service, method, fields):
    """The reply, or the error as google.rpc.Status."""
    request = message_type(service, method + "Request")(**fields)
    try:
        return getattr(getattr(shop, service), method)(request)
    except Refused as error:
        return error.status


def take(fields, path):
    """The value at a path ("product.id"), taken out of the fields."""
    head, _, rest = path.partition(".")
    return take(fields[head], rest) if rest else fields.pop(head)


def query_of(fields):
    """Fields as the parameters of a query."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield name, ",".join(value["paths"])
        else:
            yield from ((name, item) for item in (value if isinstance(value, list) else [value]))


def over_http(web, verb, path, fields, reply, **header):
    """The same, from JSON; the status is that of the code."""
    fields = {name: dict(value) if isinstance(value, dict) else value for name, value in fields.items()}
    for variable in re.findall(r"\{([\w.]+)\}", path):
        path = path.replace("{%s}" % variable, client.urllib.parse.quote(take(fields, variable), safe=""))
    body = None
    if verb == "PATCH" or path == "/v1/products" and verb == "POST":
        body = fields.pop("product", {} if verb == "PATCH" else None)
    elif verb == "POST":
        body, fields = fields, {}
    query = client.urllib.parse.urlencode(list(query_of(fields)))
    answer = web.ask(verb, path + ("?" + query if query else ""), body, header)
    if answer.status != 200:
        assert answer.status == HTTP_STATUS[answer.error["status"]]
        return answer.rpc_status
    return json_format.Parse(answer.body, reply)


def comparable(message):
    """As text, with the details of errors unpacked, and without what is made anew each time."""
    return MADE.sub("*", text_format.MessageToString(message))


@pytest.mark.parametrize("service, method, verb, path, make", CASES)
def test_both_doors_answer_alike(shop, web, service, method, verb, path, make):
    by_grpc = over_grpc(shop, service, method, make(World(shop)))
    reply = type(by_grpc)() if not isinstance(by_grpc, status_pb2.Status) else message_type("catalog", "Product")()
    by_http = over_http(web, verb, path, make(World(shop)), reply)
    assert comparable(by_http) == comparable(by_grpc)


def test_every_method_but_the_stream_has_a_case():
    covered = {(param.values[0], param.values[1]) for param in CASES}
    methods = {(name, method.name) for name, module, service in (("catalog", catalog, "Catalog"),
                                                                 ("orders", orders, "Orders"))
               for method in module.DESCRIPTOR.services_by_name[service].methods if not method.server_streaming}
    assert covered == methods


def test_a_watch_shows_the_same_at_both_doors(shop, web):
    order_id = World(shop).failed()
    by_grpc = list(shop.orders.WatchOrder(orders.WatchOrderRequest(id=order_id)))
    by_http = [json_format.Parse(json.dumps(item), orders.Order())
               for item in web.get(f"/v1/orders/{order_id}:watch").json]
    assert by_http == by_grpc and len(by_grpc) == 1


@pytest.mark.parametrize("card", ["pm_card_visa", DECLINED])
def test_a_replay_is_marked_at_both_doors(shop, web, card):
    """The reply, and the error."""
    order_id, key = World(shop).pending(), client.request_id()
    request = orders.ProcessOrderRequest(id=order_id, payment_method=card, request_id=key)
    method = shop.orders._stub.ProcessOrder  # pylint: disable=protected-access
    answers = []
    for _ in range(2):
        call = method.future(request, timeout=client.CALL_SECONDS)
        marks = {value for name, value in (*call.initial_metadata(), *call.trailing_metadata())
                 if name == "idempotent-replayed"}
        answers.append((call.code(), call.details(), marks))
    (code, message, marks), (code_again, message_again, marks_again) = answers
    assert (code_again, message_again) == (code, message) and (marks, marks_again) == (set(), {"true"})
    answer = web.post(f"/v1/orders/{order_id}:process", {"paymentMethod": card}, Idempotency_Key=key)
    assert answer.fields["idempotent-replayed"] == "true"
    if card == DECLINED:
        assert (answer.error["status"], answer.error["message"]) == (code.name, message)
        assert answer.status == HTTP_STATUS[code.name]
        assert comparable(answer.rpc_status) == comparable(over_grpc(
            shop, "orders", "ProcessOrder", {"id": order_id, "payment_method": card, "request_id": key}))
    else:
        assert answer.status == 200
        assert json_format.Parse(answer.body, orders.OrderConfirmation()) == method(request)


def test_too_little_time_is_told_alike(shop, web):
    """With less than a second nothing is begun; on a busy machine the caller's own clock may be first."""
    def ask():
        try:
            shop.process(World(shop).pending(), timeout=0.8)
        except Refused as error:
            return error.status
        except AssertionError:  # no details: the client has made the error
            return None
        raise AssertionError("there was time enough")
    by_grpc = client.harness.wait_until(ask, client.CALL_SECONDS, "an answer within the caller's time")
    by_http = over_http(web, "POST", "/v1/orders/{id}:process",
                        {"id": World(shop).pending(), "payment_method": "pm_card_visa"}, orders.OrderConfirmation(),
                        **{"Grpc-Timeout": "800m"})
    assert by_grpc.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert comparable(by_http) == comparable(by_grpc)


def test_too_much_at_once_is_told_alike(postgres):
    """One order is under way, and no more may be."""
    stand = Stand(postgres, MAX_ORDERS="1", TRY_TIMEOUT="20s")
    web, world = Web(stand.orderd.http_port), World(stand.shop)
    try:
        held, *requests = [{"id": world.pending(), "payment_method": "pm_card_visa"} for _ in range(3)]
        stand.add_fault("ship", "latency", delayMs=3_600_000, match=held["id"])
        first = stand.shop.orders._stub.ProcessOrder.future(  # pylint: disable=protected-access
            orders.ProcessOrderRequest(**held))
        stand.wait_for(held["id"], {"FULFILLING"})
        by_grpc = over_grpc(stand.shop, "orders", "ProcessOrder", requests[0])
        by_http = over_http(web, "POST", "/v1/orders/{id}:process", requests[1], orders.OrderConfirmation())
        assert by_grpc.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert comparable(by_http) == comparable(by_grpc)
        stand.sandbox.clear_faults(held["id"])
        assert first.result().order_id == held["id"]
    finally:
        stand.sandbox.clear_faults()
        stand.close()


def test_what_goes_wrong_with_providers_is_told_alike(postgres):
    """Unavailable, and unknown: with and without an invitation to repeat."""
    stand = Stand(postgres, FORWARD_TIME="8s", TRY_TIMEOUT="2s")
    web, world = Web(stand.orderd.http_port), World(stand.shop)
    try:
        for path, mode, code in (("open", "500_before", "UNAVAILABLE"), ("confirm", "timeout", "UNAVAILABLE")):
            stand.add_fault(path, mode, **({"delayMs": 60000} if mode == "timeout" else {}))
            if mode == "timeout":
                stand.add_fault("look", mode, delayMs=60000)
            requests = [{"id": world.pending(), "payment_method": "pm_card_visa"} for _ in range(2)]
            by_grpc = over_grpc(stand.shop, "orders", "ProcessOrder", requests[0])
            by_http = over_http(web, "POST", "/v1/orders/{id}:process", requests[1], orders.OrderConfirmation())
            assert isinstance(by_grpc, status_pb2.Status) and by_grpc.code == grpc.StatusCode[code].value[0]
            assert comparable(by_http) == comparable(by_grpc), mode
            stand.sandbox.clear_faults()
    finally:
        stand.sandbox.clear_faults()
        stand.close()
