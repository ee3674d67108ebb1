#!/usr/bin/env python3
"""What holds of every order, whatever failed: V1 to V8, by the database and by the ledger of orderd-sandbox.

    V1  at every moment the confirmed payments of an order, less those given back, are one at most;
        an attempt confirms one at most
    V2  FULFILLED: one payment kept, over the sum of the lines, and one live shipment
    V3  FAILED, CANCELLED or PENDING: no money, no shipment and no stock is held; a payment that was written
        down is cancelled or given back, one that was not was never confirmed
    V4  a product's adjustments are what is available and what orders hold; nothing is below zero
    V5  one idempotency key, one effect
    V6  every order rests (only after the faults: at_rest)
    V7  what was answered OK is stored (answered)
    V8  the events of an order lead along the edges of the saga to the state it has, without a gap

A program too, for a service that runs: invariants.py --database URL --ledger http://127.0.0.1:8089/
"""

import argparse
import collections
import json
import sys
import urllib.request

import psycopg
from psycopg.rows import namedtuple_row

AT_REST = ("PENDING", "FULFILLED", "FAILED", "CANCELLED", "STUCK")
# With the built-in stock; a STUCK order has not given its own back.
HOLDS_STOCK = ("CHARGING", "FULFILLING", "FULFILLED", "RECALLING", "REFUNDING", "RELEASING", "STUCK")
LIVE = ("ACCEPTED", "LEFT")
# A claim that took the stock, or was refused it. The only events that begin an attempt.
CLAIM = ("RESERVING", "CHARGING", "FAILED")
# Where an event may lead. A state leads to itself when something is written down in it, and passes over
# the undos that are true already; out of STUCK, back or to an end, by hand only.
EDGES = {
    "PENDING": (*CLAIM, "CANCELLED"),
    "RESERVING": ("RESERVING", "CHARGING", "RELEASING", "FAILED", "CANCELLED"),
    "CHARGING": ("CHARGING", "FULFILLING", "REFUNDING", "RELEASING", "FAILED", "CANCELLED"),
    "FULFILLING": ("FULFILLING", "FULFILLED", "RECALLING", "REFUNDING"),
    "RECALLING": ("RECALLING", "FULFILLED", "REFUNDING", "STUCK"),
    "REFUNDING": ("REFUNDING", "RELEASING", "FAILED", "CANCELLED", "STUCK"),
    "RELEASING": ("RELEASING", "FAILED", "CANCELLED", "STUCK"),
    "STUCK": ("RECALLING", "REFUNDING", "RELEASING", "FAILED", "CANCELLED"),
    "FAILED": (*CLAIM, "CANCELLED"),
    "FULFILLED": (),
    "CANCELLED": (),
}
# A step that went well, by the state it led from and the one it led to.
DONE = {
    ("RESERVING", "CHARGING"): "RESERVE",
    ("CHARGING", "FULFILLING"): "CHARGE",
    ("FULFILLING", "FULFILLED"): "FULFILL",
}

# ------------------------------------------------------------------------------------- by SQL alone

