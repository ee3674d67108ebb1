"""What one row of the table of answers takes: the row, how it is produced, and all that is checked of it.

A plain row is one call with faults at the providers (run_plain); one that takes a story has a function of its own.
"""

import concurrent.futures
import dataclasses
import json
import re
import time
import typing

import grpc

import harness
from client import (Order, Refused, Shop, address, catalog, error_details_pb2, lines, orders, orders_pb2_grpc, refused,
                    request_id)
from stand import (HOLD_MS, PLACE, PROCESS, QUANTITY, REST_SECONDS, STOCK, Call, held_stock, payments_of, shipments_of,
                   start_postgres, steps_of, stop_postgres, stopped_postgres)

FAILED_PRECONDITION, UNAVAILABLE, INTERNAL = "FAILED_PRECONDITION", "UNAVAILABLE", "INTERNAL"
DELAYS = {"timeout": {"delayMs": HOLD_MS}, "timeout_after": {"delayMs": HOLD_MS}, "processing": {"delayMs": 11000}}
CHARGE_HELD = (("confirm", "timeout"), ("look", "timeout"))
REFUND_HELD = (("refund", "timeout"), ("look_refunds", "timeout"))


@dataclasses.dataclass
class Case:
    """A row: what happens, what is answered, what is left behind."""
    name: str
    code: str
    reason: str  # "" of OK
    methods: tuple = (PROCESS, PLACE)
    # what happens
    setup: str = "patient"
    card: str = "pm_card_visa"
    region: str = "GB"
    faults: tuple = ()  # (path, mode, count)
    seconds: float = 20  # the caller's deadline
    meanwhile: typing.Callable = None  # (stand, order id), while the call is under way
    run: typing.Callable = None  # instead of a plain call
    # what is answered
    metadata: dict = dataclasses.field(default_factory=dict)
    # what is left behind
    now: frozenset = None  # states right after the answer; None: as at rest
    rest: str = "FAILED"
    cause: str = None  # in Order.failure at rest; None: the reason
    steps: tuple = ()
    payments: tuple = ()
    shipments: tuple = ()
    counts: bool = True  # uses up one of the order's attempts
    heals: bool = True  # the faults are over once the answer has come
    hurries: bool = False  # it is told long before the caller's deadline, and the order is not at rest


def print_reasons():
    """{(code, reason): what is said about repeating}, as the program prints it."""
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_]+) \| ([^|]+) \|", harness.run_orderd("--print-reasons").stdout, re.M)
    return {(code, reason): repeat for reason, code, repeat in rows}


POLICIES = print_reasons()


def invites_repeat(reason):
    return any((code, name) == ("DEADLINE_EXCEEDED", reason) or name == reason and repeat == "later"
               for (code, name), repeat in POLICIES.items())


# ----------------------------------------------------------------------------------- what is checked


def check_refusal(case, error, order_id):
    """Code and reason, and the details that go with them: all of them, and none besides."""
    assert isinstance(error, Refused), f"answered OK: {error}"
    assert (error.code, error.reason) == (case.code, case.reason), error.status
    policy = POLICIES[case.code, case.reason]
    assert (error.retry is not None) == (policy == "later")
    assert {"later": int(error.pushback or -2) > 0, "no, it goes on alone": error.pushback == "-1",
            "-": error.pushback is None}[policy], (policy, error.trailers)
    if order_id is None:
        assert "orderId" not in error.metadata
    else:
        assert error.metadata["orderId"] == order_id
    for key, value in case.metadata.items():
        assert error.metadata[key] == value, error.status
    assert set(error.metadata) - {"orderId", "productId"} == set(case.metadata)
    if policy == "no, it goes on alone" or case.reason == "ORDER_NOT_FOUND":
        assert error.resource.resource_type == "shop.v1.Order"
        assert order_id is None or error.resource.resource_name == order_id
    elif case.code != "NOT_FOUND":
        assert error.resource is None


def check_confirmation(stand, confirmation):
    order = stand.shop.order(confirmation.order_id)
    assert order.state == Order.FULFILLED
    assert (confirmation.total, confirmation.payment_id, confirmation.shipment_id) == (
        order.total, order.payment_id, order.shipment_id)
    assert payments_of(stand, order.id).count("paid") == 1
    live = [shipment for shipment in shipments_of(stand, order.id) if shipment in ("ACCEPTED", "LEFT")]
    assert len(live) == 1


