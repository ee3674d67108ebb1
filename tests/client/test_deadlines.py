"""Callers with little time and providers that stall: what a caller was told is what became of the order.

Never charged and told a definite failure; an answer of unknown fate says which order goes on; with less than a second
nothing is begun. Each provider stalls on a stand of its own, a few of them side by side, and on each of them callers
with all deadlines are under way at the same time. Nothing here says how long something takes.
"""

import collections
import concurrent.futures
import re
import time

import grpc
import pytest

import harness
import invariants
from client import (Order, Refused, Unanswered, address, error_of, lines, orders, orders_pb2_grpc, request_id, unique,
                    until_told)
from stand import PLACE, PROCESS
from stand import Stand as OwnStand

REST_SECONDS = 60
STOCK = 10_000

# At least 4 % apart: gRPC sends a deadline that is a little longer if it has just sent that one.
DEADLINES_MS = (
    1, 2, 3, 5, 8, 12, 18, 25, 35, 50, 70, 100, 150, 200, 300, 400, 500, 600, 700, 800, 850, 900, 950, 1000, 1050, 1100,
    1150, 1200, 1300, 1500, 1700, 2000, 2300, 2700, 3200, 4000, 5000, 6500, 8000, 10_000)
BEGIN_MS = 1000  # with less, nothing is begun
ANSWERED_MS = 2000  # from here on the margin is wide enough, as a rule, for a busy machine
STANDS = 3  # side by side

# Callers' own time limits matter here, not the service's, but for one try.
SETTINGS = {"TRY_TIMEOUT": "2s", "FORWARD_TIME": "15s", "FULFILL_TIME": "15s"}

# What stalls: the rules of the sandbox, and what some caller is told because of it.
Stall = collections.namedtuple("Stall", "name rules told")
LONG_MS, LATE_MS, SHORT_MS = 12_000, 3000, 400
STALLS = [
    Stall("opening a payment", [("open", "timeout_after", LONG_MS)], {"PAYMENT_UNAVAILABLE"}),
    Stall("opening a payment, not for long", [("open", "latency", SHORT_MS)], {"OK", "DEADLINE_TOO_SHORT"}),
    Stall("confirming", [("confirm", "timeout_after", LONG_MS)], {"PAYMENT_OUTCOME_UNKNOWN"}),
    Stall("confirming, which happens when nobody waits for it", [("confirm", "late", LATE_MS)],
          {"PAYMENT_OUTCOME_UNKNOWN"}),
    Stall("confirming, not for long", [("confirm", "latency", SHORT_MS)], {"OK"}),
    Stall("looking", [("confirm", "500_after", 0), ("look", "timeout", LONG_MS)], {"PAYMENT_OUTCOME_UNKNOWN"}),
    Stall("looking, not for long", [("confirm", "cut_after", 0), ("look", "latency", SHORT_MS)], {"OK"}),
    Stall("shipping", [("ship", "timeout_after", LONG_MS)], {"FULFILLMENT_PENDING"}),
    Stall("shipping, not for long", [("ship", "latency", SHORT_MS)], {"OK"}),
    Stall("everything, a little", [("*", "latency", 150)], {"OK"}),
]

GOES_ON_ALONE = {"RESERVATION_OUTCOME_UNKNOWN", "PAYMENT_OUTCOME_UNKNOWN", "FULFILLMENT_PENDING"}
CLIENTS_CLOCK = "the client's own clock"


class Caller:
    """One call with one deadline, and what it was told."""

    def __init__(self, stand, method, deadline_ms):
        self.stand, self.method, self.deadline_ms = stand, method, deadline_ms
        self.key, self.customer, self.order_id = request_id(), unique("hasty"), None
        self.told, self.error, self.call = None, None, None
        content = {"customer_id": self.customer, "lines": lines((stand.product, 1)), "ship_to": address()}
        if method == PROCESS:
            self.order_id = stand.shop.orders.CreateOrder(orders.CreateOrderRequest(**content)).id
            self.request = orders.ProcessOrderRequest(id=self.order_id, payment_method="pm_card_visa",
                                                      request_id=self.key)
        else:
            self.request = orders.PlaceOrderRequest(payment_method="pm_card_visa", request_id=self.key, **content)

    def start(self):
        self.call = self.stand.stub(self.method).future(self.request, timeout=self.deadline_ms / 1000)

    def wait(self):
        try:
            self.order_id = self.call.result().order_id
            self.told = "OK"
        except grpc.RpcError as error:
            self.error = error_of(error)
            if isinstance(self.error, Unanswered):
                assert self.error.code == "DEADLINE_EXCEEDED", self
                self.told = CLIENTS_CLOCK
                return
            self.told = self.error.reason
            self.order_id = self.order_id or self.error.metadata.get("orderId")

    def __repr__(self):
        return f"{self.method} with {self.deadline_ms} ms, told {self.told} {self.error or ''}"


