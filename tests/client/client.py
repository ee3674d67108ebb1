"""orderd's services as a client sees them: generated stubs, and errors taken apart.

Every refusal that any test meets goes through Refused, which checks what holds for all of them.
"""

import base64
import concurrent.futures
import itertools
import os
import pathlib
import sys
import urllib.parse

import grpc
import grpc_tools
from grpc_tools import protoc

import harness

DOMAIN = "orders.shop.v1"
TRAILER_SIZE_MAX = 6 * 1024
CALL_SECONDS = 20
TOLD_SECONDS = 60


def make_stubs():
    """Python code for proto/, in a folder of this build, and the ways to import it."""
    out = harness.work_folder("stubs")
    proto = harness.SOURCE_DIR / "proto"
    files = [str(path.relative_to(proto)) for path in sorted(proto.rglob("*.proto"))]
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={out}",
                        f"--grpc_python_out={out}", *files])
    assert code == 0, "the protos do not compile"
    sys.path.insert(0, str(out))
    # grpc/health/… lives beside grpcio's own package of that name.
    grpc.__path__.append(str(out / "grpc"))


make_stubs()

# pylint: disable=wrong-import-position
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from google.type import money_pb2  # noqa: E402
from grpc.health.v1 import health_pb2, health_pb2_grpc  # noqa: E402
from shop.v1 import catalog_pb2 as catalog  # noqa: E402
from shop.v1 import catalog_pb2_grpc, events_pb2_grpc, orders_pb2_grpc  # noqa: E402
from shop.v1 import events_pb2 as events  # noqa: E402
from shop.v1 import orders_pb2 as orders  # noqa: E402

Product, Order, OrderLine, OrderStep = catalog.Product, orders.Order, orders.OrderLine, orders.OrderStep


class Refused(Exception):
    """A call that was answered by an error of the service."""

    def __init__(self, rpc_error):
        self.code = rpc_error.code().name
        self.message = rpc_error.details()
        self.trailers = list(rpc_error.trailing_metadata() or ())
        super().__init__(f"{self.code}: {self.message}")
        packed = [value for key, value in self.trailers if key == "grpc-status-details-bin"]
        assert len(packed) == 1, f"no details in the trailers of {self}: {self.trailers}"
        self.status = status_pb2.Status.FromString(packed[0])
        self.info = self._detail(error_details_pb2.ErrorInfo)
        self.check()

    def _detail(self, kind):
        found = [any_ for any_ in self.status.details if any_.Is(kind.DESCRIPTOR)]
        assert len(found) <= 1, f"{len(found)} times {kind.DESCRIPTOR.full_name}"
        if not found:
            return None
        detail = kind()
        assert found[0].Unpack(detail)
        return detail

    def check(self):
        """What holds for every error."""
        assert self.info is not None, f"no ErrorInfo in {self}"
        assert self.info.domain == DOMAIN
        assert self.status.code == grpc.StatusCode[self.code].value[0]
        assert self.status.message == self.message
        assert self._trailer_size() < TRAILER_SIZE_MAX
        for secret in ("SELECT ", "INSERT ", "/src/", "127.0.0.1", harness.API_KEY):
            assert secret not in self.message
        # The detail each code comes with.
        assert bool(self.violations) == (self.code == "INVALID_ARGUMENT"), self.status
        assert bool(self.preconditions) == (self.code == "FAILED_PRECONDITION"), self.status
        assert self.resource is not None or self.code != "NOT_FOUND", self.status
        if self.retry is not None:
            delay = self.retry.retry_delay
            assert int(self.pushback) == delay.seconds * 1000 + delay.nanos // 1000000
        elif self.pushback is not None:
            assert int(self.pushback) == -1

    def _trailer_size(self):
        """As HTTP/2 counts them, with what the library hides: status, message, base64 of binary values."""
        size = len("grpc-status") + 2 + 32 + len("grpc-message") + len(urllib.parse.quote(self.message)) + 32
        for key, value in self.trailers:
            size += len(key) + 32 + (len(base64.b64encode(value)) if key.endswith("-bin") else len(value))
        return size

    @property
    def reason(self):
        return self.info.reason

    @property
    def metadata(self):
        return dict(self.info.metadata)

    @property
    def retry(self):
        return self._detail(error_details_pb2.RetryInfo)

    @property
    def pushback(self):
        return next((value for key, value in self.trailers if key == "grpc-retry-pushback-ms"), None)

    @property
    def resource(self):
        return self._detail(error_details_pb2.ResourceInfo)

    @property
    def preconditions(self):
        detail = self._detail(error_details_pb2.PreconditionFailure)
        return list(detail.violations) if detail else []

    @property
    def violations(self):
        detail = self._detail(error_details_pb2.BadRequest)
        return list(detail.field_violations) if detail else []

    @property
    def fields(self):
        return [violation.field for violation in self.violations]


class Unanswered(Exception):
    """Said by the caller's own gRPC, so without details: the connection was lost, nobody listened, or (on a machine
    with too much to do) the deadline passed with the answer on its way. CANCELLED: the call's head arrived in the very
    moment in which the server shuts down; gRPC core ends such a call itself, before the service sees it."""

    def __init__(self, rpc_error):
        self.code = rpc_error.code().name
        super().__init__(f"{self.code}: {rpc_error.details()}")
        assert self.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"), self


