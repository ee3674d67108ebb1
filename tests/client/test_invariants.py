"""The checker of the invariants finds nothing in orders that went well or badly, and whatever is made wrong.

Each falsification changes one fact, in a transaction of its own that is rolled back, or in a copy of the ledger.
"""

import copy
import itertools
import subprocess
import sys

import psycopg
import pytest

import harness
import invariants
from client import Shop, address, at_once, orders, request_id

CARDS = ("pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined")


class Load:
    """A database with orders of every fate, the sandbox's ledger, and what callers were told."""

    def __init__(self, url, sandbox, answered):
        self.url, self.sandbox, self.answered = url, sandbox, answered
        self.ledger = sandbox.ledger()


def one_order(shop, product, scarce, index):
    """A good one, a declined one, a refused address, a scarce product, one only created, one tried twice."""
    key, kind = request_id(), index % 8
    if kind == 5:
        return shop.create((product, 1))
    if kind == 6:
        order = shop.create((product, 2))
        at_once(1, lambda _: shop.process(order, card="pm_card_chargeDeclined", timeout=60))
        return shop.process(order, timeout=60)
    return shop.place(
        (scarce if kind == 4 else product, 1 + index % 3), payment_method=CARDS[index % 4], request_id=key, timeout=60,
        ship_to=address(region_code="ZZ" if kind == 2 else "GB"))


@pytest.fixture(scope="module", name="load")
def fixture_load(folder, postgres):
    """120 orders through a sandbox that fails now and then, in ways that are made good."""
    sandbox = harness.Sandbox(folder)
    url = postgres.create_database("invariants")
    orderd = harness.Orderd(folder, url, sandbox, LEASE="1s")
    shop = Shop(orderd.grpc_addr)
    for path, mode in itertools.product(("payments", "shipping"), ("500_before", "500_after", "reset_after")):
        sandbox.add_fault(path=path, mode=mode, probability=0.05)
    product, scarce = shop.product(stock=1000), shop.product(stock=9)
    answers = at_once(40, lambda index: [at_once(1, lambda _: one_order(shop, product, scarce, 3 * index + step))[0]
                                         for step in range(3)])
    sandbox.clear_faults()
    confirmed = [(answer.order_id, answer) for answer in itertools.chain(*answers)
                 if isinstance(answer, orders.OrderConfirmation)]
    assert len(confirmed) > 20
    with psycopg.connect(url, autocommit=True) as connection:
        harness.wait_until(lambda: connection.execute(
            "SELECT count(*) = 0 FROM attempt WHERE outcome IS NULL").fetchone()[0], 60, "all orders to rest")
    shop.close()
    yield Load(url, sandbox, confirmed)
    orderd.stop_clean()
    assert sandbox.stop() == 0


def test_a_lively_load_breaks_nothing(load):
    invariants.check(load.url, load.ledger, answered=load.answered)
    invariants.check(load.url, load.sandbox.ledger, at_rest=False)


def test_while_orders_are_under_way_only_rest_is_not_asked_for(load):
    with psycopg.connect(load.url) as connection:
        connection.execute("""
            WITH one AS (
                UPDATE attempt SET outcome = NULL WHERE outcome = 'FULFILLED' RETURNING order_id),
            back AS (
                DELETE FROM order_event e USING one WHERE e.order_id = one.order_id AND e.state = 'FULFILLED')
            UPDATE orders o SET state = 'FULFILLING', revision = revision - 1, lease_until = now()
            FROM one WHERE o.id = one.order_id""")
        assert not invariants.violations(connection, load.sandbox.ledger, at_rest=False)
        found = invariants.violations(connection, load.ledger)
        assert found and all(sentence.startswith("V6") for sentence in found), found
        connection.rollback()


# --------------------------------------------------------------------------- the database says wrong

ONE = "(SELECT id FROM orders WHERE state = '{}' AND attempt = 1 ORDER BY id LIMIT 1)"
FULFILLED, FAILED = ONE.format("FULFILLED"), ONE.format("FAILED")


