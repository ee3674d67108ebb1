"""What ProcessOrder and PlaceOrder answer, row by row: the error, what is left behind, what the providers saw.

A case is a row of a table. Each runs on a stand of its own (orderd, its providers, its database), a few stands side
by side; the tests then tell how it went. Rows that need a remote inventory are in tests/sim/test_remote_inventory.c.
"""

import collections
import concurrent.futures
import contextlib
import queue
import re

import pytest

pytest.register_assert_rewrite("answers", "stand")

# pylint: disable=wrong-import-position
import harness
import invariants
from answers import (FAILED_PRECONDITION, INTERNAL, POLICIES, UNAVAILABLE, Case, let_it_leave, run_attempts,
                     run_breaker_open, run_cancelled_before, run_claim_lost, run_claim_waits, run_deadline_too_short,
                     run_driven_by_another, run_find_nothing, run_free_key_meets_another, run_fulfilled_again,
                     run_key_reused, run_outcome_lost, run_plain, run_product_deleted, run_short_stock, run_store_down,
                     run_stuck_before, run_time_runs_out, run_too_many, run_waiters, wait_then_cancel)
from stand import PLACE, PROCESS, Stand, own_postgres

# How orderd is set up, and how many of it run at the same time. What ends by itself does so after twice the time of its
# callers, so that one whose own clock ends a call may ask once more.
Setup = collections.namedtuple("Setup", "count settings")
SETUPS = {
    "patient": Setup(6, {}),
    "hasty": Setup(2, {"TRY_TIMEOUT": "2s", "FORWARD_TIME": "6s", "FULFILL_TIME": "3s"}),
    "stuck soon": Setup(1, {"UNDO_TIME": "3s"}),
    "no payments": Setup(1, {"PAYMENT_URL": "nobody"}),
    "no shipping": Setup(1, {"FULFILLMENT_URL": "nobody", "FULFILL_TIME": "11s"}),
    "few orders": Setup(1, {"MAX_ORDERS": "3", "WORKERS": "1"}),
    "own database": Setup(2, {"LEASE": "1s"}),
}


def always(path, mode):
    return path, mode, -1


def once(path, mode):
    return path, mode, 1


RESERVED = ("RESERVE DONE",)
REFUSED_CHARGE = (*RESERVED, "CHARGE REFUSED", "REFUND DONE")
REFUSED_SHIPMENT = (*RESERVED, "CHARGE DONE", "FULFILL REFUSED", "REFUND DONE")
ALL_DONE = (*RESERVED, "CHARGE DONE", "FULFILL DONE")


# ------------------------------------------------------------------------------------------ the rows


