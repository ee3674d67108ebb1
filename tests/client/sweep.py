"""Three orderd under a steady load, while processes die, sleep and lose their connections.

Buyers repeat each request, with its request_id, at whatever replica and by whatever door, until they are told how it
ended. Meanwhile a round does one disturbance after the other; afterwards all orders rest, all invariants hold, and every
request is answered once more as it was the first time.
"""

import dataclasses
import http.client
import itertools
import random
import signal
import threading
import time

import grpc
import psycopg
from google.protobuf import json_format

import crash
import harness
import invariants
from client import (Refused, Shop, address, at_once, catalog, catalog_pb2_grpc, lines, orders, orders_pb2_grpc,
                    request_id, unique)
from crash import LEASE_SECONDS, REST_SECONDS, Victim
from cutting_proxy import HOWS, WAYS, CuttingProxy
from web import Web

REPLICAS, BUYERS, ASKING_AGAIN = 3, 8, 16
PRODUCTS, STOCK, TOO_MUCH = 4, 9_000, 9_999
CALL_SECONDS = 6
# So long a request may be repeated until its end is told, and so long nothing may go on after a disturbance.
PATIENCE_SECONDS = 90
# So long one is waited for that is to die at a point which not every order passes.
POINT_SECONDS = 5
PROVIDER_MS = 20
# Between two errands of a buyer, at most: a steady load, not all that the machine can bear.
PAUSE_SECONDS = 0.2

# Providers have bad days, so that orders go every way there is.
WEATHER = (
    {"path": "open", "mode": "503_before", "probability": 0.05},
    {"path": "confirm", "mode": "cut_after", "probability": 0.06},
    {"path": "confirm", "mode": "500_before", "probability": 0.04},
    {"path": "cancel", "mode": "cut_after", "probability": 0.1},
    {"path": "refund", "mode": "cut_after", "probability": 0.2},
    {"path": "ship", "mode": "500_after", "probability": 0.1},
    {"path": "ship", "mode": "422", "probability": 0.1},
    {"path": "recall", "mode": "503_before", "probability": 0.2},
)
# Answers that leave the end open, by their code.
OPEN_CODES = ("UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
# Other answers, and the states their orders may come to rest in.
ENDS = {
    "": ("FULFILLED",),
    "PAYMENT_DECLINED": ("FAILED", "CANCELLED"),
    "OUT_OF_STOCK": ("FAILED",),
    "FULFILLMENT_REJECTED": ("FAILED", "CANCELLED"),
    "ORDER_CANCELLED": ("CANCELLED",),
    "ORDER_STATE_INVALID": ("CANCELLED",),  # before it was begun
}


@dataclasses.dataclass(frozen=True)
class Told:
    """An answer, by whatever door it came."""
    code: str = "OK"
    reason: str = ""
    order_id: str = ""
    reply: object = None

    def is_open(self):
        return self.code in OPEN_CODES


@dataclasses.dataclass(frozen=True)
class Method:
    """How it is called by each door."""
    stub: type
    path: str
    reply: type


METHODS = {
    "PlaceOrder": Method(orders_pb2_grpc.OrdersStub, "/v1/orders:place", orders.OrderConfirmation),
    "CreateOrder": Method(orders_pb2_grpc.OrdersStub, "/v1/orders", orders.Order),
    "ProcessOrder": Method(orders_pb2_grpc.OrdersStub, "/v1/orders/{id}:process", orders.OrderConfirmation),
    "CancelOrder": Method(orders_pb2_grpc.OrdersStub, "/v1/orders/{id}:cancel", orders.Order),
    "AdjustStock": Method(catalog_pb2_grpc.CatalogStub, "/v1/products/{id}:adjustStock", catalog.Product),
}


class Doors:
    """Both doors of a process that may be gone at any moment: an answer, or None when none came."""

    def __init__(self, grpc_port, http_port):
        self.shop = Shop(f"127.0.0.1:{grpc_port}")
        self.web = Web(http_port, seconds=CALL_SECONDS)

    def soon(self, name, request):
        """Under way beside what follows; whoever lets go of it cancels it."""
        return getattr(METHODS[name].stub(self.shop.channel), name).future(request, CALL_SECONDS)

    def by_grpc(self, name, request):
        try:
            reply = self.soon(name, request).result()
            return Told(order_id=getattr(reply, "order_id", ""), reply=reply)
        except grpc.RpcError as error:
            if not any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ()):
                assert error.code().name in OPEN_CODES, error
                return None
            refused = Refused(error)
            return Told(refused.code, refused.reason, refused.metadata.get("orderId", ""))

    def by_http(self, name, request):
        body = json_format.MessageToDict(request)
        key = body.pop("requestId")
        path = METHODS[name].path
        path = path.format(id=body.pop("id")) if "{id}" in path else path
        try:
            answer = self.web.post(path, body, Idempotency_Key=key, Grpc_Timeout=f"{CALL_SECONDS}S")
        except (http.client.HTTPException, OSError):
            return None
        if not answer.body:  # Python takes a head that breaks off for a whole one
            return None
        if answer.status == 200:
            reply = json_format.ParseDict(answer.json, METHODS[name].reply())
            return Told(order_id=getattr(reply, "order_id", ""), reply=reply)
        info, = answer.details("ErrorInfo")
        return Told(answer.error["status"], info["reason"], info.get("metadata", {}).get("orderId", ""))