def check_left_behind(case, call):
    """The order as everybody sees it, the ledger of the providers, the stock."""
    stand, order = call.stand, call.stand.at_rest(call.order_id)
    assert Order.State.Name(order.state) == case.rest, order
    assert steps_of(order) == case.steps
    assert order.attempt == 1
    assert order.HasField("failure") == (case.rest in ("FAILED", "STUCK"))
    if order.HasField("failure"):
        check_failure(order, case.cause or case.reason)
    assert payments_of(stand, order.id) == case.payments
    assert shipments_of(stand, order.id) == case.shipments
    assert call.taken() == (QUANTITY if case.rest in ("FULFILLED", "STUCK") else 0)
    assert stand.attempts_used(order.id) == (case.counts and case.rest == "FAILED")


def check_failure(order, reason):
    """Order.failure says what the caller was told."""
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in order.failure.details if detail.Is(info.DESCRIPTOR))
    assert (info.reason, info.metadata["orderId"]) == (reason, order.id)
    name = next(code.name for code in grpc.StatusCode if code.value[0] == order.failure.code)
    assert (name, reason) in POLICIES


def check_repeat(case, call, first):
    """The same request again: its answer again; or the next attempt, when that is what it was invited to."""
    again = call.send()
    if case.code == "OK":
        assert again == first
    elif case.rest == "FAILED" and invites_repeat(case.cause or case.reason):
        assert not isinstance(again, Refused), again.status
        check_confirmation(call.stand, again)
        assert call.stand.shop.order(call.order_id).attempt == 2
        assert call.taken() == QUANTITY
    elif case.rest == "FULFILLED":
        check_confirmation(call.stand, again)
    elif isinstance(first, Refused) and first.reason == (case.cause or case.reason):
        assert again.status == first.status
        assert ("idempotent-replayed", "true") in again.trailers
    else:
        assert again.reason == case.cause, again.status


def run_plain(stand, case, method):
    """One call, and everything about it."""
    call = Call(stand, method, case.card, case.region)
    for path, mode, count in case.faults:
        stand.add_fault(path, mode, count, **DELAYS.get(mode, {}))
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call.send, case.seconds)
        if case.meanwhile is not None:
            case.meanwhile(stand, call.find())
        answer = answer.result()
    if case.code == "OK":
        assert not isinstance(answer, Refused), answer.status
        check_confirmation(stand, answer)
    else:
        check_refusal(case, answer, call.find())
    assert not case.hurries or time.monotonic() - begin < case.seconds / 2
    state = stand.state(call.order_id)
    assert state in (case.now or {case.rest}), state
    if case.heals:
        stand.sandbox.clear_faults()
    check_left_behind(case, call)
    if case.heals:
        check_repeat(case, call, answer)


# --------------------------------------------------------------------------- cases that take a story


def run_find_nothing(stand, case, _method):
    for order_id in ("01890000-0000-7000-8000-000000000000", "not-an-order"):
        with refused(case.code, case.reason) as error:
            stand.shop.process(order_id, request_id=request_id())
        check_refusal(case, error.value, order_id)


def run_fulfilled_again(stand, _case, method):
    call = Call(stand, method)
    first = call.send()
    check_confirmation(stand, first)
    assert call.send() == first
    assert stand.shop.process(call.order_id, card="pm_card_chargeDeclined", request_id=request_id()) == first
    assert (call.taken(), stand.shop.order(call.order_id).attempt) == (QUANTITY, 1)
    assert payments_of(stand, call.order_id) == ("paid",)


def run_cancelled_before(stand, case, _method):
    call = Call(stand, PROCESS)
    stand.cancel(call.order_id)
    before = stand.shop.order(call.order_id)
    check_refusal(case, call.send(), call.order_id)
    assert stand.shop.order(call.order_id) == before
    assert (stand.keys(call.key), payments_of(stand, call.order_id)) == (0, ())


def run_stuck_before(stand, case, _method):
    call = Call(stand, PROCESS, region="ZZ")
    stand.add_fault("refund", "500_before")
    answer = call.send()
    assert answer.reason == "FULFILLMENT_REJECTED"
    stuck = stand.wait_for(call.order_id, {"STUCK"})
    stand.sandbox.clear_faults()
    check_refusal(case, call.of_another().send(), call.order_id)
    assert stand.shop.order(call.order_id) == stuck
    assert call.send().status == answer.status  # its own key still tells the cause