CASES = [
    # ---- find
    Case("an order nobody made is not found", "NOT_FOUND", "ORDER_NOT_FOUND", (PROCESS,), run=run_find_nothing),
    Case("a fulfilled order repeats its confirmation", "OK", "", run=run_fulfilled_again),
    Case("a cancelled order cannot be processed", FAILED_PRECONDITION, "ORDER_STATE_INVALID", (PROCESS,),
         run=run_cancelled_before, metadata={"state": "CANCELLED"}),
    Case("a stuck order cannot be processed", FAILED_PRECONDITION, "ORDER_STATE_INVALID", (PROCESS,), "stuck soon",
         run=run_stuck_before, metadata={"state": "STUCK"}),
    Case("an order that another call drives or that is being undone is in progress", "ABORTED", "ORDER_IN_PROGRESS",
         run=run_driven_by_another),
    Case("a free key meets an attempt under another key", "ABORTED", "ORDER_IN_PROGRESS", (PLACE,),
         run=run_free_key_meets_another),
    Case("a product deleted since fails the order", FAILED_PRECONDITION, "PRODUCT_NOT_FOUND", (PROCESS,),
         run=run_product_deleted),
    Case("a product deleted before makes no order", "NOT_FOUND", "PRODUCT_NOT_FOUND", (PLACE,),
         run=run_product_deleted),
    Case("twenty attempts are allowed", FAILED_PRECONDITION, "ATTEMPTS_EXHAUSTED", run=run_attempts),
    Case("a key belongs to one request", "INVALID_ARGUMENT", "REQUEST_ID_REUSED", run=run_key_reused),
    Case("a hundred callers may wait for one order", "ABORTED", "REQUEST_IN_PROGRESS", run=run_waiters),
    Case("more orders than allowed are refused", "RESOURCE_EXHAUSTED", "TOO_MANY_ORDERS", setup="few orders",
         run=run_too_many),
    Case("with less than a second nothing is begun", "DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT",
         run=run_deadline_too_short),

    # ---- reserve
    Case("short stock names every short line", FAILED_PRECONDITION, "OUT_OF_STOCK", run=run_short_stock),
    Case("without the database nothing happens", UNAVAILABLE, "STORE_UNAVAILABLE", setup="own database",
         run=run_store_down),
    Case("a claim that waits longer than its caller has an unknown fate", UNAVAILABLE, "RESERVATION_OUTCOME_UNKNOWN",
         setup="own database", run=run_claim_waits),
    Case("a claim in a database that stands still has an unknown fate", UNAVAILABLE, "RESERVATION_OUTCOME_UNKNOWN",
         (PROCESS,), "own database", run=run_claim_lost),

    # ---- charge
    *[Case(f"a card that is declined ({code}) pays nothing", FAILED_PRECONDITION, "PAYMENT_DECLINED", card=card,
           metadata={"declineCode": code}, steps=REFUSED_CHARGE, payments=("canceled",))
      for card, code in (("pm_card_chargeDeclined", "generic_decline"),
                         ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
                         ("pm_card_chargeDeclinedExpiredCard", "expired_card"))],
    Case("a card whose customer would have to act pays nothing", FAILED_PRECONDITION, "PAYMENT_ACTION_REQUIRED",
         card="pm_card_authenticationRequired", steps=REFUSED_CHARGE, payments=("canceled",)),
    Case("a card the provider does not know pays nothing", FAILED_PRECONDITION, "PAYMENT_METHOD_INVALID",
         card="pm_card_noSuchCard", steps=REFUSED_CHARGE[:2]),
    *[Case(f"a provider that answers {status} to {path} is misconfigured", INTERNAL, "PAYMENT_MISCONFIGURED",
           faults=(once(path, status),), steps=REFUSED_CHARGE[:None if path == "confirm" else 2],
           payments=("canceled",) if path == "confirm" else ())
      for path in ("open", "confirm") for status in ("400", "401", "403", "404", "422")],
    *[Case(f"a confirmation with {mode} is an answer that contradicts", INTERNAL, "PAYMENT_ANSWER_INVALID",
           faults=(once("confirm", mode),), steps=(*RESERVED, "CHARGE UNKNOWN", "REFUND DONE"), payments=("refunded",))
      for mode in ("wrong_amount", "wrong_currency", "wrong_id")],
    *[Case(f"a payment opened with {mode} is an answer that contradicts", INTERNAL, "PAYMENT_ANSWER_INVALID",
           faults=(once("open", mode),), steps=(*RESERVED, "CHARGE UNKNOWN"), payments=("requires_confirmation",))
      for mode in ("wrong_amount", "wrong_currency")],
    Case("a provider that is not there takes no money", UNAVAILABLE, "PAYMENT_UNAVAILABLE", setup="no payments",
         seconds=4, steps=(*RESERVED, "CHARGE REFUSED"), counts=False, heals=False),
    Case("a provider that is not there is given up behind its breaker, too", UNAVAILABLE, "PAYMENT_UNAVAILABLE",
         setup="no payments", seconds=6, steps=(*RESERVED, "CHARGE REFUSED"), counts=False, heals=False),
    Case("a provider that asks to come later is given up with the caller's time", UNAVAILABLE, "PAYMENT_UNAVAILABLE",
         seconds=6, faults=(always("open", "429"),), steps=(*RESERVED, "CHARGE REFUSED"), counts=False),
    Case("a payment that cannot be opened is given up in time", UNAVAILABLE, "PAYMENT_UNAVAILABLE",
         setup="hasty", faults=(always("open", "500_before"),), steps=(*RESERVED, "CHARGE UNKNOWN")),
    Case("a confirmation that does not come is given up in time", UNAVAILABLE, "PAYMENT_UNAVAILABLE", setup="hasty",
         faults=(always("confirm", "503_before"),), steps=(*RESERVED, "CHARGE UNKNOWN", "REFUND DONE"),
         payments=("canceled",)),
    Case("a payment of unknown fate is given up in time, and given back", UNAVAILABLE, "PAYMENT_UNAVAILABLE",
         setup="hasty", faults=(always("confirm", "500_after"), always("look", "500_before")),
         steps=(*RESERVED, "CHARGE UNKNOWN", "REFUND DONE"), payments=("refunded",)),
    Case("a confirmation without an answer goes on alone", UNAVAILABLE, "PAYMENT_OUTCOME_UNKNOWN", seconds=6,
         faults=(always("confirm", "timeout_after"), always("look", "timeout")),
         now=frozenset({"CHARGING"}), rest="FULFILLED", steps=ALL_DONE, payments=("paid",), shipments=("ACCEPTED",)),
    Case("a payment that is still processing goes on alone", UNAVAILABLE, "PAYMENT_OUTCOME_UNKNOWN", seconds=5,
         faults=(always("confirm", "processing"),), now=frozenset({"CHARGING"}), rest="FULFILLED",
         steps=ALL_DONE, payments=("paid",), shipments=("ACCEPTED",)),
    Case("a database that stands still hides the payment's outcome", UNAVAILABLE, "PAYMENT_OUTCOME_UNKNOWN",
         setup="own database", run=run_outcome_lost),

    # ---- fulfil
    Case("an open breaker at the shipping service is seen before the charge", UNAVAILABLE, "FULFILLMENT_UNAVAILABLE",
         run=run_breaker_open, steps=(*RESERVED, "CHARGE REFUSED"), counts=False),
    Case("an address nothing is shipped to is refused", FAILED_PRECONDITION, "FULFILLMENT_REJECTED", region="ZZ",
         steps=REFUSED_SHIPMENT, payments=("refunded",)),
    Case("a shipment that cannot be processed is refused", FAILED_PRECONDITION, "FULFILLMENT_REJECTED",
         faults=(once("ship", "422"),), steps=REFUSED_SHIPMENT, payments=("refunded",)),
    *[Case(f"a shipping service that answers {status} is misconfigured", INTERNAL, "FULFILLMENT_MISCONFIGURED",
           faults=(once("ship", status),), steps=REFUSED_SHIPMENT, payments=("refunded",))
      for status in ("401", "403", "404")],
    *[Case(f"a shipment whose creation ends with {mode} goes on alone", UNAVAILABLE, "FULFILLMENT_PENDING", seconds=6,
           faults=(always("ship", mode),), now=frozenset({"FULFILLING"}), rest="FULFILLED", steps=ALL_DONE,
           payments=("paid",), shipments=("ACCEPTED",))
      for mode in ("503_before", "timeout_after", "429", "garbage")],
    Case("a shipping service that is not there is given up later", UNAVAILABLE, "FULFILLMENT_PENDING",
         setup="no shipping", seconds=5, now=frozenset({"FULFILLING"}), cause="FULFILLMENT_UNAVAILABLE",
         steps=REFUSED_SHIPMENT, payments=("refunded",), heals=False),
    Case("a shipment that does not come is given up in time", UNAVAILABLE, "FULFILLMENT_UNAVAILABLE", setup="hasty",
         faults=(always("ship", "503_before"),),
         steps=(*RESERVED, "CHARGE DONE", "FULFILL UNKNOWN", "RECALL DONE", "REFUND DONE"), payments=("refunded",),
         shipments=("BARRED",)),
    Case("no cause is told while the shipment is recalled", UNAVAILABLE, "FULFILLMENT_PENDING", setup="hasty",
         seconds=10, faults=(always("ship", "500_after"), always("recall", "500_before")),
         now=frozenset({"RECALLING"}), cause="FULFILLMENT_UNAVAILABLE",
         steps=(*RESERVED, "CHARGE DONE", "FULFILL UNKNOWN", "RECALL DONE", "REFUND DONE"), payments=("refunded",),
         shipments=("CANCELLED",)),
    Case("a shipment that has left fulfils the order", "OK", "", setup="hasty", meanwhile=let_it_leave,
         faults=(always("ship", "500_after"), always("recall", "500_before")), rest="FULFILLED",
         steps=(*RESERVED, "CHARGE DONE", "FULFILL UNKNOWN", "RECALL REFUSED"), payments=("paid",),
         shipments=("LEFT",)),
    Case("a database that stands still hides the shipment", UNAVAILABLE, "FULFILLMENT_PENDING", setup="own database",
         run=run_outcome_lost),

    # ---- any
    Case("an order cancelled while it is charged is undone", FAILED_PRECONDITION, "ORDER_CANCELLED",
         faults=(always("confirm", "timeout_after"), always("look", "timeout")),
         meanwhile=wait_then_cancel("CHARGING", "timeout_after"), rest="CANCELLED",
         steps=(*RESERVED, "CHARGE UNKNOWN", "REFUND DONE"), payments=("refunded",)),
    Case("an order cancelled while it is shipped is undone", FAILED_PRECONDITION, "ORDER_CANCELLED",
         faults=(always("ship", "timeout_after"),), meanwhile=wait_then_cancel("FULFILLING", "timeout_after"),
         rest="CANCELLED",
         steps=(*RESERVED, "CHARGE DONE", "FULFILL UNKNOWN", "RECALL DONE", "REFUND DONE"), payments=("refunded",),
         shipments=("CANCELLED",)),
    Case("the time may become too short before money moves", "DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT",
         run=run_time_runs_out, steps=(*RESERVED, "CHARGE REFUSED", "REFUND DONE"), payments=("canceled",)),
    Case("the cause is told after two seconds of undoing", FAILED_PRECONDITION, "PAYMENT_DECLINED",
         card="pm_card_chargeDeclined", faults=(always("cancel", "500_before"), always("look", "500_before")),
         metadata={"declineCode": "generic_decline"}, now=frozenset({"REFUNDING"}), steps=REFUSED_CHARGE,
         payments=("canceled",), seconds=50, hurries=True),
    Case("an order whose money cannot be given back is stuck, and its cause is told", FAILED_PRECONDITION,
         "FULFILLMENT_REJECTED", setup="stuck soon", region="ZZ", faults=(always("refund", "500_before"),),
         now=frozenset({"REFUNDING", "STUCK"}), rest="STUCK",
         steps=(*RESERVED, "CHARGE DONE", "FULFILL REFUSED", "REFUND UNKNOWN"), payments=("paid",), heals=False),
]