class Slot:
    """A place of one replica: a process, and another one when that has gone."""

    def __init__(self, arena):
        self.arena, self.process, self.doors = arena, None, None

    def start(self, point=None):
        self.process = Victim(self.arena, point=point, **self.arena.settings)
        self.enter()

    def enter(self):
        """As soon as it listens; one that is to die may do so before."""
        try:
            grpc_port, _, http_port = self.process.ports()
        except crash.Gone:
            return
        self.doors = Doors(grpc_port, http_port)
        self.arena.all_doors.append(self.doors)

    def kill(self):
        self.process.kill()
        crash.toll.add("killed")
        self.process.check_log()

    def restart(self, point=None):
        if self.process.is_alive():
            self.kill()
        self.start(point)

    def wait_until_dead(self, seconds):
        """Whether it has died by itself."""
        end = time.monotonic() + seconds
        while self.process.is_alive() and time.monotonic() < end:
            time.sleep(0.02)
        if self.process.is_alive():
            return False
        assert self.process.wait() == -signal.SIGKILL, self.process.tail()
        self.process.check_log()
        crash.toll.add("killed")
        return True

    def end(self):
        self.process.end()
        assert self.process.wait() == 0, self.process.tail()
        self.process.check_log()


class Wish:
    """A request, and how it ended."""

    def __init__(self, name, **fields):
        message = {"CreateOrder": orders.CreateOrderRequest, "PlaceOrder": orders.PlaceOrderRequest,
                   "ProcessOrder": orders.ProcessOrderRequest, "CancelOrder": orders.CancelOrderRequest,
                   "AdjustStock": catalog.AdjustStockRequest}[name]
        self.name, self.request = name, message(request_id=request_id(), **fields)
        self.told = None

    def ask(self, doors, by_http):
        told = (doors.by_http if by_http else doors.by_grpc)(self.name, self.request)
        return None if told is None or told.is_open() else told

    def comparable(self, told):
        """What does not change as an order goes on."""
        if self.name in ("CreateOrder", "AdjustStock"):
            return told.code, told.reply and told.reply.id
        return told if self.name != "CancelOrder" else None

    def __str__(self):
        return f"{self.name} {self.request.request_id}"


# -------------------------------------------------------------------------------------------- buyers


def buy(buyer):
    buyer.wish("PlaceOrder", payment_method="pm_card_visa", **buyer.order())


def buy_with_a_bad_card(buyer):
    buyer.wish("PlaceOrder", payment_method="pm_card_chargeDeclined", **buyer.order())


def buy_too_much(buyer):
    buyer.wish("PlaceOrder", payment_method="pm_card_visa", **buyer.order(quantity=TOO_MUCH))


def create_and_process(buyer):
    created = buyer.wish("CreateOrder", **buyer.order())
    buyer.wish("ProcessOrder", id=created.reply.id, payment_method="pm_card_visa")


def change_the_mind(buyer):
    created = buyer.wish("CreateOrder", **buyer.order())
    process = Wish("ProcessOrder", id=created.reply.id, payment_method="pm_card_visa")
    under_way = buyer.arena.any_doors().soon("ProcessOrder", process.request)
    time.sleep(buyer.chance.uniform(0, 6 * PROVIDER_MS / 1000))
    buyer.wish("CancelOrder", id=created.reply.id)
    buyer.repeat(process)
    del under_way


def adjust(buyer):
    buyer.wish("AdjustStock", id=buyer.chance.choice(buyer.arena.products).id, delta=buyer.chance.randint(1, 9))


ERRANDS = (buy, buy, change_the_mind, create_and_process, buy_with_a_bad_card, buy, adjust, change_the_mind, buy_too_much)