# Rows of (what it is about, what is wrong).
SQL = {
    "V2": ["""
        SELECT 'order ' || o.id, format('costs %s, but its lines %s', o.total_minor, l.total)
        FROM orders o
        CROSS JOIN LATERAL (SELECT sum(quantity::numeric * price) AS total
                            FROM unnest(o.line_quantity, o.line_price_minor) AS u (quantity, price)) l
        WHERE o.total_minor <> l.total"""],
    "V4": ["""
        SELECT 'product ' || coalesce(s.product_id, h.product_id),
               format('%s were put in, %s are available, %s are held by orders',
                      coalesce(m.moved, 0), s.available, coalesce(h.held, 0))
        FROM stock s
        FULL JOIN (SELECT l.product AS product_id, sum(l.quantity) AS held
                   FROM orders o CROSS JOIN unnest(o.line_product, o.line_quantity) AS l (product, quantity)
                   WHERE o.state = ANY (%(holds_stock)s) GROUP BY l.product) h USING (product_id)
        LEFT JOIN (SELECT product_id, sum(delta) AS moved FROM stock_adjustment GROUP BY product_id) m
               ON m.product_id = s.product_id
        WHERE s.product_id IS NULL OR s.available < 0
              OR coalesce(m.moved, 0) <> s.available + coalesce(h.held, 0)"""],
    "V5": ["""
        SELECT 'key ' || a.request_id, format('of %s began attempts of %s orders: %s', a.method,
               count(DISTINCT a.order_id), string_agg(DISTINCT a.order_id::text, ', '))
        FROM attempt a JOIN orders o ON o.id = a.order_id
        WHERE a.request_id IS NOT NULL
        GROUP BY o.caller, a.method, a.request_id HAVING count(DISTINCT a.order_id) > 1""", """
        SELECT 'order ' || a.order_id, format('attempt %s was begun by key %s of %s, which attempt %s binds',
               later.attempt, a.request_id, a.method, a.attempt)
        FROM attempt a JOIN attempt later USING (order_id, method, request_id)
        WHERE a.attempt < later.attempt AND NOT a.invites_retry""", """
        SELECT 'order ' || a.order_id, format('was begun by key %s of %s, which stands for %s', a.request_id, a.method,
               coalesce(k.order_id::text, k.product_id))
        FROM attempt a JOIN orders o ON o.id = a.order_id
        JOIN idempotency k ON (k.caller, k.method, k.request_id) = (o.caller, a.method, a.request_id)
        WHERE k.order_id IS DISTINCT FROM a.order_id""", """
        SELECT 'key ' || k.request_id, format('of %s stands for an order nobody has: %s', k.method, k.order_id)
        FROM idempotency k WHERE k.order_id IS NOT NULL
              AND NOT EXISTS (SELECT FROM orders o WHERE o.id = k.order_id AND o.caller = k.caller)""", """
        SELECT 'key ' || k.request_id, format('of %s stands for a product nobody has: %s', k.method, k.product_id)
        FROM idempotency k WHERE k.product_id IS NOT NULL
              AND NOT EXISTS (SELECT FROM product p WHERE p.id = k.product_id)""", """
        SELECT 'order ' || order_id, format('was fulfilled by %s attempts', count(*))
        FROM attempt WHERE outcome = 'FULFILLED' GROUP BY order_id HAVING count(*) > 1"""],
    "V8": ["""
        SELECT 'order ' || w.order_id, CASE
                   WHEN w.from_state IS NULL THEN format('begins with %s, revision %s, attempt %s',
                                                         w.state, w.revision, w.attempt)
                   ELSE format('goes from %s (revision %s, attempt %s) to %s (revision %s, attempt %s)', w.from_state,
                               w.from_revision, w.from_attempt, w.state, w.revision, w.attempt) END
        FROM (SELECT *, lag(state) OVER o AS from_state, lag(attempt) OVER o AS from_attempt,
                     lag(revision) OVER o AS from_revision
              FROM order_event WINDOW o AS (PARTITION BY order_id ORDER BY revision)) w
        WHERE CASE
            WHEN w.from_state IS NULL THEN (w.state, w.revision, w.attempt) <> ('PENDING', 1, 0)
            ELSE w.revision <> w.from_revision + 1
                 OR w.from_state || ' ' || w.state <> ALL (%(edges)s)
                 OR w.attempt <> w.from_attempt
                    + (w.from_state IN ('PENDING', 'FAILED') AND w.state = ANY (%(claim)s))::int END""", """
        SELECT 'order ' || w.order_id, format('goes from %s to %s by step %s %s (revision %s)', w.from_state, w.state,
               w.step, w.outcome, w.revision)
        FROM (SELECT *, lag(state) OVER (PARTITION BY order_id ORDER BY revision) AS from_state
              FROM order_event) w
        JOIN unnest(%(done_edge)s::text[], %(done_step)s::text[]) AS d (edge, step)
             ON d.edge = w.from_state || ' ' || w.state
        WHERE (w.step, w.outcome) IS DISTINCT FROM (d.step, 'DONE')""", """
        SELECT 'order ' || w.order_id, format('goes from %s to %s (revision %s) by the hand of %s', w.from_state,
               w.state, w.revision, coalesce(w.operator, 'nobody'))
        FROM (SELECT *, lag(state) OVER (PARTITION BY order_id ORDER BY revision) AS from_state
              FROM order_event) w
        WHERE (w.from_state IS NOT DISTINCT FROM 'STUCK') <> (w.operator IS NOT NULL)""", """
        SELECT 'order ' || o.id, format('is %s, revision %s, attempt %s; its events end with %s, %s, %s',
               o.state, o.revision, o.attempt, coalesce(e.state, 'nothing'), e.revision, e.attempt)
        FROM orders o
        LEFT JOIN (SELECT DISTINCT ON (order_id) * FROM order_event ORDER BY order_id, revision DESC) e
               ON e.order_id = o.id
        WHERE (o.state, o.revision, o.attempt) IS DISTINCT FROM (e.state, e.revision, e.attempt)""", """
        SELECT DISTINCT 'order ' || e.order_id, 'has events, but does not exist'
        FROM order_event e WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = e.order_id)""", """
        SELECT 'order ' || o.id, format('is in attempt %s, but %s are recorded', o.attempt, count(a.attempt))
        FROM orders o LEFT JOIN attempt a ON a.order_id = o.id
        GROUP BY o.id HAVING count(a.attempt) <> o.attempt OR coalesce(max(a.attempt), 0) <> o.attempt""", """
        SELECT 'order ' || o.id, format('is %s, but the outcome of attempt %s is %s', o.state, a.attempt,
               coalesce(a.outcome, 'open'))
        FROM orders o JOIN attempt a ON a.order_id = o.id AND a.attempt = o.attempt
        WHERE CASE o.state WHEN 'CANCELLED' THEN coalesce(a.outcome, '') NOT IN ('CANCELLED', 'FAILED')
                           WHEN 'FULFILLED' THEN a.outcome IS DISTINCT FROM 'FULFILLED'
                           WHEN 'FAILED' THEN a.outcome IS DISTINCT FROM 'FAILED'
                           WHEN 'STUCK' THEN a.outcome IS DISTINCT FROM 'STUCK'
                           ELSE a.outcome IS NOT NULL END""", """
        SELECT 'order ' || a.order_id, format('came to %s in attempt %s, but no event says so', a.outcome, a.attempt)
        FROM attempt a
        WHERE a.outcome IS NOT NULL AND NOT EXISTS (
            SELECT FROM order_event e
            WHERE (e.order_id, e.attempt, e.state) = (a.order_id, a.attempt, a.outcome))"""],
}
SQL_AT_REST = {
    "V6": ["""
        SELECT 'order ' || id, format('is still %s, attempt %s, its lease ends %s', state, attempt, lease_until)
        FROM orders WHERE state <> ALL (%(at_rest)s)""", """
        SELECT 'order ' || order_id, format('has an open attempt: %s', attempt)
        FROM attempt WHERE outcome IS NULL"""],
}
PARAMETERS = {
    "holds_stock": list(HOLDS_STOCK),
    "at_rest": list(AT_REST),
    "claim": list(CLAIM),
    "edges": [f"{here} {there}" for here, others in EDGES.items() for there in others],
    "done_edge": [" ".join(edge) for edge in DONE],
    "done_step": list(DONE.values()),
}