# Reasons that are not answers of these rows, and the file that produces each.
ELSEWHERE = {
    ("UNAVAILABLE", "INVENTORY_UNAVAILABLE"): "sim/test_remote_inventory.c",
    ("INTERNAL", "INVENTORY_MISCONFIGURED"): "sim/test_remote_inventory.c",
    ("INVALID_ARGUMENT", "REQUEST_INVALID"): "client/test_validation.py",
    ("INVALID_ARGUMENT", "MESSAGE_INVALID"): "client/test_validation.py",
    ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"): "client/test_validation.py",
    ("UNIMPLEMENTED", "METHOD_NOT_FOUND"): "client/test_protocol.py",
    ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"): "client/test_pages.py",
    ("OUT_OF_RANGE", "PAGE_OUT_OF_RANGE"): "client/test_pages.py",
    ("OUT_OF_RANGE", "MONEY_OVERFLOW"): "client/test_validation.py",
    ("OUT_OF_RANGE", "EVENT_POSITION_UNKNOWN"): "client/test_events.py",
    ("ALREADY_EXISTS", "PRODUCT_ALREADY_EXISTS"): "client/test_catalog.py",
    ("ABORTED", "ETAG_MISMATCH"): "client/test_catalog.py",
    ("FAILED_PRECONDITION", "STOCK_BELOW_ZERO"): "client/test_catalog.py",
    ("OUT_OF_RANGE", "STOCK_OVERFLOW"): "client/test_catalog.py",
    ("INVALID_ARGUMENT", "CURRENCY_MIXED"): "client/test_validation.py",
    ("INVALID_ARGUMENT", "ORDER_TOTAL_ZERO"): "client/test_validation.py",
    ("RESOURCE_EXHAUSTED", "STORE_OVERLOADED"): "unit/store/test_pg_batch.c",
    ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): "client/test_protocol.py",
    ("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS"): "integration/test_grpc_door.c",
    ("RESOURCE_EXHAUSTED", "TOO_MANY_CONNECTIONS"): "client/test_http.py",
    ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHERS"): "integration/test_grpc_door_streams.c",
    ("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY"): "unit/service/test_order_service.c",
    ("UNAVAILABLE", "SHUTTING_DOWN"): "integration/test_grpc_door.c",
    ("NOT_FOUND", "SERVICE_UNKNOWN"): "client/test_protocol.py",
    ("INTERNAL", "INTERNAL"): "integration/test_saga_store.c",
    ("INVALID_ARGUMENT", "JSON_INVALID"): "client/test_http.py",
    ("INVALID_ARGUMENT", "FIELD_UNKNOWN"): "client/test_http.py",
    ("NOT_FOUND", "ROUTE_NOT_FOUND"): "client/test_http.py",
    ("UNIMPLEMENTED", "METHOD_NOT_ALLOWED"): "client/test_http.py",
    ("INVALID_ARGUMENT", "NOT_ACCEPTABLE"): "client/test_http.py",
    ("RESOURCE_EXHAUSTED", "BODY_TOO_LARGE"): "client/test_http.py",
    ("INVALID_ARGUMENT", "URL_TOO_LONG"): "client/test_http.py",
    ("INVALID_ARGUMENT", "MEDIA_TYPE_UNSUPPORTED"): "client/test_http.py",
    ("INVALID_ARGUMENT", "HEADERS_TOO_LARGE"): "client/test_http.py",
}

