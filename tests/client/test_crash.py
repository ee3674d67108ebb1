"""orderd dies, or sleeps longer than its lease, before and after every commit and at every moment of every call.

Which points there are is found: a scenario is gone through once with a trace of what it passes, and then
once for each of these, with an orderd that dies there. CRASH=all takes all of them, otherwise it is a sample.
"""

import os
import random

import pytest

import crash
import harness
from crash import Scenario

# Side by side: most of a run is waiting for a lease to run out.
PLACES = 8
# Runs of a test, unless CRASH=all.
SAMPLE = {"kill": 100, "kill, keys ignored": 50, "sleep": 50, "sleep, cancelled": 50}
SEED = 4
# A run in which the victim was too slow, lost its lease and went another way is done again.
TRIES = 3

# --------------------------------------------------------------------- ways through the order flow


def create_and_process(client):
    client.process(client.create())


def create_and_process_with(card):
    def program(client):
        client.process(client.create(), card=card)
    return program


def place(client):
    client.place()


def place_too_much(client):
    client.place(quantity=crash.STOCK + 1)


def another_card(client):
    order_id = client.create()
    client.process(order_id, card="pm_card_chargeDeclined")
    client.process(order_id, name="again")


def cancel_while(state, call=None):
    def program(client):
        order_id = client.create()
        client.process_soon(order_id)
        client.wait_for_state(state)
        if call:
            client.wait_for_call(order_id, call)
        client.cancel(order_id)
        client.process(order_id)
    return program


def cancel_what_has_left(client):
    order_id = client.create()
    client.process_soon(order_id)
    client.wait_for_state("FULFILLING")
    client.wait_for_call(order_id, "/v1/shipments")
    client.let_leave(order_id)
    client.cancel(order_id)
    client.wait_for_call(order_id, ":cancel")
    client.run.set_faults(())
    client.process(order_id)


def cancel_first(client):
    order_id = client.create()
    client.cancel(order_id)
    client.process(order_id)


def end_the_process_under_way(client):
    order_id = client.create()
    client.process_impatiently(order_id, 2)
    client.wait_for_state("FULFILLING")
    client.end_process()
    client.run.set_faults(())
    client.process(order_id)


def fault(path, mode, count=1, **more):
    return {"path": path, "mode": mode, "count": count, **more}


ALWAYS = -1
REJECTED = fault("ship", "422", ALWAYS)

SCENARIOS = [
    Scenario("fulfilled", create_and_process),
    Scenario("placed", place),
    Scenario("declined", create_and_process_with("pm_card_chargeDeclined"), ends=("FAILED",)),
    Scenario("card unknown", create_and_process_with("pm_card_of_nobody"), ends=("FAILED",)),
    Scenario("short", place_too_much, ends=("FAILED",)),
    Scenario("another card", another_card),
    Scenario("confirmed, answer lost", place, faults=(fault("confirm", "cut_after"),)),
    Scenario("confirm lost", create_and_process, faults=(fault("confirm", "cut_before"),)),
    Scenario("shipped, answer lost", create_and_process, faults=(fault("ship", "500_after"),)),
    Scenario("rejected", create_and_process, ends=("FAILED",), faults=(REJECTED,)),
    Scenario("refunded, answer lost", create_and_process, ends=("FAILED",),
             faults=(REJECTED, fault("refund", "cut_after"))),
    Scenario("refund lost", place, ends=("FAILED",), faults=(REJECTED, fault("refund", "500_before"))),
    Scenario("cancelled first", cancel_first, ends=("CANCELLED",)),
    Scenario("cancelled before the payment", cancel_while("CHARGING"), ends=("CANCELLED",), is_timed=True,
             faults=(fault("open", "503_before", ALWAYS),)),
    Scenario("cancelled in the payment", cancel_while("CHARGING", "/confirm"), ends=("CANCELLED", "FULFILLED"),
             is_timed=True, is_slow=True, faults=(fault("confirm", "latency", delayMs=1200),)),
    Scenario("cancelled in the shipment", cancel_while("FULFILLING", "/v1/shipments"), ends=("CANCELLED",),
             is_timed=True, faults=(fault("ship", "500_after", ALWAYS),)),
    Scenario("cancelled too late", cancel_what_has_left, ends=("FULFILLED", "CANCELLED"), is_timed=True,
             may_leave=True, faults=(fault("ship", "500_after", ALWAYS),), faults_end=True),
    Scenario("stuck in the refund", create_and_process, ends=("STUCK", "FAILED", "FULFILLED"), is_timed=True,
             faults=(REJECTED, fault("refund", "500_before", ALWAYS)), faults_end=True,
             settings={"UNDO_TIME": "1s"}),
    Scenario("stuck in the recall", cancel_while("FULFILLING", "/v1/shipments"), is_timed=True,
             ends=("STUCK", "CANCELLED", "FULFILLED"),
             faults=(fault("ship", "500_after", ALWAYS), fault("recall", "500_before", ALWAYS)), faults_end=True,
             settings={"UNDO_TIME": "1s"}),
    Scenario("given back", end_the_process_under_way, is_timed=True, faults=(fault("ship", "503_before", ALWAYS),),
             faults_end=True),
    Scenario("taken over in the payment", place, is_timed=True, left_at="confirm.acted"),
    Scenario("taken over in the shipment", place, is_timed=True, left_at="ship.middle"),
    Scenario("taken over in the refund", create_and_process, ends=("FAILED",), faults=(REJECTED,),
             is_timed=True, left_at="refund.acted"),
]