def by_sql(connection, queries):
    # The %s above are those of format(), only those with a name are parameters.
    return [f"{name}: {about} {problem}"
            for name, texts in queries.items() for text in texts
            for about, problem in connection.execute(text.replace("%s", "%%s"), PARAMETERS)]


# ----------------------------------------------------------------------- by the database and the ledger

ORDERS = """
    SELECT id::text, state, attempt, total_minor, lower(currency) AS currency,
           create_time >= coalesce(to_timestamp(%s), '-infinity') AS is_in_ledger
    FROM orders"""
ATTEMPTS = "SELECT order_id::text, attempt, payment_id, shipment_id, outcome FROM attempt"


class Order:
    """An order as it is stored, beside what the sandbox did for it."""

    def __init__(self, row):
        self.id, self.state, self.attempt = row.id, row.state, row.attempt
        self.total, self.currency = row.total_minor, row.currency
        self.is_in_ledger = row.is_in_ledger
        self.attempts = []
        self.payments, self.shipments = [], []

    def says(self, name, problem):
        return f"{name}: order {self.id} is {self.state} (attempt {self.attempt}), but {problem}"


def about_payment(payment):
    return (f"payment {payment['id']} of attempt {payment['attempt']} is {payment['status']}, confirmed "
            f"{payment['confirmed_count']} times: received {payment['received']} {payment['currency']}, "
            f"refunded {payment['refunded']}, pending {payment['refund_pending']}")