def error_of(rpc_error):
    """What came instead of an answer: what the service sends has details."""
    has_details = any(key == "grpc-status-details-bin" for key, _ in rpc_error.trailing_metadata() or ())
    return Refused(rpc_error) if has_details else Unanswered(rpc_error)


def until_told(ask):
    """The first answer of the service to ask(): a call that the client's own clock ended is made again."""
    def told():
        try:
            return ask()
        except Unanswered as error:
            assert error.code == "DEADLINE_EXCEEDED", error
            return None
    return harness.wait_until(told, TOLD_SECONDS, "an answer in time")


class refused:
    """with refused("NOT_FOUND", "PRODUCT_NOT_FOUND") as error: … and then error.value"""

    def __init__(self, code, reason=None):
        self.code, self.reason, self.value = code, reason, None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        assert kind is not None, f"answered OK instead of {self.code} {self.reason or ''}"
        if not isinstance(value, Refused):
            return False
        assert (value.code, value.reason) == (self.code, self.reason or value.reason), f"{value}\n{value.status}"
        self.value = value
        return True


class Service:
    """The methods of a stub, raising Refused."""

    def __init__(self, stub):
        self._stub = stub

    def __getattr__(self, name):
        method = getattr(self._stub, name)

        def call(request, timeout=CALL_SECONDS, **options):
            try:
                return method(request, timeout=timeout, **options)
            except grpc.RpcError as error:
                raise error_of(error) from None
        return call


_numbers = itertools.count(1)


def unique(prefix):
    """An id nobody else has, in this run."""
    return f"{prefix}-{next(_numbers)}"


def request_id():
    return f"{os.getpid()}-{unique('request')}"


def money(units, nanos=0, currency="EUR"):
    return money_pb2.Money(currency_code=currency, units=units, nanos=nanos)


def address(**changes):
    fields = {"recipient": "Ada Lovelace", "address_lines": ["12 St James's Square"], "postal_code": "SW1Y 4JH",
              "locality": "London", "region_code": "GB", **changes}
    return orders.Address(**fields)


def lines(*pairs):
    """lines((product, 2), ("other-id", 1))"""
    return [OrderLine(product_id=getattr(product, "id", product), quantity=quantity) for product, quantity in pairs]


class Shop:
    """One client: a connection of its own, the services, and what tests need again and again."""

    def __init__(self, target):
        self.channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self.catalog = Service(catalog_pb2_grpc.CatalogStub(self.channel))
        self.orders = Service(orders_pb2_grpc.OrdersStub(self.channel))
        self.events = Service(events_pb2_grpc.OrderEventsStub(self.channel))
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def close(self):
        self.channel.close()

    def raw(self, path, payload, timeout=CALL_SECONDS, **options):
        """Bytes in, bytes out: for what no stub would send."""
        method = self.channel.unary_unary(path, request_serializer=None, response_deserializer=None)
        try:
            return method(payload, timeout=timeout, **options)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def product(self, stock=100, price=None, **fields):
        fields = {"id": unique("product"), "name": "Walnut desk", "category": "desks",
                  "price": price or money(12, 500_000_000), **fields}
        return self.catalog.CreateProduct(catalog.CreateProductRequest(product=Product(**fields), initial_stock=stock))

    def available(self, product):
        return self.catalog.GetProduct(catalog.GetProductRequest(id=product.id)).available

    def create(self, *pairs, **fields):
        fields = {"customer_id": "ada", "lines": lines(*pairs), "ship_to": address(), **fields}
        return self.orders.CreateOrder(orders.CreateOrderRequest(**fields))

    def process(self, order, card="pm_card_visa", timeout=CALL_SECONDS, **fields):
        return self.orders.ProcessOrder(
            orders.ProcessOrderRequest(id=getattr(order, "id", order), payment_method=card, **fields), timeout)

    def process_soon(self, order, card="pm_card_visa", **fields):
        """A call under way; answer_of tells how it ended."""
        return orders_pb2_grpc.OrdersStub(self.channel).ProcessOrder.future(
            orders.ProcessOrderRequest(id=order.id, payment_method=card, **fields), timeout=TOLD_SECONDS)

    @staticmethod
    def place_request(*pairs, **fields):
        fields = {"customer_id": "ada", "lines": lines(*pairs), "ship_to": address(),
                  "payment_method": "pm_card_visa", "request_id": request_id(), **fields}
        return orders.PlaceOrderRequest(**fields)

    def place(self, *pairs, timeout=CALL_SECONDS, **fields):
        return self.orders.PlaceOrder(self.place_request(*pairs, **fields), timeout)

    def order(self, order_id):
        return self.orders.GetOrder(orders.GetOrderRequest(id=getattr(order_id, "id", order_id)))

    def order_at_rest(self, order_id):
        """The order once nobody works on it any more."""
        resting = (Order.PENDING, Order.FULFILLED, Order.FAILED, Order.CANCELLED, Order.STUCK)

        def look():
            order = self.order(order_id)
            return order if order.state in resting else None
        return harness.wait_until(look, CALL_SECONDS, f"order {order_id} to rest")


def answer_of(call):
    """Of a call that was under way: the message, or Refused as a value."""
    try:
        return call.result()
    except grpc.RpcError as error:
        return Refused(error)


def at_once(count, work):
    """work(0), work(1), … on that many threads; results in order, Refused as a result."""
    def one(index):
        try:
            return work(index)
        except Refused as error:
            return error
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