class Buyer(threading.Thread):
    """Runs one errand after the other until told to go home; the last one is brought to its end."""

    def __init__(self, arena, number):
        super().__init__(daemon=True)
        self.arena, self.number, self.problem = arena, number, None
        self.chance = random.Random(f"{arena.seed} {number}")

    def run(self):
        try:
            for turn in itertools.count(self.number):
                if self.arena.is_closing:
                    return
                ERRANDS[turn % len(ERRANDS)](self)
                time.sleep(self.chance.uniform(0, PAUSE_SECONDS))
        except BaseException as problem:  # pylint: disable=broad-exception-caught
            self.problem = problem

    def order(self, quantity=1):
        """Two lines, in either order of the products."""
        chosen = self.chance.sample(self.arena.products, 2)
        return {"customer_id": unique("customer"), "lines": lines(*((product, quantity) for product in chosen)),
                "ship_to": address()}

    def wish(self, name, **fields):
        return self.repeat(Wish(name, **fields))

    def repeat(self, wish):
        end = time.monotonic() + PATIENCE_SECONDS
        while not wish.told:
            wish.told = wish.ask(self.arena.any_doors(), self.chance.random() < 0.5)
            if not wish.told:
                assert time.monotonic() < end, f"{wish} has no end after {PATIENCE_SECONDS} s"
                time.sleep(self.chance.uniform(0.02, 0.2))
        self.arena.wishes.append(wish)
        return wish.told


# ------------------------------------------------------------------------------------------ the arena


class Arena:
    """Replicas on a database and a sandbox of their own, to which all lines lead through proxies."""

    def __init__(self, postgres, seed, keys_ignored=False):
        self.postgres, self.seed, self.chance = postgres, seed, random.Random(seed)
        self.folder = harness.work_folder("sweep")
        self._folders = itertools.count(1)
        self.database = unique("sweep")
        self.url = postgres.create_database(self.database)
        self.sandbox = harness.Sandbox(self.folder)
        self.proxies = {"payment": CuttingProxy(self.sandbox.port), "shipping": CuttingProxy(self.sandbox.port),
                        "database": CuttingProxy(postgres.socket / ".s.PGSQL.5432")}
        self.settings = {
            "MIGRATE": "auto", "PAYMENT_URL": self.proxies["payment"].url,
            "FULFILLMENT_URL": self.proxies["shipping"].url,
            "DATABASE_URL": f"{self.url} host=127.0.0.1 port={self.proxies['database'].port} sslmode=disable"}
        self.all_doors, self.wishes, self.is_closing = [], [], False
        self.slots = [Slot(self) for _ in range(REPLICAS)]
        for slot in self.slots:
            slot.start()
        self.products = self._stock()
        self._set_weather(keys_ignored)
        self.buyers = [Buyer(self, number) for number in range(BUYERS)]
        for buyer in self.buyers:
            buyer.start()

    def _stock(self):
        def look():
            try:
                return [self.any_doors().shop.product(stock=STOCK) for _ in range(PRODUCTS)]
            except Refused as error:
                assert error.code in OPEN_CODES, error
                return None
        return harness.wait_until(look, PATIENCE_SECONDS, "products")

    def _set_weather(self, keys_ignored):
        for rule in WEATHER:
            self.sandbox.add_fault(count=-1, **rule)
        for path, body in (("keys", f'{{"ignore": {str(keys_ignored).lower()}}}'),
                           ("latency", f'{{"paymentMs": {PROVIDER_MS}, "shippingMs": {PROVIDER_MS}}}')):
            status, text = harness.http(f"{self.sandbox.url}/control/{path}", body.encode())
            assert status // 100 == 2, text

    def next_folder(self):
        folder = self.folder / str(next(self._folders))
        folder.mkdir()
        return folder

    def any_doors(self):
        return random.choice(self.slots).doors

    def check_buyers(self):
        for buyer in self.buyers:
            if buyer.problem:
                raise AssertionError(f"buyer {buyer.number} has a problem") from buyer.problem

    def wait_for_more(self, count=BUYERS):
        """Until so many more requests have come to an end: the load goes on."""
        before = len(self.wishes)

        def look():
            self.check_buyers()
            return len(self.wishes) >= before + count
        harness.wait_until(look, PATIENCE_SECONDS, f"{count} more requests to end, after {before}")

    def settle(self):
        """The buyers have gone home, and all is as it should be."""
        self.is_closing = True
        for buyer in self.buyers:
            buyer.join()
        self.check_buyers()
        with psycopg.connect(self.url, autocommit=True) as connection:
            harness.wait_until(
                lambda: connection.execute("SELECT count(*) = 0 FROM attempt WHERE outcome IS NULL").fetchone()[0],
                REST_SECONDS, "all orders to rest")
            self._check(connection)

    def _check(self, connection):
        self._ask_again()
        answered = [(wish.told.order_id, wish.told.reply) for wish in self.wishes
                    if isinstance(wish.told.reply, orders.OrderConfirmation)]
        ledger = self.sandbox.ledger()
        invariants.check(self.url, ledger, answered=answered)
        states = dict(connection.execute("SELECT id::text, state FROM orders"))
        strangers = {payment["order_id"] for payment in ledger["payments"]} - set(states)
        assert not strangers, f"orders were charged that nobody has: {strangers}"
        made = [wish for wish in self.wishes if wish.name in ("PlaceOrder", "CreateOrder")]
        assert len(states) == len(made), f"{len(made)} orders were made, {len(states)} are stored"
        adjusted = connection.execute(
            "SELECT (SELECT count(*) FROM stock_adjustment) - (SELECT count(*) FROM product)").fetchone()[0]
        asked = sum(wish.name == "AdjustStock" for wish in self.wishes)
        assert adjusted == asked, f"the stock was to be adjusted {asked} times, not {adjusted}"
        for wish in self.wishes:
            self._check_end(wish, states)

    @staticmethod
    def _check_end(wish, states):
        told = wish.told
        if wish.name in ("PlaceOrder", "ProcessOrder"):
            order_id = told.order_id or getattr(wish.request, "id", "")
            assert told.reason in ENDS, f"{wish} was told {told}"
            assert states.get(order_id) in ENDS[told.reason], f"{wish}: {told}, but it is {states.get(order_id)}"
        elif wish.name != "CancelOrder":
            assert told.code == "OK", f"{wish} was told {told}"

    def _ask_again(self):
        """Every request once more: every answer is still what it was."""
        def one(wish, number):
            by_http = number % 2 == 0
            again = harness.wait_until(lambda: wish.ask(self.any_doors(), by_http), PATIENCE_SECONDS, f"{wish} again")
            assert wish.comparable(again) == wish.comparable(wish.told), f"{wish}: first {wish.told}, then {again}"

        def some(first):
            for number in range(first, len(self.wishes), ASKING_AGAIN):
                one(self.wishes[number], number)
        at_once(ASKING_AGAIN, some)

    def close(self):
        for doors in self.all_doors:  # first: an idle client of gRPC is slow to notice that it is asked to go
            doors.shop.close()
        for slot in self.slots:
            slot.end()
        for proxy in self.proxies.values():
            proxy.close()
        assert self.sandbox.stop() == 0
        # Of every file there is, one that was killed makes sure at its start.
        self.postgres.psql("postgres", f'DROP DATABASE "{self.database}" WITH (FORCE)')