class Stand(OwnStand):
    """One whose callers all want the same product."""

    def __init__(self, postgres):
        super().__init__(postgres, **SETTINGS)
        self.product = self.shop.product(stock=STOCK)

    def stub(self, method):
        return getattr(orders_pb2_grpc.OrdersStub(self.shop.channel), method)

    def rows(self, sql):
        return [row.split("|") for row in self.sql(sql).splitlines()]

    def wait_for_rest(self):
        harness.wait_until(lambda: self.rows("SELECT count(*) FROM attempt WHERE outcome IS NULL") == [["0"]],
                           REST_SECONDS, "all orders to rest")

    def states(self):
        """order id -> (state, attempts), and customer -> order id."""
        rows = self.rows("SELECT id, customer_id, state, attempt FROM orders")
        return ({order_id: (state, int(attempt)) for order_id, _, state, attempt in rows},
                {customer: order_id for order_id, customer, _, _ in rows})

    def took_ms(self):
        """How long each call took, by the service's log: (order id, method) -> milliseconds."""
        found = re.findall(r'"method":"shop.v1.Orders/(\w+)",.*"duration_ms":([\d.]+),"order_id":"([^"]+)"',
                           self.orderd.log())
        return {(order_id, method): float(duration_ms) for method, duration_ms, order_id in found}

    def all_keys(self):
        return {key for key, in self.rows("SELECT request_id FROM idempotency")}


# ------------------------------------------------------------------------------------------ all at once


def run_stall(postgres, stall):
    """(callers, stand) once everything is at rest; the rules go when the last caller has been answered."""
    stand = Stand(postgres)
    callers = [Caller(stand, method, deadline_ms) for deadline_ms in reversed(DEADLINES_MS)
               for method in (PROCESS, PLACE)]
    for path, mode, delay_ms in stall.rules:
        stand.sandbox.add_fault(path=path, mode=mode, delayMs=delay_ms)
    for caller in callers:
        caller.start()
        time.sleep(0.01)  # not a burst: the shortest deadlines, which come last, are for the service to see
    for caller in callers:
        caller.wait()
    stand.sandbox.clear_faults()
    stand.wait_for_rest()
    return callers, stand


@pytest.fixture(scope="module", name="stalls")
def fixture_stalls(postgres):
    with concurrent.futures.ThreadPoolExecutor(STANDS) as pool:
        done = dict(zip([stall.name for stall in STALLS], pool.map(lambda stall: run_stall(postgres, stall), STALLS)))
    yield done
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda result: result[1].close(), done.values()))


def is_definite(error):
    """Whether a refusal says that nothing is held and nothing will be."""
    return error.reason != "DEADLINE_EXCEEDED" and error.reason not in GOES_ON_ALONE


def is_held(sandbox, order_id):
    ledger = sandbox.ledger(order_id)
    return any(payment["received"] - payment["refunded"] for payment in ledger["payments"]) or any(
        shipment["state"] in ("ACCEPTED", "LEFT") for shipment in ledger["shipments"])


def check_told(caller, state):
    """What it was told holds: of an order at rest, or of one that does not exist."""
    if caller.told == "OK":
        assert state == "FULFILLED", caller
    elif caller.told == CLIENTS_CLOCK:
        pass  # whether the service was in time is told by its log
    elif caller.told in GOES_ON_ALONE:
        assert caller.error.resource.resource_name == caller.order_id, caller
        assert (caller.error.retry, caller.error.pushback) == (None, "-1"), caller
        assert state in ("FULFILLED", "FAILED"), caller
    elif is_definite(caller.error):
        assert state in ("FAILED", "PENDING", None), f"{caller}, and it is {state}"
        assert caller.order_id is None or not is_held(caller.stand.sandbox, caller.order_id), caller
        assert caller.error.code != "UNAVAILABLE" or caller.error.retry is not None, caller


@pytest.mark.parametrize("stall", STALLS, ids=lambda stall: stall.name)
def test_what_a_caller_was_told_is_what_became_of_the_order(stalls, stall):
    callers, stand = stalls[stall.name]
    states, by_customer = stand.states()
    for caller in callers:
        caller.order_id = caller.order_id or by_customer.get(caller.customer)
        check_told(caller, states.get(caller.order_id, (None, 0))[0])
    fulfilled = sum(state == "FULFILLED" for state, _ in states.values())
    assert stand.shop.available(stand.product) == STOCK - fulfilled
    assert stall.told <= {caller.told for caller in callers}
    assert all(state in ("FULFILLED", "FAILED", "PENDING") for state, _ in states.values())