def run_driven_by_another(stand, case, method):
    """While the order is under way, and while it is being undone."""
    for held, region, states in ((CHARGE_HELD, "GB", {"CHARGING"}), (REFUND_HELD, "ZZ", {"REFUNDING"})):
        call = Call(stand, method, region=region)
        with concurrent.futures.ThreadPoolExecutor(1) as pool, stand.held(*held):
            first = pool.submit(call.send)
            stand.wait_for(call.find(), states)
            other = call.of_another()
            check_refusal(case, other.send(), call.order_id)
            assert stand.keys(other.key) == 0
        answer, order = first.result(), stand.at_rest(call.order_id)
        assert order.attempt == 1
        if region == "GB":
            check_confirmation(stand, answer)
        else:
            assert answer.reason == "FULFILLMENT_REJECTED"
            assert (payments_of(stand, order.id), call.taken()) == (("refunded",), 0)


def run_free_key_meets_another(stand, case, _method):
    """A key that an inviting answer has left free, while the order is tried under another key."""
    call = Call(stand, PLACE)
    stand.add_fault("open", "429")
    assert call.send(6).reason == "PAYMENT_UNAVAILABLE"
    stand.at_rest(call.order_id)
    stand.sandbox.clear_faults()
    other = call.of_another()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, stand.held(*CHARGE_HELD):
        first = pool.submit(other.send)
        stand.wait_for(call.order_id, {"CHARGING"})
        check_refusal(case, call.send(), call.order_id)
    check_confirmation(stand, first.result())
    assert call.send() == first.result()


def run_product_deleted(stand, case, method):
    call = Call(stand, method)
    stand.shop.catalog.DeleteProduct(catalog.DeleteProductRequest(id=call.product.id))
    error = call.send()
    check_refusal(case, error, call.order_id)
    assert error.metadata["productId"] == call.product.id
    if method == PLACE:
        assert (stand.orders_of(call.customer), stand.keys(call.key)) == ([], 0)
        return
    order = stand.at_rest(call.order_id)
    assert (order.state, steps_of(order), order.attempt) == (Order.FAILED, ("RESERVE REFUSED",), 1)
    check_failure(order, case.reason)
    assert payments_of(stand, order.id) == ()
    assert call.send().status == error.status


def run_short_stock(stand, case, method):
    """Every line that is short, with what was asked for and what there is; lines of one product together."""
    plenty, short, none = (stand.shop.product(stock=stock) for stock in (50, 4, 0))
    call = Call(stand, method)
    wanted = lines((plenty, 10), (short, 3), (none, 1), (short, 2), (call.product, STOCK + 1))
    if method == PROCESS:
        call.order_id = stand.shop.orders.CreateOrder(orders.CreateOrderRequest(
            customer_id="ada", lines=wanted, ship_to=address())).id
        call.request.id = call.order_id
    else:
        del call.request.lines[:]
        call.request.lines.extend(wanted)
    error = call.send()
    check_refusal(case, error, call.order_id)
    assert {(row.type, row.subject, row.description) for row in error.preconditions} == {
        ("STOCK", f"products/{short.id}", "5 requested, 4 available"),
        ("STOCK", f"products/{none.id}", "1 requested, 0 available"),
        ("STOCK", f"products/{call.product.id}", f"{STOCK + 1} requested, {STOCK} available")}
    order = stand.shop.order(call.order_id)
    assert (order.state, steps_of(order), order.attempt) == (Order.FAILED, ("RESERVE REFUSED",), 1)
    check_failure(order, case.reason)
    assert payments_of(stand, order.id) == () and stand.attempts_used(order.id) == 1
    assert [stand.shop.available(product) for product in (plenty, short, none)] == [50, 4, 0]
    assert call.send().status == error.status


def run_claim_waits(stand, case, method):
    """Somebody holds the row of the stock longer than the caller waits."""
    call = Call(stand, method)
    with held_stock(stand, call.product):
        # Once it is sent, nobody hears of it again: two seconds are the database's own limit for a lock.
        error = send_until_claimed(call, 2)
        check_refusal(case, error, call.find())
        assert stand.state(call.order_id) == "PENDING"
    # Whether the claim was still made is not known; if it was, the order goes on by itself.
    order = stand.at_rest(call.order_id)
    harness.wait_until(lambda: stand.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "0",
                       REST_SECONDS, "nobody to wait for a lock")
    answer = call.send()
    check_confirmation(stand, answer)
    assert (stand.shop.order(order.id).attempt, call.taken()) == (1, QUANTITY)


def send_until_claimed(call, seconds):
    """The answer of a call whose claim left in time; before that nothing has happened, and it may be sent again."""
    for _ in range(10):
        answer = call.send(seconds)
        if getattr(answer, "reason", None) not in ("DEADLINE_TOO_SHORT", "STORE_UNAVAILABLE"):
            break
    return answer