# ------------------------------------------------------------------------------------- disturbances


def kill_one(arena):
    arena.chance.choice(arena.slots).restart()


def kill_all(arena):
    for slot in arena.slots:
        slot.kill()
    for slot in arena.slots:
        slot.start()


def _die_at(arena, slots, point):
    for slot in slots:
        slot.restart(point)
    end = time.monotonic() + POINT_SECONDS
    dead = [slot.wait_until_dead(end - time.monotonic()) for slot in slots]
    for slot in slots:
        slot.restart()
    crash.toll.add("killed at a point, under load", sum(dead))


def one_dies_at(point):
    def disturb(arena):
        _die_at(arena, [arena.chance.choice(arena.slots)], point)
    return disturb


def all_die_at(point):
    def disturb(arena):
        _die_at(arena, arena.slots, point)
    return disturb


def kill_postgres(arena):
    arena.postgres.kill()
    crash.toll.add("PostgreSQL killed")
    time.sleep(arena.chance.uniform(0, 2))
    arena.postgres.start()


def sleep_beyond_lease(arena):
    slot = arena.chance.choice(arena.slots)
    slot.process.send(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + arena.chance.uniform(0.5, 2))
    slot.process.send(signal.SIGCONT)
    crash.toll.add("put to sleep")


def cut_lines(arena):
    """Every connection breaks off, and each new one behind some bytes."""
    for proxy in arena.proxies.values():
        before = proxy.cut_count
        proxy.cut_each(arena.chance.choice(WAYS), int(arena.chance.lognormvariate(7, 1.5)) + 1, arena.chance.choice(HOWS))
        proxy.drop(arena.chance.choice(HOWS))
        time.sleep(arena.chance.uniform(0.3, 1))
        proxy.heal()
        crash.toll.add("connections cut, under load", proxy.cut_count - before)


def run(postgres, disturbances, seed, keys_ignored=False):
    """A round."""
    arena = Arena(postgres, seed, keys_ignored)
    try:
        arena.wait_for_more()
        for disturb in disturbances:
            disturb(arena)
            arena.wait_for_more()
        arena.settle()
    finally:
        arena.is_closing = True
    arena.close()