def about_shipment(shipment):
    return f"shipment {shipment['id']} ({shipment['request_id']}) is {shipment['state']}"


def attempt_of_shipment(shipment):
    """Its request_id is <order>.<attempt>.ship."""
    parts = shipment["request_id"].split(".")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else 0


def attempt_of_payment(payment):
    return int(payment["attempt"]) if payment["attempt"].isdigit() else 0


def is_clean(payment):
    """Cancelled, or all of it was given back. Then nothing can be taken any more."""
    return payment["status"] == "canceled" or (
        payment["status"] == "succeeded" and payment["refunded"] == payment["received"])


def read_orders(connection, since):
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        found = {row.id: Order(row) for row in cursor.execute(ORDERS, [since])}
        for row in cursor.execute(ATTEMPTS):
            if row.order_id in found:
                found[row.order_id].attempts.append(row)
    return found


def add_ledger(found, ledger, at_rest):
    """What was done for these orders. While orders are under way, an attempt may have begun since they were read."""
    for payment in ledger["payments"]:
        order = found.get(payment["order_id"])
        if order and (at_rest or attempt_of_payment(payment) <= order.attempt):
            order.payments.append(payment)
    for shipment in ledger["shipments"]:
        order = found.get(shipment["order_id"])
        if order and (at_rest or attempt_of_shipment(shipment) <= order.attempt):
            order.shipments.append(shipment)


def v1(order):
    confirmed = collections.Counter()
    moves = []
    for payment in order.payments:
        confirmed[payment["attempt"]] += payment["confirmed_count"]
        if payment["confirmed_count"]:
            moves.append((payment.get("confirmed_n", 0), +1, payment))
        if payment["received"] and payment["refunded"] == payment["received"]:
            moves.append((payment.get("refunded_n", 0), -1, payment))
    for attempt, count in confirmed.items():
        if count > 1:
            yield order.says("V1", f"its attempt {attempt} confirmed {count} payments")
    held = 0
    for _, change, payment in sorted(moves, key=lambda move: move[0]):
        held += change
        if held > 1:
            yield order.says("V1", f"{held} payments were held at once when this was confirmed: "
                                   f"{about_payment(payment)}")


def v2(order):
    if order.state != "FULFILLED":
        return
    won = [attempt for attempt in order.attempts if attempt.outcome == "FULFILLED"]
    if len(won) != 1:
        yield order.says("V2", f"{len(won)} of its attempts fulfilled it")
        return
    kept = [payment for payment in order.payments if payment["received"] != payment["refunded"]]
    if [payment["id"] for payment in kept] != [won[0].payment_id]:
        yield order.says("V2", f"its payment is {won[0].payment_id}, and held are "
                               f"{[about_payment(payment) for payment in kept]}")
    for payment in kept:
        if (payment["status"], payment["confirmed_count"], payment["received"], payment["currency"],
                payment["refunded"], payment["refund_pending"]) != ("succeeded", 1, order.total, order.currency, 0, 0):
            yield order.says("V2", f"it costs {order.total} {order.currency}, and {about_payment(payment)}")
    live = [shipment for shipment in order.shipments if shipment["state"] in LIVE]
    if [shipment["id"] for shipment in live] != [won[0].shipment_id]:
        yield order.says("V2", f"its shipment is {won[0].shipment_id}, and live are "
                               f"{[about_shipment(shipment) for shipment in live]}")


def v3(order):
    if order.state not in ("FAILED", "CANCELLED", "PENDING"):
        return
    for payment in order.payments:
        if not is_clean(payment) and payment["received"]:
            yield order.says("V3", f"money is held: {about_payment(payment)}")
    for shipment in order.shipments:
        if shipment["state"] in LIVE:
            yield order.says("V3", f"{about_shipment(shipment)}")