def run_deadline_too_short(stand, case, method):
    """Before anything was taken: nothing has happened, and the key is free."""
    call = Call(stand, method)
    before = stand.shop.order(call.order_id) if method == PROCESS else None
    error = call.send(0.95)
    check_refusal(case, error, call.order_id)
    assert stand.keys(call.key) == 0
    if method == PROCESS:
        assert stand.shop.order(call.order_id) == before
        assert payments_of(stand, call.order_id) == ()
    else:
        assert stand.orders_of(call.customer) == []
    assert call.taken() == 0
    check_confirmation(stand, call.send())


def run_attempts(stand, case, method):
    """Twenty attempts that were refused are allowed, and no more."""
    call = Call(stand, method, card="pm_card_chargeDeclined")
    call.send()
    stand.at_rest(call.order_id)
    for _ in range(19):
        with refused(FAILED_PRECONDITION, "PAYMENT_DECLINED"):
            stand.shop.process(call.order_id, card="pm_card_chargeDeclined", request_id=request_id())
        stand.at_rest(call.order_id)
    before = stand.shop.order(call.order_id)
    assert (before.attempt, stand.attempts_used(call.order_id)) == (20, 20)
    other = call.of_another()
    check_refusal(case, other.send(), call.order_id)
    assert (stand.shop.order(call.order_id), stand.keys(other.key)) == (before, 0)
    assert payments_of(stand, call.order_id) == ("canceled",) * 20
    assert call.taken() == 0


def run_key_reused(stand, case, method):
    call = Call(stand, method)
    first = call.send()
    call.request.payment_method = "pm_card_mastercard"
    error = call.send()
    check_refusal(case, error, call.order_id if method == PROCESS else None)
    assert error.fields == ["request_id"]
    call.request.payment_method = "pm_card_visa"
    assert call.send() == first
    assert payments_of(stand, call.order_id) == ("paid",)


def run_waiters(stand, case, method):
    """A hundred callers may wait for one order."""
    call = Call(stand, method)
    shops = [Shop(stand.orderd.grpc_addr) for _ in range(3)]  # a connection has a hundred calls at most
    stubs = [getattr(orders_pb2_grpc.OrdersStub(shop.channel), method) for shop in shops]
    with stand.held(*CHARGE_HELD):
        waiting = [stubs[0].future(call.request, timeout=60)]
        stand.wait_for(call.find(), {"CHARGING"})
        waiting += [stubs[1 + i % 2].future(call.request, timeout=60) for i in range(101)]
        harness.wait_until(lambda: sum(one.done() for one in waiting) >= 2, REST_SECONDS, "two to be refused")
    refusals = [Refused(one.exception()) for one in waiting if one.exception() is not None]
    assert len(refusals) == 2, [str(error) for error in refusals]  # all the others found a place
    for error in refusals:
        check_refusal(case, error, call.order_id)
    confirmations = [one.result() for one in waiting if one.exception() is None]
    assert all(confirmation == confirmations[0] for confirmation in confirmations)
    check_confirmation(stand, confirmations[0])
    for shop in shops:
        shop.close()


def run_too_many(stand, case, method):
    """Three at a time; the next is refused, and nothing is left of it. Then again, when the callers have gone."""
    calls = [Call(stand, method) for _ in range(4)]
    last = calls[3]
    with concurrent.futures.ThreadPoolExecutor(3) as pool, stand.held(*CHARGE_HELD):
        answers = [pool.submit(call.send, 8) for call in calls[:3]]
        for call in calls[:3]:
            stand.wait_for(call.find(), {"CHARGING"})
        check_refusal(case, last.send(), None)  # before the request is read
        assert stand.keys(last.key) == 0
        assert [order.state for order in stand.orders_of(last.customer)] == [Order.PENDING] * (method == PROCESS)
        assert {answer.result().reason for answer in answers} == {"PAYMENT_OUTCOME_UNKNOWN"}
        check_refusal(case, last.send(), last.find())  # the orders go on without their callers
        assert stand.state(last.order_id) == "PENDING"
        assert last.taken() == 0
    for call in calls[:3]:
        assert stand.at_rest(call.order_id).state == Order.FULFILLED
    check_confirmation(stand, last.send())