# Told to nobody: the caller has gone; and gRPC core refuses compressed requests before they are read.
UNTOLD = {("CANCELLED", "CALL_CANCELLED"), ("UNIMPLEMENTED", "COMPRESSION_UNSUPPORTED")}

NAMED = {f"{case.name} ({method})": (case, method) for case in CASES for method in case.methods}


# -------------------------------------------------------------------------------------- running them


def run_case(case, method, stands):
    """None, or what went wrong."""
    stand = stands.get()
    try:
        try:
            (case.run or run_plain)(stand, case, method)
        finally:
            if case.heals:
                stand.settle()
    except BaseException as error:  # pylint: disable=broad-except
        return error
    finally:
        stands.put(stand)
    return None


@pytest.fixture(scope="module", name="ran")
def fixture_ran(request, postgres):
    """All cases that were asked for, side by side: (name -> error or None, the stands)."""
    wanted = [item.callspec.params["name"] for item in request.session.items
              if item.module is request.module and "name" in getattr(item, "callspec", item).__dict__.get("params", {})]
    setups = sorted({NAMED[name][0].setup for name in wanted})
    with contextlib.ExitStack() as stack:
        places = [setup for setup in setups for _ in range(SETUPS[setup].count)]
        databases = [stack.enter_context(own_postgres(harness.work_folder("own"))) if setup == "own database"
                     else postgres for setup in places]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda setup, database: Stand(database, **SETUPS[setup].settings), places, databases))
        stands = {setup: queue.Queue() for setup in setups}
        for setup, stand in zip(places, made):
            stands[setup].put(stand)
        with contextlib.ExitStack() as at_work:
            pools = {setup: at_work.enter_context(concurrent.futures.ThreadPoolExecutor(SETUPS[setup].count))
                     for setup in setups}
            done = {name: pools[NAMED[name][0].setup].submit(run_case, *NAMED[name], stands[NAMED[name][0].setup])
                    for name in wanted}
        yield {name: future.result() for name, future in done.items()}, made
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(Stand.close, made))


