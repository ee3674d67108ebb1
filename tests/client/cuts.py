"""Connections that are cut in the middle of an order: behind each byte of what is said over it.

A run is one order of one orderd, whose every connection leads through a proxy: to the payment API, to shipping, to
PostgreSQL, and from its client by either door. The client repeats its request until it is told an end.
"""

import dataclasses
import http.client

import grpc
from google.protobuf import json_format

import crash
import harness
import invariants
from client import Refused, Shop, money, orders, orders_pb2_grpc, unique
from crash import REST_SECONDS, SETTINGS
from cutting_proxy import HOWS, WAYS, CuttingProxy
from web import Web

# "database anew": its connections are made while the order is on its way, so that their start is cut, too.
LINKS = ("payment", "shipping", "database", "database anew", "grpc", "http")
LONG = ("database", "database anew")
STRIDES = {"database anew": 7}  # nearly all of it are the texts of statements
STOCK, QUANTITY = 10, 2
CALL_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class CutAt:
    """Where the conversation ends."""
    link: str
    way: str
    after: int
    how: str

    def __str__(self):
        return f"{self.how} behind byte {self.after} {self.way} of {self.link}"


class Lane:
    """Where runs happen, one after the other."""

    def __init__(self, folder, postgres, number):
        self.folder = folder / f"lane-{number}"
        self.folder.mkdir()
        self.url = postgres.create_database(unique("lane"))
        self.sandbox = harness.Sandbox(self.folder)
        self.proxies = {"payment": CuttingProxy(self.sandbox.port), "shipping": CuttingProxy(self.sandbox.port),
                        "database": CuttingProxy(postgres.socket / ".s.PGSQL.5432")}
        self.orderd = harness.Orderd(
            self.folder, f"{self.url} host=127.0.0.1 port={self.proxies['database'].port} sslmode=disable", self.sandbox,
            **{**SETTINGS, "MIGRATE": "auto", "PAYMENT_URL": self.proxies["payment"].url,
               "FULFILLMENT_URL": self.proxies["shipping"].url})
        self.proxies |= {"grpc": CuttingProxy(self.orderd.grpc_port), "http": CuttingProxy(self.orderd.http_port)}
        self.shop = Shop(self.orderd.grpc_addr)
        self.confirmations = []

    def close(self):
        self.shop.close()
        self.orderd.stop_clean()
        for proxy in self.proxies.values():
            proxy.close()
        assert self.sandbox.stop() == 0

    def check(self):
        """The invariants of all that has been ordered here."""
        invariants.check(self.url, self.sandbox.ledger(), answered=[(one.order_id, one) for one in self.confirmations])

    def proxy(self, link):
        return self.proxies[link.split()[0]]

    def place(self, link, request):
        """The confirmation by the door of that link. Asked for until there is one."""
        once = self._place_by_http if link == "http" else self._place_by_grpc
        return harness.wait_until(lambda: once(request), REST_SECONDS, "a confirmation")

    def _place_by_grpc(self, request):
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.proxies["grpc"].address, options=options) as channel:
            try:
                return orders_pb2_grpc.OrdersStub(channel).PlaceOrder(request, CALL_SECONDS)
            except grpc.RpcError as error:
                if any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ()):
                    assert_open(Refused(error).code, error)
                return None

    def _place_by_http(self, request):
        body = json_format.MessageToDict(request)
        key = body.pop("requestId")
        try:
            answer = Web(self.proxies["http"].port).post("/v1/orders:place", body, Idempotency_Key=key)
        except (http.client.HTTPException, ConnectionError):
            return None
        if not answer.body:  # Python takes a head that breaks off for a whole one
            return None
        if answer.status == 200:
            return json_format.ParseDict(answer.json, orders.OrderConfirmation())
        assert_open(answer.error["status"], answer)
        return None


def assert_open(code, answer):
    """Nothing but the line was cut, so the only refusals are those that say: not yet known, or ask again."""
    assert code in ("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED"), answer


# ------------------------------------------------------------------------------------------- a run


def _order(lane, link, cut=None):
    """An order that is placed over cut lines, and the confirmation."""
    product = lane.shop.product(stock=STOCK, price=money(10))
    request = Shop.place_request((product, QUANTITY))
    proxy = lane.proxy(link)
    proxy.heal()
    before = proxy.cut_count
    if cut:
        proxy.cut(cut.way, cut.after, cut.how)
    if link == "database anew":
        proxy.drop()
    confirmation = lane.place(link, request)
    lane.confirmations.append(confirmation)
    crash.toll.add("connections cut", proxy.cut_count - before)
    return product, request, confirmation


def measure(lane, link):
    """How many bytes go each way over the link while an order is placed."""
    _order(lane, link)
    return dict(lane.proxy(link).passed)


def run(lane, cut):
    """The line is cut there; the order ends as any other, and is answered as it ended."""
    product, request, confirmation = _order(lane, cut.link, cut)
    lane.proxy(cut.link).heal()
    # Not lane.place(): this line is whole.
    again = harness.wait_until(lambda: whole(lane, request), REST_SECONDS, "the answer once more")
    assert again == confirmation, f"answered {confirmation} first, then {again}"
    left = lane.shop.available(product)
    assert left == STOCK - QUANTITY, f"{left} of {STOCK} are left"
    ledger = lane.sandbox.ledger(confirmation.order_id)
    kept = [payment["id"] for payment in ledger["payments"] if payment["received"] != payment["refunded"]]
    live = [shipment["id"] for shipment in ledger["shipments"] if shipment["state"] in invariants.LIVE]
    assert (kept, live) == ([confirmation.payment_id], [confirmation.shipment_id]), ledger


def whole(lane, request):
    try:
        return lane.shop.orders.PlaceOrder(request)
    except Refused as error:
        assert_open(error.code, error)
        return None


def cuts_of(link, sizes):
    """Behind each byte of a conversation, either way, by both ends; of the database's, which are long, by one of them."""
    for way in WAYS:
        for after in range(1, sizes[way] + 1, STRIDES.get(link, 1)):
            hows = HOWS if link not in LONG else [HOWS[after // STRIDES.get(link, 1) % 2]]
            yield from (CutAt(link, way, after, how) for how in hows)
