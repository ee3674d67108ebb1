"""Several orderd on one database: whoever is asked, and whoever is stopped, killed or cut off, an order happens once.

Each test leaves its orders to the checker of the invariants.
"""

import contextlib
import itertools
import re
import signal
import threading
import time

import grpc
import psycopg
import pytest

import harness
from client import (Order, Product, Refused, Shop, Unanswered, address, answer_of, at_once, catalog, error_of, money,
                    orders, orders_pb2_grpc, refused, request_id, unique, until_told)
from replicas import REST_SECONDS, Replicas

Confirmation = orders.OrderConfirmation
CARDS = ("pm_card_visa", "pm_card_chargeDeclined")
LIVELY = {"LEASE": "1s"}
# What a caller may be told while the database is away, or its order's owner: the order goes on alone; or nothing
# happened, or it is not even known whether there is an order, and the same key may ask again.
UNKNOWN = {"RESERVATION_OUTCOME_UNKNOWN", "PAYMENT_OUTCOME_UNKNOWN", "FULFILLMENT_PENDING"}
AGAIN = {"STORE_UNAVAILABLE", "SHUTTING_DOWN", "DEADLINE_TOO_SHORT", "DEADLINE_EXCEEDED",
         "PAYMENT_UNAVAILABLE", "FULFILLMENT_UNAVAILABLE"}


@pytest.fixture(name="durable_postgres")
def fixture_durable_postgres():
    """One that writes to the disk before it says so, to be killed."""
    postgres = harness.Postgres(harness.work_folder("durable"))
    yield postgres
    postgres.stop()


@pytest.fixture(name="mirrored_postgres")
def fixture_mirrored_postgres():
    """One with a standby that has every commit before it is answered."""
    postgres = harness.MirroredPostgres(harness.work_folder("primary"), harness.work_folder("standby"))
    yield postgres
    postgres.stop()


@pytest.fixture(name="start")
def fixture_start(folder, postgres):
    """start(3, LEASE="1s"): replicas of the test's own, checked at its end."""
    started = []

    def start(count=2, **settings):
        replicas = Replicas(folder, settings.pop("postgres", postgres), count, **settings)
        started.append(replicas)
        return replicas
    yield start
    for replicas in started:
        replicas.send_home()
        replicas.check()
        replicas.stop()


@pytest.fixture(scope="module", name="pair_of_all")
def fixture_pair_of_all(folder, postgres):
    pair = Replicas(folder, postgres)
    yield pair
    pair.stop()


@pytest.fixture(name="pair")
def fixture_pair(pair_of_all):
    """Two replicas that tests share which do not disturb them."""
    pair_of_all.sandbox.clear_faults()
    yield pair_of_all
    pair_of_all.sandbox.clear_faults()
    pair_of_all.check()


def told(answer):
    """What can be compared of an answer."""
    if isinstance(answer, Refused):
        return (answer.code, answer.reason, answer.message, sorted(answer.metadata.items()),
                [str(violation) for violation in answer.preconditions])
    return answer


def the_one(answers):
    """All were told the same."""
    first = told(answers[0])
    others = [told(answer) for answer in answers if told(answer) != first]
    assert not others, f"{len(others)} of {len(answers)} were told something else than {first}, as {others[0]}"
    return answers[0]


def slow(replicas, milliseconds=300, path="confirm"):
    """So that others come while the first is still under way."""
    replicas.sandbox.add_fault(path=path, mode="latency", delayMs=milliseconds)


@contextlib.contextmanager
def held_charge(replicas, order):
    """The order stays in CHARGING, try after try, until the block ends."""
    for path in ("confirm", "look"):
        replicas.sandbox.add_fault(path=path, mode="timeout", delayMs=2000, order=order.id)
    try:
        yield
    finally:
        replicas.sandbox.clear_faults()


def wait_for_charge(replicas, order):
    replicas.wait_for("SELECT state = 'CHARGING' FROM orders WHERE id = %s", REST_SECONDS, "the charge", order.id)