@pytest.mark.parametrize("name", NAMED)
def test_the_answer_is_as_promised(ran, name):
    error = ran[0][name]
    if error is not None:
        raise error


def test_the_invariants_hold_after_all_answers(ran):
    for stand in ran[1]:
        invariants.check(stand.url, stand.sandbox.ledger())


# --------------------------------------------------------------------------------------- the reasons


def test_every_reason_of_the_program_is_produced_by_a_test():
    rows = {(case.code, case.reason) for case in CASES if case.code != "OK"}
    assert rows <= set(POLICIES)
    assert rows | set(ELSEWHERE) | UNTOLD == set(POLICIES)
    assert not rows & set(ELSEWHERE)


@pytest.mark.parametrize("reason", ELSEWHERE)
def test_a_reason_that_is_produced_elsewhere_stands_in_that_file(reason):
    text = (harness.SOURCE_DIR / "tests" / ELSEWHERE[reason]).read_text()
    assert re.search(rf"\b(REASON_)?{reason[1]}\b", text)


def test_only_the_three_that_go_on_alone_forbid_a_repeat_and_all_weather_invites_one():
    alone = {reason for (_, reason), repeat in POLICIES.items() if repeat == "no, it goes on alone"}
    assert alone == {"RESERVATION_OUTCOME_UNKNOWN", "PAYMENT_OUTCOME_UNKNOWN", "FULFILLMENT_PENDING"}
    for (code, reason), repeat in POLICIES.items():
        invites = code in ("UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED") and reason not in alone | {"ETAG_MISMATCH"}
        assert (repeat == "later") == invites, reason