@pytest.mark.parametrize("invariant, says, sql", [
    ("V2", "its lines", f"UPDATE orders SET total_minor = total_minor + 1 WHERE id = {FULFILLED}"),
    ("V2", "its payment is pi_other",
     f"UPDATE attempt SET payment_id = 'pi_other' WHERE outcome = 'FULFILLED' AND order_id = {FULFILLED}"),
    ("V2", "its shipment is ship_other",
     f"UPDATE attempt SET shipment_id = 'ship_other' WHERE outcome = 'FULFILLED' AND order_id = {FULFILLED}"),
    ("V2", "0 of its attempts", f"UPDATE attempt SET outcome = 'STUCK', stuck_state = 'REFUNDING' "
                                f"WHERE outcome = 'FULFILLED' AND order_id = {FULFILLED}"),
    ("V3", "money is held", f"UPDATE orders SET state = 'CANCELLED' WHERE id = {FULFILLED}"),
    ("V3", "is ACCEPTED", f"UPDATE orders SET state = 'FAILED' WHERE id = {FULFILLED}"),
    ("V3", "without being written down",
     "ALTER TABLE attempt DROP CONSTRAINT attempt_fulfilled; "
     f"UPDATE attempt SET payment_id = NULL WHERE outcome = 'FULFILLED' AND order_id = {FULFILLED}"),
    ("V3", "nobody knows the payment",
     "UPDATE attempt SET payment_id = 'pi_other' WHERE outcome = 'FAILED' AND payment_id IS NOT NULL"),
    ("V4", "are available", "UPDATE stock SET available = available + 1"),
    ("V4", "are available", "UPDATE stock_adjustment SET delta = delta + 1"),
    ("V4", "are held by orders", f"UPDATE orders SET state = 'FULFILLED' WHERE id = {FAILED}"),
    ("V4", "-1 are available",
     "ALTER TABLE stock DROP CONSTRAINT stock_available_check; UPDATE stock SET available = -1"),
    ("V5", "began attempts of", "UPDATE attempt SET method = 'PlaceOrder', request_id = 'twice'"),
    ("V5", "binds", "UPDATE attempt SET method = 'ProcessOrder', request_id = 'twice' WHERE order_id = "
                    "(SELECT id FROM orders WHERE attempt = 2 LIMIT 1)"),
    ("V5", "which stands for", f"UPDATE idempotency SET order_id = {FULFILLED} WHERE method = 'PlaceOrder'"),
    ("V5", "for an order nobody has", "UPDATE idempotency SET order_id = gen_random_uuid()"),
    ("V5", "for a product nobody has", "UPDATE idempotency SET order_id = NULL, product_id = 'none'"),
    ("V8", "by the hand of ada",
     f"UPDATE order_event SET operator = 'ada', operator_reason = 'why' WHERE revision = 2 AND order_id = {FULFILLED}"),
    ("V5", "fulfilled by 2 attempts",
     "ALTER TABLE attempt DROP CONSTRAINT attempt_fulfilled; UPDATE attempt SET outcome = 'FULFILLED' "
     "WHERE order_id = (SELECT id FROM orders WHERE attempt = 2 LIMIT 1)"),
    ("V6", "is still CHARGING",
     f"UPDATE orders SET state = 'CHARGING', lease_until = now() WHERE id = {FAILED}"),
    ("V6", "open attempt", f"UPDATE attempt SET outcome = NULL WHERE order_id = {FULFILLED}"),
    ("V8", "goes from", f"DELETE FROM order_event WHERE revision = 3 AND order_id = {FULFILLED}"),
    ("V8", "goes from FULFILLED", f"UPDATE order_event SET state = 'FULFILLED' WHERE revision = 2 "
                                  f"AND order_id = {FULFILLED}"),
    ("V8", "begins with", f"DELETE FROM order_event WHERE revision = 1 AND order_id = {FULFILLED}"),
    ("V8", "attempt 2)", f"UPDATE order_event SET attempt = 2 WHERE revision = 3 AND order_id = {FULFILLED}"),
    ("V8", "by step FULFILL", f"UPDATE order_event SET step = 'FULFILL' WHERE step = 'CHARGE' "
                              f"AND state = 'FULFILLING' AND order_id = {FULFILLED}"),
    ("V8", "by step CHARGE UNKNOWN", f"UPDATE order_event SET outcome = 'UNKNOWN' WHERE step = 'CHARGE' "
                                     f"AND state = 'FULFILLING' AND order_id = {FULFILLED}"),
    ("V8", "its events end with", f"UPDATE orders SET revision = revision + 1 WHERE id = {FULFILLED}"),
    ("V8", "its events end with", f"UPDATE orders SET state = 'FAILED' WHERE id = {FULFILLED}"),
    ("V8", "does not exist", f"DELETE FROM orders WHERE id = {FULFILLED}"),
    ("V8", "are recorded", f"DELETE FROM attempt WHERE order_id = {FULFILLED}"),
    ("V8", "the outcome of attempt", f"UPDATE attempt SET outcome = 'CANCELLED' WHERE order_id = {FULFILLED}"),
    ("V8", "no event says so", f"UPDATE attempt SET outcome = 'CANCELLED' WHERE order_id = {FULFILLED}"),
])
def test_a_lie_in_the_database_is_found(load, invariant, says, sql):
    with psycopg.connect(load.url) as connection:
        connection.execute(sql)
        found = invariants.violations(connection, load.ledger)
        connection.rollback()
    assert any(sentence.startswith(invariant) and says in sentence for sentence in found), found


# ----------------------------------------------------------------------------- the ledger says wrong


def kept(ledger):
    """A payment that was kept."""
    return next(payment for payment in ledger["payments"] if payment["received"] and not payment["refunded"])


def given_back(ledger):
    return next(payment for payment in ledger["payments"] if payment["refunded"] and payment["attempt"] == "1")


def cancelled(ledger):
    return next(payment for payment in ledger["payments"] if payment["status"] == "canceled")


def shipped(ledger):
    return next(shipment for shipment in ledger["shipments"] if shipment["state"] == "ACCEPTED")


def recalled_or_unwanted(ledger):
    """A shipment that can be made one too many."""
    return {**shipped(ledger), "id": "ship_more"}