def calls_in_flight(process):
    return int(re.search(r"^rpc_server_calls_in_flight (\d+)", process.metrics(), re.MULTILINE)[1])


def made_of(replicas, key):
    """The orders that were created for a customer named like the key."""
    return replicas.shop().orders.ListOrders(orders.ListOrdersRequest(customer_id=key)).orders


def assert_once(replicas, order_id, card):
    """One order's one payment and one shipment, or what a declined card leaves."""
    ledger = replicas.sandbox.ledger(order_id)
    payment, = ledger["payments"]
    if card == "pm_card_visa":
        assert (payment["confirmed_count"], payment["refunded"], len(ledger["shipments"])) == (1, 0, 1)
    else:
        assert (payment["declined_count"], payment["confirmed_count"], ledger["shipments"]) == (1, 0, [])
        assert payment["status"] == "canceled"


# ----------------------------------------------------------------------- a hundred callers with one key


@pytest.mark.parametrize("card", CARDS)
def test_a_hundred_callers_with_one_key_place_one_order(pair, card):
    slow(pair)
    product, key = pair.shop().product(stock=100), request_id()
    answers = at_once(100, lambda index: pair.shop(index).place(
        (product, 1), request_id=key, customer_id=key, payment_method=card))
    answer = the_one(answers)
    order, = made_of(pair, key)
    assert_once(pair, order.id, card)
    if card == "pm_card_visa":
        assert (answer.order_id, order.state) == (order.id, Order.FULFILLED)
        assert pair.shop().available(product) == 99
    else:
        assert (answer.reason, answer.metadata["orderId"]) == ("PAYMENT_DECLINED", order.id)
        assert pair.shop().available(product) == 100


@pytest.mark.parametrize("card", CARDS)
def test_a_hundred_callers_with_one_key_process_an_order_once(pair, card):
    slow(pair)
    product, key = pair.shop().product(stock=100), request_id()
    order = pair.shop().create((product, 1))
    answer = the_one(at_once(100, lambda index: pair.shop(index).process(order, card=card, request_id=key)))
    assert_once(pair, order.id, card)
    assert isinstance(answer, Confirmation) == (card == "pm_card_visa")
    assert pair.shop().order(order).attempt == 1


def test_a_hundred_callers_without_a_key_process_an_order_once(pair):
    slow(pair)
    order = pair.shop().create((pair.shop().product(), 1))
    answers = at_once(100, lambda index: pair.shop(index).process(order))
    the_one([answer for answer in answers if isinstance(answer, Confirmation)])
    assert {answer.reason for answer in answers if isinstance(answer, Refused)} <= {"ORDER_IN_PROGRESS"}
    assert_once(pair, order.id, "pm_card_visa")


def test_a_hundred_callers_with_one_key_create_one_order(pair):
    product, key = pair.shop().product(), request_id()
    order = the_one(at_once(100, lambda index: pair.shop(index).create((product, 1), request_id=key, customer_id=key)))
    assert made_of(pair, key) == [order]


def test_a_hundred_callers_with_one_key_adjust_the_stock_once(pair):
    product, key = pair.shop().product(stock=10), request_id()
    request = catalog.AdjustStockRequest(id=product.id, delta=5, request_id=key)
    answer = the_one(at_once(100, lambda index: pair.shop(index).catalog.AdjustStock(request)))
    assert answer.available == pair.shop().available(product) == 15
    assert pair.ask("SELECT count(*) FROM stock_adjustment WHERE product_id = %s", product.id) == 2


def test_a_hundred_callers_with_one_key_create_one_product(pair):
    request = catalog.CreateProductRequest(initial_stock=7, request_id=request_id(), product=Product(
        id=unique("once"), name="Lamp", category="lamps", price=money(3)))
    answer = the_one(at_once(100, lambda index: pair.shop(index).catalog.CreateProduct(request)))
    assert answer.available == 7
    assert pair.ask("SELECT count(*) FROM stock_adjustment WHERE product_id = %s", answer.id) == 1