def run_breaker_open(stand, case, method):
    """Ten failures in a row at the shipping service: the next order is not charged for nothing."""
    stand.add_fault("ship", "503_before")
    others = [Call(stand, PLACE) for _ in range(10)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(other.send, 30) for other in others]
        harness.wait_until(lambda: ships_failed(stand) >= 10, REST_SECONDS, "ten failures")
        # Every two seconds one try looks whether it is over; a call that comes just then goes on.
        for _ in range(20):
            call = Call(stand, method)
            error = call.send(6)
            if error.reason == case.reason:
                break
            others.append(call)
        check_refusal(case, error, call.order_id)
        check_left_behind(case, call)
        stand.settle()
        check_repeat(case, call, error)
        told = {getattr(answer.result(), "reason", "OK") for answer in answers}
    assert told <= {"OK", "FULFILLMENT_PENDING", "FULFILLMENT_UNAVAILABLE"}
    for other in others:
        assert stand.at_rest(other.order_id).state in (Order.FULFILLED, Order.FAILED)


def ships_failed(stand):
    return sum(call["fault"] == "503_before" for call in stand.sandbox.ledger()["calls"])


def run_store_down(stand, case, method):
    """The database is not there: nothing was sent, and nothing has happened."""
    call = Call(stand, method)
    stop_postgres(stand)
    error = call.send(5)
    start_postgres(stand)
    check_refusal(case, error, call.order_id)
    if method == PROCESS:
        order = stand.shop.order(call.order_id)
        assert (order.state, order.attempt) == (Order.PENDING, 0)
    else:
        assert stand.orders_of(call.customer) == []
    assert (stand.keys(call.key), call.taken()) == (0, 0)
    check_confirmation(stand, call.send())


def run_claim_lost(stand, case, _method):
    """The database stands still with the claim in it."""
    call = Call(stand, PROCESS)
    with stopped_postgres(stand):
        error = call.send(6)
    check_refusal(case, error, call.order_id)
    rests_alone(call)


def rests_alone(call):
    """At rest by itself: PENDING when the claim was never made, else FULFILLED. A repeat then tells the end."""
    call.stand.settle()
    order = call.stand.at_rest(call.order_id)
    assert order.state in (Order.PENDING, Order.FULFILLED)
    check_confirmation(call.stand, call.send())
    assert (call.stand.shop.order(call.order_id).attempt, call.taken()) == (1, QUANTITY)
    assert payments_of(call.stand, call.order_id) == ("paid",)


def run_outcome_lost(stand, case, method):
    """The database stands still before the outcome of the step is committed."""
    path = {"PAYMENT_OUTCOME_UNKNOWN": "confirm", "FULFILLMENT_PENDING": "ship"}[case.reason]
    call = Call(stand, method)
    stand.add_fault(path, "latency", 1, delayMs=3500)  # time to see it begin and to stop the database
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call.send, 8)
        call.find()
        harness.wait_until(lambda: has_begun(stand, call.order_id, path), REST_SECONDS, f"{path} to begin")
        with stopped_postgres(stand):
            error = answer.result()
    check_refusal(case, error, call.order_id)
    rests_alone(call)


def has_begun(stand, order_id, path):
    ledger = stand.sandbox.ledger(order_id)
    return any(payment["confirmed_count"] for payment in ledger["payments"]) if path == "confirm" \
        else bool(ledger["shipments"])


def run_time_runs_out(stand, case, method):
    """Opening the payment takes until the caller has less than a second left, but can still be told."""
    for _ in range(10):
        stand.add_fault("open", "latency", 1, delayMs=1520)
        call = Call(stand, method)
        error = call.send(2.5)
        stand.sandbox.clear_faults()
        attempt = stand.shop.order(call.order_id).attempt if call.order_id else 0
        if (getattr(error, "reason", ""), attempt) == (case.reason, 1):
            break
        # The claim came too late, or the provider's answer did: once more.
    check_refusal(case, error, call.order_id)
    check_left_behind(case, call)
    check_repeat(case, call, error)


def wait_then_cancel(state, mode):
    """Once that fault has struck in that state, which lasts until the wish has been seen."""
    def cancel(stand, order_id):
        stand.wait_for(order_id, {state})
        stand.wait_for_fault(order_id, mode)
        stand.cancel(order_id)
        stand.wait_for(order_id, set(Order.State.keys()) - {state})
        stand.sandbox.clear_faults()
    return cancel


def let_it_leave(stand, order_id):
    """The shipment leaves once its creation was given up."""
    stand.wait_for(order_id, {"RECALLING"})
    shipment, = stand.sandbox.ledger(order_id)["shipments"]
    request = {"requestId": shipment["request_id"]}
    assert harness.http(stand.sandbox.url + "/control/ship", json.dumps(request).encode())[0] == 204
    stand.sandbox.clear_faults()
