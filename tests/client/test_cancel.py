"""Wishing orders away: in every state in which a wish can meet an order, and at any moment.

Orders are held in a state by faults of their own, until all of them have been wished away. They all go side by side,
once; the tests then tell how it went.
"""

import collections
import dataclasses
import random
import time

import pytest

import harness
import invariants
from ledger import assert_nothing_happened, payments_of, shipments_of
from client import (Order, Refused, Shop, address, answer_of, at_once, orders, orders_pb2_grpc, refused, request_id,
                    unique)

STOCK, QUANTITY = 5, 2
SECONDS = 60
HOLD = {"delayMs": 4000}  # longer than a try
SETTINGS = {
    # Leases are not renewed before the end, so that a wish can only have been seen at once.
    "patient": {"LEASE": "1h", "WORKERS": "1", "TRY_TIMEOUT": "3s"},
    "hasty": {"WORKERS": "1", "TRY_TIMEOUT": "3s", "FULFILL_TIME": "100ms"},
    "stuck soon": {"WORKERS": "1", "UNDO_TIME": "100ms"},
}


@dataclasses.dataclass
class Case:
    """An order held in a state, and what becomes of it once it is wished away."""
    name: str
    state: str
    faults: tuple = ()  # (path, mode, count)
    stand: str = "patient"
    card: str = "pm_card_visa"
    region: str = "GB"
    reasons: tuple = ("ORDER_CANCELLED",)  # what the caller of ProcessOrder may be told; "": confirmed
    rest: str = "CANCELLED"
    payments: tuple = ()  # as they are in the end
    shipments: tuple = ()


CASES = [
    Case("a payment is being opened", "CHARGING", (("open", "timeout", -1),)),
    Case("a payment is being confirmed", "CHARGING", (("confirm", "timeout", -1),), payments=("canceled",)),
    Case("a payment may have been confirmed", "CHARGING", (("confirm", "timeout_after", -1), ("look", "timeout", -1)),
         payments=("refunded",)),
    Case("the charge waits for its next try", "CHARGING", (("open", "429", -1),)),
    Case("a shipment is being created", "FULFILLING", (("ship", "timeout", -1),), payments=("refunded",),
         shipments=("BARRED",)),
    Case("a shipment may have been created", "FULFILLING", (("ship", "timeout_after", -1),), payments=("refunded",),
         shipments=("CANCELLED",)),
    Case("the shipment waits for its next try", "FULFILLING", (("ship", "429", -1),), payments=("refunded",)),
    Case("the shipment has left", "FULFILLING", (("ship", "500_left", 1), ("ship", "timeout", -1)),
         reasons=("", "FULFILLMENT_PENDING"), rest="FULFILLED", payments=("succeeded",), shipments=("LEFT",)),
    Case("a shipment is being recalled", "RECALLING", (("ship", "timeout", -1), ("recall", "timeout", -1)), "hasty",
         reasons=("FULFILLMENT_UNAVAILABLE", "FULFILLMENT_PENDING"), payments=("refunded",), shipments=("BARRED",)),
    Case("a recalled shipment turns out to have left", "RECALLING",
         (("ship", "500_left", 1), ("ship", "timeout", 1), ("recall", "timeout", -1)), "hasty",
         reasons=("", "FULFILLMENT_PENDING"), rest="FULFILLED", payments=("succeeded",), shipments=("LEFT",)),
    Case("a payment is being refunded", "REFUNDING", (("cancel", "timeout", -1),), region="ZZ",
         reasons=("FULFILLMENT_REJECTED",), payments=("refunded",)),
    Case("a declined payment is being cancelled", "REFUNDING", (("cancel", "timeout", -1),),
         card="pm_card_chargeDeclined", reasons=("PAYMENT_DECLINED",), payments=("canceled",)),
    Case("the refund is stuck", "STUCK", (("cancel", "500_before", -1), ("refund", "500_before", -1)), "stuck soon",
         region="ZZ", reasons=("FULFILLMENT_REJECTED",), rest="STUCK", payments=("succeeded",)),
]


# ------------------------------------------------------------------------------------------- stands