def more(payment, **changes):
    return {**payment, "id": "pi_more", **changes}


LIES = {
    "a second payment of an attempt is confirmed":
        ("V1", "confirmed 2 payments", lambda ledger: ledger["payments"].append(more(kept(ledger)))),
    "a payment is confirmed twice":
        ("V1", "confirmed 2 payments", lambda ledger: kept(ledger).update(confirmed_count=2)),
    "a payment of the next attempt is confirmed before the first is given back":
        ("V1", "held at once", lambda ledger: ledger["payments"].append(
            more(given_back(ledger), attempt="2", confirmed_n=1, refunded_n=3))),
    "a payment is given back":
        ("V2", "its payment is", lambda ledger: kept(ledger).update(refunded=kept(ledger)["received"])),
    "a payment is given back in part": ("V2", "it costs", lambda ledger: kept(ledger).update(refunded=1)),
    "a payment is about to be given back": ("V2", "it costs", lambda ledger: kept(ledger).update(refund_pending=1)),
    "another amount was taken": ("V2", "it costs", lambda ledger: kept(ledger).update(received=1)),
    "another currency was taken": ("V2", "it costs", lambda ledger: kept(ledger).update(currency="usd")),
    "a payment was never made": ("V3", "nobody knows", lambda ledger: ledger["payments"].remove(kept(ledger))),
    "a shipment was recalled": ("V2", "its shipment is", lambda ledger: shipped(ledger).update(state="CANCELLED")),
    "two shipments are live": ("V2", "its shipment is", lambda ledger: ledger["shipments"].append(
        recalled_or_unwanted(ledger))),
    "a refund did not come": ("V3", "money is held", lambda ledger: given_back(ledger).update(refunded=0)),
    "a payment was not cancelled": ("V3", "neither cancelled nor given back", lambda ledger: cancelled(ledger).update(
        status="requires_payment_method")),
    "a payment that was not written down was confirmed":
        ("V3", "without being written down", lambda ledger: ledger["payments"].append(
            more(kept(ledger), status="succeeded", refunded=kept(ledger)["received"]))),
    "a failed order is shipped": ("V3", "is ACCEPTED", lambda ledger: ledger["shipments"].append(
        {**shipped(ledger), "order_id": given_back(ledger)["order_id"]})),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_in_the_ledger_is_found(load, lie):
    invariant, says, change = LIES[lie]
    ledger = copy.deepcopy(load.ledger)
    change(ledger)
    found = invariants.violations(load.url, ledger)
    assert any(sentence.startswith(invariant) and says in sentence for sentence in found), found


def test_the_ledger_numbers_what_was_taken_and_given_back(load):
    payment, other = given_back(load.ledger), kept(load.ledger)
    assert (payment["confirmed_n"], payment["refunded_n"]) == (1, 2)
    assert other["confirmed_n"] % 2 == 1 and other["refunded_n"] == 0


def test_money_given_back_before_the_next_attempt_is_no_violation(load):
    ledger = copy.deepcopy(load.ledger)
    first = given_back(ledger)
    ledger["payments"].append(more(first, attempt="2", confirmed_n=3, refunded_n=4))
    assert not any(sentence.startswith("V1") for sentence in invariants.violations(load.url, ledger))


# ------------------------------------------------------------------------------------ what was answered


def test_an_answer_that_is_not_stored_is_found(load):
    (first, confirmation), (_, other) = load.answered[:2]
    nobody = "01890000-0000-7000-8000-000000000000"
    found = invariants.violations(load.url, load.ledger, answered=[(first, other), (nobody, confirmation)])
    assert len(found) == 2 and all(sentence.startswith("V7") for sentence in found), found
    assert first in found[0] and nobody in found[1]
    with pytest.raises(AssertionError, match="2 violations"):
        invariants.check(load.url, load.ledger, answered=[(first, other), (nobody, confirmation)])


# ---------------------------------------------------------------------------------------- as a program


def run(load, *arguments):
    return subprocess.run([sys.executable, invariants.__file__, "--database", load.url, "--ledger",
                           load.sandbox.url + "/", *arguments], check=False, capture_output=True, text=True)


def test_by_hand_it_counts_and_says_whether_all_is_well(load, postgres):
    done = run(load)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "orders FULFILLED" in done.stdout and "0 violations" in done.stdout
    name = "invariants-false"
    postgres.psql("postgres", f'CREATE DATABASE "{name}"')
    dump = subprocess.run([str(postgres.binaries / "pg_dump"), "-d", load.url], check=True, capture_output=True)
    subprocess.run([str(postgres.binaries / "psql"), "-q", "-d", postgres.url(name)], input=dump.stdout, check=True,
                   capture_output=True)
    postgres.psql(name, "UPDATE stock SET available = available + 1")
    false = Load(postgres.url(name), load.sandbox, [])
    done = run(false)
    assert done.returncode == 1
    assert "V4: product" in done.stdout
    # Orders older than the ledger are compared with nothing; what the database knows of them still counts.
    assert run(load, "--since", "4102444800").returncode == 0
    assert run(false, "--since", "4102444800").returncode == 1