@pytest.mark.parametrize("count", [100, 101])
@pytest.mark.parametrize("is_driven_here", [True, False])
def test_a_hundred_callers_may_wait_on_an_order_in_a_replica(pair, count, is_driven_here):
    order, key = pair.shop().create((pair.shop().product(), 1)), request_id()
    other = Shop(pair.processes[0].grpc_addr)  # a connection has a hundred streams at most
    with held_charge(pair, order):
        calls = [pair.shop(0 if is_driven_here else 1).process_soon(order, request_id=key)]
        wait_for_charge(pair, order)
        more = count - 1 if is_driven_here else count
        calls += [(other if index % 2 else pair.shop()).process_soon(order, request_id=key) for index in range(more)]
        harness.wait_until(lambda: sum(call.done() for call in calls) >= count - 100 and calls_in_flight(
            pair.processes[0]) == 100, REST_SECONDS, "all to have come")
    answers = [answer_of(call) for call in calls]
    other.close()
    the_one([answer for answer in answers if isinstance(answer, Confirmation)])
    many = [answer for answer in answers if isinstance(answer, Refused)]
    assert [(answer.code, answer.reason) for answer in many] == [("ABORTED", "REQUEST_IN_PROGRESS")] * (count - 100)
    assert all(answer.retry is not None for answer in many)


def test_waiting_callers_are_counted_in_each_replica(pair):
    order, key = pair.shop().create((pair.shop().product(), 1)), request_id()
    with held_charge(pair, order):
        calls = [pair.shop(index).process_soon(order, request_id=key) for index in range(160)]
        harness.wait_until(lambda: all(calls_in_flight(process) == 80 for process in pair.processes), REST_SECONDS,
                           "all to have come")
    the_one([answer_of(call) for call in calls])
    assert_once(pair, order.id, "pm_card_visa")


# --------------------------------------------------------------------------- keys outlive their process


def test_after_a_restart_of_all_replicas_every_key_repeats_its_answer(start):
    replicas = start()
    product = replicas.shop().product(stock=50)
    waiting = [replicas.shop().create((product, 1)) for _ in CARDS]
    requests = [("PlaceOrder", Shop.place_request((product, 1), payment_method=card)) for card in CARDS]
    requests += [("PlaceOrder", Shop.place_request((product, 51)))]
    requests += [("ProcessOrder", orders.ProcessOrderRequest(id=order.id, payment_method=card, request_id=request_id()))
                 for order, card in zip(waiting, CARDS)]
    requests += [("CreateOrder", orders.CreateOrderRequest(
        customer_id="ada", lines=waiting[0].lines, ship_to=waiting[0].ship_to, request_id=request_id()))]
    stock = catalog.AdjustStockRequest(id=product.id, delta=3, request_id=request_id())
    another = catalog.CreateProductRequest(initial_stock=7, request_id=request_id(), product=Product(
        id=unique("kept"), name="Lamp", category="lamps", price=money(3)))

    def ask_all(shop):
        answers = at_once(len(requests), lambda index: getattr(shop.orders, requests[index][0])(requests[index][1]))
        return [told(answer) for answer in answers] + [
            shop.catalog.CreateProduct(another), shop.catalog.AdjustStock(stock)]
    first = ask_all(replicas.shop())
    assert [isinstance(answer, tuple) for answer in first] == [False, True, True, False, True, False, False, False]
    calls = len(replicas.sandbox.ledger()["calls"])
    replicas.restart()
    for shop in replicas.shops:
        assert ask_all(shop) == first
        for method, request in requests:
            changed = type(request).FromString(request.SerializeToString())
            if method == "CreateOrder":
                changed.customer_id = "eve"
            else:
                changed.payment_method = "pm_card_mastercard"
            with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
                getattr(shop.orders, method)(changed)
        with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
            shop.catalog.AdjustStock(catalog.AdjustStockRequest(id=product.id, delta=4, request_id=stock.request_id))
    assert len(replicas.sandbox.ledger()["calls"]) == calls