class Stand:
    """An orderd with a database and providers of its own."""

    def __init__(self, postgres, settings):
        folder = harness.work_folder("cancel")
        self.postgres, self.database = postgres, unique("cancel")
        self.url = postgres.create_database(self.database)
        self.sandbox = harness.Sandbox(folder)
        self.folder = folder
        self.orderds = []
        self.shop = self.start(**settings)

    def start(self, **settings):
        """One more replica, and a client of it."""
        self.orderds.append(harness.Orderd(self.folder, self.url, self.sandbox, **settings))
        return Shop(self.orderds[-1].grpc_addr)

    def sql(self, statement):
        return self.postgres.psql(self.database, statement)

    def state(self, order):
        return Order.State.Name(self.shop.order(order).state)

    def close(self):
        invariants.check(self.url, self.sandbox.ledger)
        self.shop.close()
        for orderd in self.orderds:
            orderd.stop_clean()
        assert self.sandbox.stop() == 0


def cancel(shop, order, **fields):
    return shop.orders.CancelOrder(orders.CancelOrderRequest(id=getattr(order, "id", order), **fields))


def payments_left(stand, order):
    def told(payment):
        paid = payment["status"] == "succeeded" and payment["received"] == payment["refunded"] > 0
        return "refunded" if paid else payment["status"]
    return tuple(told(payment) for payment in payments_of(stand.sandbox, order))


def shipments_left(stand, order):
    return tuple(shipment["state"] for shipment in shipments_of(stand.sandbox, order))


# ------------------------------------------------------------------------------ a wish in every state


Held = collections.namedtuple("Held", "product order then again process")
Meeting = collections.namedtuple("Meeting", "order then again answer rest")


def wait_for_hold(stand, case, order):
    """The order is in its state, and the fault that comes first there has struck."""
    mode = case.faults[0][1]

    def look():
        calls = stand.sandbox.ledger(order.id)["calls"]
        return stand.state(order) == case.state and any(call["fault"] == mode for call in calls)
    harness.wait_until(look, SECONDS, f"{case.name}: {case.state}")


def hold_and_cancel(stand, case):
    """One order from its creation to the wish; its caller still waits."""
    product = stand.shop.product(stock=STOCK)
    order = stand.shop.create((product, QUANTITY), ship_to=address(region_code=case.region))
    for path, mode, count in case.faults:
        stand.sandbox.add_fault(path=path, mode=mode, count=count, order=order.id,
                                **(HOLD if mode.startswith("timeout") else {}))
    process = stand.shop.process_soon(order, case.card)
    wait_for_hold(stand, case, order)
    key = request_id()
    then = cancel(stand.shop, order, request_id=key)
    again = cancel(stand.shop, order, request_id=key)
    if case.state in ("CHARGING", "FULFILLING"):  # the undo's own faults hold the others
        harness.wait_until(lambda: stand.state(order) != case.state, SECONDS, f"{case.name}: the wish to be seen")
    return Held(product, order, then, again, process)


def let_go(stand, case, held):
    """And on to its rest, now that nothing is held any more."""
    answer = answer_of(held.process)

    def rest():
        found = stand.shop.order(held.order)
        return found if Order.State.Name(found.state) == case.rest else None
    found = harness.wait_until(rest, SECONDS, f"{case.name}: {case.rest}")
    taken = STOCK - stand.shop.available(held.product)
    assert taken == (QUANTITY if case.rest in ("FULFILLED", "STUCK") else 0)
    return Meeting(held.order, held.then, held.again, answer, found)


@pytest.fixture(scope="module", name="stands")
def fixture_stands(folder, postgres):
    assert folder is not None
    names = list(SETTINGS)
    made = dict(zip(names, at_once(len(names), lambda i: Stand(postgres, SETTINGS[names[i]]))))
    yield made
    for stand in made.values():
        stand.close()