def v3_payments(order):
    """Of every order at rest, whatever its state: the payments of the attempts that came to nothing."""
    if order.state not in AT_REST or order.state == "STUCK":
        return
    known = {payment["id"]: payment for payment in order.payments}
    written = {attempt.payment_id for attempt in order.attempts if attempt.payment_id}
    for attempt in order.attempts:
        if attempt.payment_id and attempt.payment_id not in known:
            yield order.says("V3", f"nobody knows the payment of attempt {attempt.attempt}: {attempt.payment_id}")
        elif attempt.payment_id and attempt.outcome != "FULFILLED" and not is_clean(known[attempt.payment_id]):
            yield order.says("V3", f"it was neither cancelled nor given back: "
                                   f"{about_payment(known[attempt.payment_id])}")
    for payment in order.payments:
        if payment["id"] not in written and payment["confirmed_count"]:
            yield order.says("V3", f"it was confirmed without being written down: {about_payment(payment)}")


def by_ledger(found):
    return [sentence for order in found.values() if order.is_in_ledger
            for rule in (v1, v2, v3, v3_payments) for sentence in rule(order)]


def v7(found, answered):
    """answered: pairs of (order id, confirmation)."""
    for order_id, confirmation in answered:
        order = found.get(order_id)
        if order is None:
            yield f"V7: order {order_id} was confirmed, but does not exist"
            continue
        stored = [(attempt.payment_id, attempt.shipment_id) for attempt in order.attempts
                  if attempt.outcome == "FULFILLED"]
        told = (confirmation.payment_id, confirmation.shipment_id)
        if order.state != "FULFILLED" or stored != [told]:
            yield order.says("V7", f"it was confirmed with payment and shipment {told}, and stored are {stored}")


# -------------------------------------------------------------------------------------- all together


def violations(database, ledger, at_rest=True, answered=(), since=None):
    """A sentence for everything that does not hold; an empty list is a clean bill.

    database: a connection string, or an open connection (what it has changed is seen, nothing is committed).
    ledger: GET /ledger of the sandbox, or a function that gets it. While orders are under way (at_rest false)
    it must be a function: then the ledger is younger than what is compared with it.
    since: orders created earlier (seconds since 1970) are older than the ledger, and not compared with it.
    """
    assert at_rest or callable(ledger)
    if isinstance(database, str):
        with psycopg.connect(database) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return violations(connection, ledger, at_rest, answered, since)
    found = read_orders(database, since)
    result = by_sql(database, {**SQL, **SQL_AT_REST} if at_rest else SQL)
    add_ledger(found, ledger() if callable(ledger) else ledger, at_rest)
    return by_ledger(found) + result + list(v7(found, answered))


def check(database, ledger, at_rest=True, answered=(), since=None):
    """AssertionError with all violations."""
    found = violations(database, ledger, at_rest, answered, since)
    assert not found, f"{len(found)} violations:\n" + "\n".join(found)


# ------------------------------------------------------------------------------------- as a program


def read_ledger(url):
    with urllib.request.urlopen(url.rstrip("/").removesuffix("/ledger") + "/ledger", timeout=60) as answer:
        return json.load(answer)


def main():
    parser = argparse.ArgumentParser(description="Checks the invariants of all orders.")
    parser.add_argument("--database", required=True, help="connection string of orderd's database")
    parser.add_argument("--ledger", required=True, help="address of orderd-sandbox")
    parser.add_argument("--since", type=float, help="orders created before (seconds since 1970) are not compared "
                                                    "with the ledger, which has nothing of them")
    parser.add_argument("--under-way", action="store_true", help="orders need not be at rest")
    options = parser.parse_args()

    with psycopg.connect(options.database, row_factory=namedtuple_row) as connection:
        for row in connection.execute("SELECT state, count(*) AS orders FROM orders GROUP BY state ORDER BY state"):
            print(f"{row.orders:8} orders {row.state}")
    ledger = read_ledger(options.ledger)
    for name, count in ledger["counters"].items():
        print(f"{count:8} {name.replace('_', ' ')} in the ledger")
    found = violations(options.database, lambda: read_ledger(options.ledger), not options.under_way,
                       since=options.since)
    print(f"{len(found):8} violations")
    for sentence in found:
        print(sentence)
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (psycopg.Error, OSError, ValueError) as error:
        print(f"invariants: {error}", file=sys.stderr)
        sys.exit(2)