def test_a_failed_order_of_a_bound_key_is_processed_under_another_and_each_key_keeps_its_answer(pair):
    order, keys = pair.shop().create((pair.shop().product(), 1)), [request_id(), request_id()]
    with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
        pair.shop(0).process(order, card="pm_card_chargeDeclined", request_id=keys[0])
    confirmation = pair.shop(1).process(order, request_id=keys[1])
    for shop in pair.shops:
        with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
            shop.process(order, card="pm_card_chargeDeclined", request_id=keys[0])
        assert shop.process(order, request_id=keys[1]) == confirmation


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_answer_that_invites_a_retry_does_not_bind_its_key(start, is_restarted):
    replicas = start(FORWARD_TIME="3s", TRY_TIMEOUT="2900ms")
    product = replicas.shop().product(stock=10)
    replicas.sandbox.add_fault(path="payments", mode="429")
    request = Shop.place_request((product, 1))
    key, created = request_id(), replicas.shop().create((product, 1))

    def place_at(index):
        return replicas.shop(index).orders.PlaceOrder(request)

    def process_at(index):
        return replicas.shop(index).process(created, request_id=key)
    for index in (0, 1):  # and the repeat is refused like the first
        answers = at_once(2, lambda number, index=index: (place_at, process_at)[number](index))
        assert [(answer.code, answer.reason) for answer in answers] == [("UNAVAILABLE", "PAYMENT_UNAVAILABLE")] * 2
        assert all(answer.retry is not None for answer in answers)
        assert answers[1].metadata["orderId"] == created.id
    placed, = set(replicas.ask("SELECT array_agg(id::text) FROM orders")) - {created.id}
    replicas.sandbox.clear_faults()
    if is_restarted:
        replicas.restart()
    for ask, order_id in ((place_at, placed), (process_at, created.id)):
        refusals, confirmation = until_confirmed(ask)
        assert confirmation.order_id == order_id
        assert ask(0) == confirmation
        order = replicas.shop().order(order_id)
        assert (order.state, order.attempt) == (Order.FULFILLED, 3 + refusals)
        # An outage does not use attempts up.
        assert replicas.ask("SELECT attempts_used FROM orders WHERE id = %s", order_id) <= refusals
    assert replicas.shop().available(product) == 8


def until_confirmed(ask):
    """How often it was refused, since three seconds may be too little for a busy machine; and the confirmation."""
    for refusals in range(5):
        with contextlib.suppress(Refused):
            return refusals, ask(1)
    return 5, ask(1)


def test_another_keys_attempt_under_way_is_told_on_any_replica(pair):
    order, keys = pair.shop().create((pair.shop().product(), 1)), [request_id(), request_id()]
    with held_charge(pair, order):
        first = pair.shop().process_soon(order, request_id=keys[0])
        wait_for_charge(pair, order)
        for shop in pair.shops:
            with refused("ABORTED", "ORDER_IN_PROGRESS") as error:
                shop.process(order, request_id=keys[1])
            assert error.value.retry is not None
    assert isinstance(answer_of(first), Confirmation)
    # That key was not kept, and the order is fulfilled: its confirmation is repeated.
    assert pair.shop(1).process(order, request_id=keys[1]).order_id == order.id


# --------------------------------------------------------------------------------- orders all the time


def place(shop, request, timeout):
    """The confirmation, or Refused or Unanswered as a value."""
    try:
        return orders_pb2_grpc.OrdersStub(shop.channel).PlaceOrder(request, timeout)
    except grpc.RpcError as error:
        return error_of(error)