# ------------------------------------------------------------------------------- what there must be

CALLS = ("open", "confirm", "look", "cancel", "refund", "look_refunds", "ship", "recall")
COMMITS = ("create", "claim", "renew", "take_due", "give_back", "wish")
STATEMENTS = ("orders_create", "orders_cancel", "saga_claim", "saga_advance", "saga_release", "saga_renew",
              "saga_take_due", "saga_give_back")
# All that is committed of an order; not in here is what needs an inventory of somebody else's.
EDGES = ("CHARGING-CHARGING", "CHARGING-FULFILLING", "CHARGING-REFUNDING", "CHARGING-FAILED", "CHARGING-CANCELLED",
         "FULFILLING-FULFILLED", "FULFILLING-RECALLING", "FULFILLING-REFUNDING",
         "RECALLING-REFUNDING", "RECALLING-FULFILLED", "RECALLING-STUCK",
         "REFUNDING-FAILED", "REFUNDING-CANCELLED", "REFUNDING-STUCK")
ALL_POINTS = {
    *(f"{call}.{moment}" for call in CALLS for moment in ("before", "middle", "acted", "answered")),
    *(f"{commit}.{moment}" for commit in COMMITS for moment in ("before", "after")),
    *(f"advance.{edge}.{moment}" for edge in EDGES for moment in ("before", "after")),
    *(f"batch.{statement}.sent" for statement in STATEMENTS),
}

# ------------------------------------------------------------------------------------------- tests


def has_fault_points():
    with open(harness.program("orderd"), "rb") as file:
        return b"FAULT_POINT" in file.read()


@pytest.fixture(scope="module", name="places")
def fixture_places(folder, postgres):
    if not has_fault_points():
        assert os.environ.get("FAULT_POINTS") != "ON", "the build has lost its fault points"
        pytest.skip("built without FAULT_POINTS")
    places = crash.Places(PLACES, lambda number: crash.Place(folder, postgres, number))
    yield places
    places.close()


@pytest.fixture(scope="module", name="points")
def fixture_points(places):
    """Every point of every scenario."""
    traces = places.each(SCENARIOS, crash.trace)
    problems = [f"{scenario.name}: {trace}" for scenario, trace in zip(SCENARIOS, traces)
                if isinstance(trace, Exception)]
    assert not problems, "\n".join(problems)
    return [point for scenario, trace in zip(SCENARIOS, traces) for point in crash.points(scenario, trace)]


def sample(points, what):
    """All points, or evenly spread ones of all scenarios, each name once before any comes twice."""
    if os.environ.get("CRASH") == "all":
        return points
    chance = random.Random(f"{SEED} {what}")
    shuffled = chance.sample(points, len(points))
    first = list({point.name: point for point in shuffled}.values())
    rest = [point for point in shuffled if point not in first]
    return (first + rest)[:SAMPLE[what]]


def run_all(places, points, run):
    """One run for each point; tells which went wrong, and how."""
    def until_reached(lent, point):
        for tries_left in reversed(range(TRIES)):
            try:
                return run(lent, point)
            except crash.NotReached:
                if not tries_left:
                    raise
    results = places.each(points, until_reached)
    problems = [f"{point}: {type(result).__name__} {result}" for point, result in zip(points, results)
                if isinstance(result, Exception)]
    assert not problems, f"{len(problems)} of {len(points)} runs went wrong:\n" + "\n\n".join(problems)


def test_no_point_is_left_out(points):
    passed = {point.name for point in points}
    assert passed == ALL_POINTS, f"not passed: {sorted(ALL_POINTS - passed)}, unknown: {sorted(passed - ALL_POINTS)}"


def test_an_order_survives_death_at_every_point(places, points):
    run_all(places, sample(points, "kill"), crash.killed)


def test_an_order_survives_death_at_every_point_with_a_provider_that_ignores_keys(places, points):
    run_all(places, sample(points, "kill, keys ignored"),
            lambda lent, point: crash.killed(lent, point, keys_ignored=True))


def test_one_that_slept_longer_than_its_lease_changes_nothing(places, points):
    run_all(places, sample(points, "sleep"), crash.stopped)


def test_an_order_cancelled_while_its_owner_sleeps_is_cancelled(places, points):
    run_all(places, sample(points, "sleep, cancelled"), crash.cancelled)