@pytest.mark.parametrize("stall", STALLS, ids=lambda stall: stall.name)
def test_with_less_than_a_second_nothing_is_begun_and_no_key_is_kept(stalls, stall):
    callers, stand = stalls[stall.name]
    states, by_customer = stand.states()
    keys = stand.all_keys()
    hasty = [caller for caller in callers if caller.deadline_ms < BEGIN_MS]
    for caller in hasty:
        # The service's own DEADLINE_EXCEEDED: the time was over before it could say anything better.
        assert caller.told in ("DEADLINE_TOO_SHORT", "DEADLINE_EXCEEDED", CLIENTS_CLOCK), caller
        assert caller.key not in keys, caller
        if caller.method == PROCESS:
            assert states[caller.order_id] == ("PENDING", 0), caller
        else:
            assert caller.customer not in by_customer, caller
    assert sum(caller.told == "DEADLINE_TOO_SHORT" for caller in hasty) > 0


@pytest.mark.parametrize("stall", STALLS, ids=lambda stall: stall.name)
def test_the_answer_leaves_before_the_deadline(stalls, stall):
    """By the service's clock, since a busy client may see its own first. The loop of a busy service may be late, too,
    so most of them are enough."""
    callers, stand = stalls[stall.name]
    by_customer = stand.states()[1]
    took_ms = stand.took_ms()
    patient = [caller for caller in callers if caller.deadline_ms >= ANSWERED_MS]
    for caller in patient:
        caller.order_id = caller.order_id or by_customer.get(caller.customer)
    in_time = [caller for caller in patient
               if took_ms.get((caller.order_id, caller.method), float("inf")) < caller.deadline_ms]
    assert len(in_time) > len(patient) / 2, set(patient) - set(in_time)
    assert sum(caller.told == CLIENTS_CLOCK for caller in patient) < len(patient) / 2


@pytest.mark.parametrize("stall", STALLS, ids=lambda stall: stall.name)
def test_the_invariants_hold_after_all_deadlines(stalls, stall):
    _, stand = stalls[stall.name]
    invariants.check(stand.url, stand.sandbox.ledger())


# ------------------------------------------------------------------------- little time, but enough to be told


@pytest.fixture(scope="module", name="stand")
def fixture_stand(postgres):
    stand = Stand(postgres)
    yield stand
    stand.close()


def told_with(stand, method, request, seconds):
    """The first answer of the service."""
    try:
        return until_told(lambda: getattr(stand.shop.orders, method)(request, seconds))
    except Refused as error:
        return error


@pytest.mark.parametrize("method", [PROCESS, PLACE])
def test_a_repeat_is_answered_however_little_time_it_brings(stand, method):
    caller = Caller(stand, method, 20_000)
    caller.start()
    caller.wait()
    again = told_with(stand, method, caller.request, 0.2)
    assert again == caller.call.result()


@pytest.mark.parametrize("method", [PROCESS, PLACE])
def test_a_repeat_joins_however_little_time_it_brings(stand, method):
    caller = Caller(stand, method, 60_000)
    with stand.held(("confirm", "timeout"), ("look", "timeout")):
        caller.start()
        harness.wait_until(lambda: is_charging(stand, caller), REST_SECONDS, "the confirmation to begin")
        told = told_with(stand, method, caller.request, 0.2)
    assert (told.code, told.reason) == ("UNAVAILABLE", "PAYMENT_OUTCOME_UNKNOWN")
    assert told.resource.resource_name == told.metadata["orderId"]
    caller.wait()
    assert caller.told == "OK" and caller.order_id == told.metadata["orderId"]


def is_charging(stand, caller):
    found = stand.shop.orders.ListOrders(orders.ListOrdersRequest(customer_id=caller.customer)).orders
    return found and found[0].state == Order.CHARGING and found[0].payment_id


@pytest.mark.parametrize("method", [PROCESS, PLACE])
def test_a_call_that_would_begin_something_is_told_that_its_time_is_too_short(stand, method):
    caller = Caller(stand, method, 200)
    told = told_with(stand, method, caller.request, 0.2)
    assert (told.code, told.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT")
    assert (told.retry, told.pushback) == (None, None)
    assert told.metadata.get("orderId") == (caller.order_id if method == PROCESS else None)
    caller.deadline_ms = 20_000
    caller.start()
    caller.wait()
    assert caller.told == "OK"  # the key is free