class Customers:
    """Threads that place orders at the replicas in turn, each the next when it has an answer, until they leave.
    Every other order is placed by somebody impatient, some are declined."""

    def __init__(self, replicas, count=12):
        self.replicas = replicas
        self.products = [replicas.shop().product(stock=100_000) for _ in range(4)]
        self.placed = []  # (request, answer)
        self.problems = []
        self.are_leaving = False
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self.buy) for _ in range(count)]
        replicas.visitors.append(self)
        for thread in self.threads:
            thread.start()

    def buy(self):
        try:
            while not self.are_leaving:
                number = next(self.numbers)
                chosen = [self.products[(number + step) % 4] for step in range(2)]
                request = Shop.place_request(*((product, 1) for product in chosen),
                                             payment_method=CARDS[number % 8 == 7])
                answer = place(self.replicas.shop(number // 2), request, (8, 1.5)[number % 2])
                self.placed.append((request, answer))
                if not isinstance(answer, Confirmation):
                    time.sleep(0.05)  # much less than it was asked for
        except BaseException as problem:  # pylint: disable=broad-exception-caught
            self.problems.append(problem)
            raise

    def confirmed(self):
        return [answer for _, answer in self.placed if isinstance(answer, Confirmation)]

    def wait_for_more(self, count):
        """Until as many more orders have been confirmed: all is well, or well again."""
        before = len(self.confirmed())
        harness.wait_until(lambda: len(self.confirmed()) >= before + count or self.problems, REST_SECONDS,
                           f"{count} more confirmed orders")

    def go_home(self):
        self.are_leaving = True
        for thread in self.threads:
            thread.join()

    def leave(self):
        self.go_home()
        assert not self.problems, self.problems

    def reasons(self):
        """Why orders were not confirmed, with the code, other than by their card."""
        found = {(answer.code, answer.reason) for _, answer in self.placed if isinstance(answer, Refused)}
        return found - {("FAILED_PRECONDITION", "PAYMENT_DECLINED")}

    def unanswered(self):
        return {answer.code for _, answer in self.placed if isinstance(answer, Unanswered)}

    def check_details(self):
        """What a caller is told who cannot be told how it ended."""
        for _, answer in self.placed:
            if isinstance(answer, Refused) and answer.reason in UNKNOWN:
                assert (answer.code, answer.retry, answer.pushback) == ("UNAVAILABLE", None, "-1")
                assert answer.resource.resource_name == answer.metadata["orderId"]
            elif isinstance(answer, Refused) and answer.reason in AGAIN and not answer.reason.startswith("DEADLINE"):
                assert answer.code == "UNAVAILABLE" and answer.retry is not None

    def ask_again(self):
        """Every caller who was not told how it ended repeats the request, and now all are."""
        open_ends = [request for request, answer in self.placed
                     if not isinstance(answer, Confirmation) and getattr(answer, "reason", "") != "PAYMENT_DECLINED"]

        def repeat(index):
            request = open_ends[index]
            return harness.wait_until(lambda: self.definite(index, request), REST_SECONDS,
                                      f"an answer to {request.request_id}")
        answers = at_once(min(len(open_ends), 32), lambda first: [
            (open_ends[index], repeat(index)) for index in range(first, len(open_ends), 32)]) if open_ends else []
        return [pair for pairs in answers for pair in pairs]

    def definite(self, index, request):
        answer = place(self.replicas.shop(index), request, 20)
        if isinstance(answer, Confirmation) or getattr(answer, "reason", "") == "PAYMENT_DECLINED":
            return answer
        assert isinstance(answer, Unanswered) or answer.reason in UNKNOWN | AGAIN | {"ORDER_IN_PROGRESS"}, answer
        return None

    def settle(self):
        """Leave, ask again, and every request had one effect, the one that was told."""
        self.leave()
        self.check_details()
        self.replicas.rest()
        told_later = self.ask_again()
        answers = [pair for pair in self.placed + told_later if isinstance(pair[1], Confirmation)]
        self.replicas.check([(answer.order_id, answer) for _, answer in answers])
        assert len({answer.order_id for _, answer in answers}) == len(answers) == sum(
            request.payment_method == CARDS[0] for request, _ in self.placed)
        assert self.replicas.ask("SELECT count(*) FROM orders") == len(self.placed)


def test_a_replica_that_sleeps_beyond_its_lease_wakes_up_without_its_orders(start):
    replicas = start(**LIVELY)
    slow(replicas, 100, "payments")
    # Eight of its orders wait for their shipment when it falls asleep: too few to open its breaker before.
    replicas.sandbox.add_fault(path="ship", mode="timeout", match="Grace Hopper")
    product = replicas.shop().product(stock=1000)
    requests = [Shop.place_request((product, 1), ship_to=address(
        recipient="Grace Hopper" if index % 2 == 0 and index < 16 else "Ada Lovelace")) for index in range(50)]
    held_keys = [request.request_id for request in requests[0:16:2]]
    at_work = """SELECT count(*) FROM attempt a JOIN orders o ON o.id = a.order_id
                 WHERE a.outcome IS NULL AND o.state = 'FULFILLING' AND a.request_id = ANY (%s)"""
    answers = []
    callers = threading.Thread(target=lambda: answers.extend(
        at_once(50, lambda index: replicas.shop(index).orders.PlaceOrder(requests[index], 60))))
    callers.start()
    replicas.wait_for(f"""
        SELECT count(*) >= 5 AND ({at_work}) = 8 FROM attempt WHERE outcome = 'FULFILLED'""",
                      REST_SECONDS, "five orders", held_keys)
    replicas.processes[0].send(signal.SIGSTOP)
    assert replicas.ask(at_work, held_keys) == 8
    replicas.sandbox.clear_faults()
    replicas.rest()
    taken_over = replicas.ask("SELECT count(*) FROM orders WHERE generation > attempt")
    replicas.processes[0].send(signal.SIGCONT)
    callers.join()
    assert taken_over > 0
    confirmed = [answer for answer in answers if isinstance(answer, Confirmation)]
    assert {answer.reason for answer in answers if isinstance(answer, Refused)} <= UNKNOWN
    again = [replicas.shop(index).orders.PlaceOrder(request) for index, request in enumerate(requests)]
    assert len(again) == 50 and {answer.order_id for answer in confirmed} <= {answer.order_id for answer in again}
    replicas.check([(answer.order_id, answer) for answer in confirmed + again])


def test_nothing_that_was_answered_is_lost_when_postgresql_is_killed(durable_postgres, start):
    postgres = durable_postgres
    replicas = start(postgres=postgres, **LIVELY)
    slow(replicas, 100, "payments")
    customers = Customers(replicas)
    for outage in range(5):
        customers.wait_for_more(20)
        postgres.kill()
        time.sleep(1.5)  # longer than half of those who wait do, and others come
        postgres.start()
        reasons = {reason for _, reason in customers.reasons()}
        if outage > 0 and "STORE_UNAVAILABLE" in reasons and UNKNOWN & reasons:
            break
    customers.wait_for_more(20)
    assert "STORE_UNAVAILABLE" in reasons and UNKNOWN & reasons, "nobody noticed"
    customers.settle()
    assert {reason for _, reason in customers.reasons()} <= UNKNOWN | AGAIN
    assert customers.unanswered() <= {"DEADLINE_EXCEEDED"}, "a replica ended"


def test_a_synchronous_standby_takes_over_and_nothing_that_was_answered_is_lost(mirrored_postgres, start):
    replicas = start(postgres=mirrored_postgres, **LIVELY)
    slow(replicas, 100, "payments")
    customers = Customers(replicas)
    customers.wait_for_more(40)
    mirrored_postgres.fail_over()
    customers.wait_for_more(40)
    customers.settle()
    assert {reason for _, reason in customers.reasons()} <= UNKNOWN | AGAIN
    assert customers.unanswered() <= {"DEADLINE_EXCEEDED"}, "a replica ended"


def test_cut_connections_to_the_database_lose_nothing(start):
    replicas = start(**LIVELY)
    customers = Customers(replicas)
    with psycopg.connect(replicas.url, autocommit=True) as connection:
        def cut():
            return connection.execute("""
                SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()""").fetchone()[0]
        for _ in range(10):
            customers.wait_for_more(3)
            harness.wait_until(cut, REST_SECONDS, "a connection to cut")  # they may just have been cut
    customers.wait_for_more(20)
    customers.settle()
    assert {reason for _, reason in customers.reasons()} <= UNKNOWN | AGAIN


def locked_out(url, sql, is_over):
    """Holds the locks of a statement until it is over."""
    with psycopg.connect(url) as connection:
        connection.execute(sql)
        harness.wait_until(is_over, 60, "the lock to have done its work")
        connection.rollback()


@pytest.mark.parametrize("sql", [
    "SELECT FROM stock ORDER BY product_id FOR UPDATE",  # as the service does, or it would be a deadlock
    "SELECT FROM orders ORDER BY id FOR UPDATE",
    "LOCK TABLE attempt IN SHARE MODE",
], ids=["stock", "orders", "attempts"])
def test_rows_that_are_locked_for_long_delay_orders_and_lose_none(start, postgres, sql):
    replicas = start(**LIVELY)
    customers = Customers(replicas)
    customers.wait_for_more(20)
    since = postgres.process.log().count("canceling statement due to lock timeout")
    locked_out(replicas.url, sql, lambda: postgres.process.log().count(
        "canceling statement due to lock timeout") >= since + 2)
    customers.wait_for_more(20)
    customers.settle()
    assert {reason for _, reason in customers.reasons()} <= UNKNOWN | AGAIN


def test_a_deadlock_with_somebody_else_delays_orders_and_loses_none(start, postgres):
    replicas = start(**LIVELY)
    customers = Customers(replicas)
    customers.wait_for_more(20)
    names = sorted(product.id for product in customers.products)
    since = postgres.process.log().count("deadlock detected")

    def deadlock():
        """On a busy machine the service may give up its waiting before it is a deadlock."""
        with psycopg.connect(replicas.url) as connection:
            connection.execute("SET deadlock_timeout = '60s'")  # so that it is never this session that gives way
            # Against the order in which the service locks: it holds the first and waits for the last.
            connection.execute("SELECT FROM stock WHERE product_id = %s FOR UPDATE", [names[-1]])
            replicas.wait_for("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted", REST_SECONDS, "somebody to wait")
            connection.execute("SELECT FROM stock WHERE product_id = ANY (%s) FOR UPDATE", [names])
            connection.rollback()
        return postgres.process.log().count("deadlock detected") > since
    harness.wait_until(deadlock, REST_SECONDS, "a deadlock")
    customers.wait_for_more(20)
    customers.settle()
    assert {reason for _, reason in customers.reasons()} <= UNKNOWN | AGAIN


def test_a_rolling_restart_loses_no_order(start):
    replicas = start(LEASE="1s")
    slow(replicas, 100)
    customers = Customers(replicas)
    for _ in range(2):
        customers.wait_for_more(20)
        replicas.start()  # the new one first
        replicas.end(0)
    customers.wait_for_more(20)
    customers.settle()
    assert {reason for _, reason in customers.reasons()} <= UNKNOWN | AGAIN
    # Nobody was killed, so nobody had to wait for a lease.
    assert replicas.ask("SELECT count(*) FROM orders WHERE state NOT IN ('FULFILLED', 'FAILED')") == 0


def test_at_sigterm_orders_nobody_waits_for_go_on_elsewhere_at_once(start):
    replicas = start(LEASE="10m", TRY_TIMEOUT="10s")
    # Fifteen a process, and none is refused at once: its breaker would hold back those that come a little later.
    replicas.sandbox.add_fault(path="ship", mode="timeout", delayMs=60_000)
    product = replicas.shop().product()
    requests = [Shop.place_request((product, 1)) for _ in range(30)]
    answers = at_once(30, lambda index: until_told(lambda: replicas.shop(index).orders.PlaceOrder(requests[index], 10)))
    assert {answer.reason for answer in answers} == {"FULFILLMENT_PENDING"}
    replicas.shop(0).close()
    replicas.end(0)
    assert replicas.ask("SELECT count(*) FROM attempt WHERE outcome IS NULL") == 30
    replicas.sandbox.clear_faults()
    replicas.rest()
    assert replicas.ask("SELECT count(*) FROM orders WHERE state = 'FULFILLED'") == 30
    # Its fifteen, and only those, have another owner now.
    assert replicas.ask("SELECT count(*) FROM orders WHERE generation > attempt") == 15