@pytest.fixture(scope="module", name="meetings")
def fixture_meetings(stands):
    held = at_once(len(CASES), lambda i: hold_and_cancel(stands[CASES[i].stand], CASES[i]))
    for stand in stands.values():
        stand.sandbox.clear_faults()
    met = at_once(len(CASES), lambda i: let_go(stands[CASES[i].stand], CASES[i], held[i]))
    return {case.name: meeting for case, meeting in zip(CASES, met)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wish_meets_an_order_of_which(stands, meetings, case):
    stand, met = stands[case.stand], meetings[case.name]
    # Stored, answered as the order was, and a repetition is answered too.
    assert (met.then.id, Order.State.Name(met.then.state)) == (met.order.id, case.state)
    assert met.again.id == met.order.id
    assert stand.sql(f"SELECT cancel_wished FROM orders WHERE id = '{met.order.id}'") == "t"
    # What the one who processes it is told.
    assert (met.answer.reason if isinstance(met.answer, Refused) else "") in case.reasons, met.answer
    # What is left.
    assert Order.State.Name(met.rest.state) == case.rest
    assert payments_left(stand, met.order) == case.payments
    assert shipments_left(stand, met.order) == case.shipments
    if case.rest == "CANCELLED":
        assert not met.rest.HasField("failure")
        assert_nothing_happened(stand.sandbox, met.order)


def test_every_state_is_met_that_the_built_in_stock_knows():
    # RESERVING and RELEASING are seen with a remote inventory only; those at rest have tests of their own.
    assert {case.state for case in CASES} == {"CHARGING", "FULFILLING", "RECALLING", "REFUNDING", "STUCK"}


# -------------------------------------------------------------------------------- orders that rest


def test_a_new_order_is_cancelled_at_once_and_for_good(shop, sandbox):
    product = shop.product(stock=STOCK)
    order = shop.create((product, QUANTITY))
    cancelled = cancel(shop, order)
    assert (cancelled.state, cancelled.revision) == (Order.CANCELLED, order.revision + 1)
    assert shop.order(order) == cancelled
    assert cancel(shop, order) == cancelled
    with refused("FAILED_PRECONDITION", "ORDER_STATE_INVALID") as error:
        shop.process(order)
    assert error.value.metadata == {"orderId": order.id, "state": "CANCELLED"}
    assert shop.order(order) == cancelled
    assert payments_of(sandbox, order) == [] and shop.available(product) == STOCK


def test_a_failed_order_is_cancelled_and_its_attempt_still_tells_why_it_failed(shop, sandbox):
    order = shop.create((shop.product(), 1))
    key = request_id()
    for _ in range(2):
        with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED") as error:
            shop.process(order, card="pm_card_chargeDeclined", request_id=key)
        failed = shop.order(order)
        if failed.state == Order.FAILED:
            assert failed.failure == error.value.status  # one error, however it is asked for
            assert cancel(shop, order).state == Order.CANCELLED
    assert shop.order(order).state == Order.CANCELLED
    with refused("FAILED_PRECONDITION", "ORDER_STATE_INVALID"):
        shop.process(order, request_id=request_id())
    assert_nothing_happened(sandbox, order)


def test_a_fulfilled_order_cannot_be_cancelled(shop):
    confirmation = shop.place((shop.product(), 1))
    before = shop.order(confirmation.order_id)
    for fields in ({}, {"request_id": request_id()}):
        with refused("FAILED_PRECONDITION", "ORDER_STATE_INVALID") as error:
            cancel(shop, confirmation.order_id, **fields)
        assert error.value.metadata == {"orderId": confirmation.order_id, "state": "FULFILLED"}
        violation, = error.value.preconditions
        assert (violation.type, violation.subject) == ("ORDER_STATE_INVALID", confirmation.order_id)
    assert shop.order(confirmation.order_id) == before


# ----------------------------------------------------------------------------------- keys and names


def test_a_key_belongs_to_one_order_and_a_repetition_says_that_it_is_one(shop):
    product = shop.product()
    first, second = shop.create((product, 1)), shop.create((product, 1))
    key, stub = request_id(), orders_pb2_grpc.OrdersStub(shop.channel)
    request = orders.CancelOrderRequest(id=first.id, request_id=key)
    replayed = []
    for _ in range(2):
        reply, call = stub.CancelOrder.with_call(request, timeout=20)
        assert reply.state == Order.CANCELLED
        metadata = [*call.initial_metadata(), *call.trailing_metadata()]
        replayed.append(dict(metadata).get("idempotent-replayed"))
    assert replayed == [None, "true"]
    with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
        cancel(shop, second, request_id=key)
    assert shop.order(second) == second


@pytest.mark.parametrize("order_id", ["01890000-0000-7000-8000-000000000000", "not-an-order", "x" * 500])
def test_an_order_nobody_created_cannot_be_cancelled(shop, order_id):
    with refused("NOT_FOUND", "ORDER_NOT_FOUND") as error:
        cancel(shop, order_id)
    assert error.value.resource.resource_type == "shop.v1.Order"


def test_a_wish_without_an_order_or_with_a_bad_key_is_invalid(shop):
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        cancel(shop, "", request_id="with space")
    assert sorted(error.value.fields) == ["id", "request_id"]


# ------------------------------------------------------------------------------------ other replicas


def test_a_wish_at_another_replica_reaches_the_one_that_drives_the_order(folder, postgres):
    assert folder is not None
    stand = Stand(postgres, {"LEASE": "2s", "TRY_TIMEOUT": "2s"})
    other = stand.start(LEASE="2s", TRY_TIMEOUT="2s")

    def one(path):
        product = stand.shop.product(stock=STOCK)
        order = stand.shop.create((product, QUANTITY))
        stand.sandbox.add_fault(path=path, mode="timeout", order=order.id, **HOLD)
        state = {"confirm": "CHARGING", "ship": "FULFILLING"}[path]
        process = stand.shop.process_soon(order)
        harness.wait_until(lambda: stand.state(order) == state, SECONDS, state)
        cancel(other, order)
        answer = answer_of(process)
        assert (answer.code, answer.reason) == ("FAILED_PRECONDITION", "ORDER_CANCELLED")
        assert other.order_at_rest(order).state == Order.CANCELLED
        assert stand.shop.available(product) == STOCK
        assert_nothing_happened(stand.sandbox, order)
    for result in at_once(4, lambda i: one(("confirm", "ship")[i % 2])):
        assert result is None
    other.close()
    stand.close()


# ------------------------------------------------------------------------------------- at any moment


def test_wishes_at_any_moment_leave_nothing_or_everything(folder, postgres):
    assert folder is not None
    stand = Stand(postgres, {"LEASE": "5s"})
    other = stand.start(LEASE="5s")
    harness.http(stand.sandbox.url + "/control/latency", b'{"paymentMs":40,"shippingMs":40}')
    count = 50
    product = stand.shop.product(stock=count)
    moments = random.Random(4)
    pauses = [moments.uniform(0, 0.5) for _ in range(count)]
    made = [stand.shop.create((product, 1)) for _ in range(count)]
    shops = [stand.shop, other]

    def work(index):
        order, shop = made[index // 3], shops[index % 2]
        if index % 3 == 0:
            return shop.process(order, request_id=order.id)
        time.sleep(pauses[index // 3])
        return cancel(shop, order)
    answers = at_once(3 * count, work)

    ends = collections.Counter()
    for index, order in enumerate(made):
        rest = stand.shop.order_at_rest(order)
        processed = answers[3 * index]
        ends[Order.State.Name(rest.state)] += 1
        if rest.state == Order.FULFILLED:
            assert not isinstance(processed, Refused) and processed.order_id == order.id, processed
            assert (payments_left(stand, order), shipments_left(stand, order)) == (("succeeded",), ("ACCEPTED",))
        else:
            assert rest.state == Order.CANCELLED
            assert processed.reason in ("ORDER_CANCELLED", "ORDER_STATE_INVALID"), processed
            # One whose id was not written down yet can never be confirmed.
            assert set(payments_left(stand, order)) <= {"canceled", "refunded", "requires_confirmation"}
            assert set(shipments_left(stand, order)) <= {"CANCELLED", "BARRED"}
        for wish in answers[3 * index + 1:3 * index + 3]:
            if isinstance(wish, Refused):
                assert (wish.reason, rest.state) == ("ORDER_STATE_INVALID", Order.FULFILLED), wish
    assert stand.shop.available(product) == count - ends["FULFILLED"]
    assert ends["CANCELLED"] > 0, ends
    other.close()
    stand.close()
