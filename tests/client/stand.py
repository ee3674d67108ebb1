"""An orderd of one's own, with its providers and its database, and calls to it.

For tests that make providers or the database fail, each of which would disturb the others; so they have their own.
"""

import contextlib
import os
import pathlib
import signal
import subprocess

import harness
from client import (Order, OrderStep, Refused, Shop, Unanswered, address, lines, orders, request_id, unique,
                    until_told)

PROCESS, PLACE = "ProcessOrder", "PlaceOrder"
AT_REST = {"PENDING", "FULFILLED", "FAILED", "CANCELLED", "STUCK"}
REST_SECONDS = 60
STOCK = 10
QUANTITY = 3
# How long a fault holds one try back: less than TRY_TIMEOUT by default, and enough that no breaker opens soon.
HOLD_MS = 2000


class Stand:
    """An orderd with a database and providers of its own, for one case at a time."""

    def __init__(self, postgres, **settings):
        folder = harness.work_folder("stand")
        nobody = f"http://127.0.0.1:{harness.free_port()}"
        settings = {name: nobody if value == "nobody" else value for name, value in settings.items()}
        self.postgres, self.database = postgres, unique("stand")
        self.sandbox = harness.Sandbox(folder)
        self.url = postgres.create_database(self.database)
        self.orderd = harness.Orderd(folder, self.url, self.sandbox, **settings)
        self.shop = Shop(self.orderd.grpc_addr)

    def close(self):
        self.shop.close()
        self.orderd.stop_clean()
        assert self.sandbox.stop() == 0

    def sql(self, statement):
        return self.postgres.psql(self.database, statement)

    def add_fault(self, path, mode, count=-1, **more):
        self.sandbox.add_fault(path=path, mode=mode, count=count, **more)

    @contextlib.contextmanager
    def held(self, *rules):
        """Calls of these paths get no answer; try after try, until the block ends."""
        for path, mode in rules:
            self.add_fault(path, mode, delayMs=HOLD_MS)
        try:
            yield
        finally:
            self.sandbox.clear_faults()

    def state(self, order_id):
        return Order.State.Name(self.shop.order(order_id).state)

    def wait_for(self, order_id, states):
        def look():
            order = self.shop.order(order_id)
            return order if Order.State.Name(order.state) in states else None
        return harness.wait_until(look, REST_SECONDS, f"order {order_id} to be {' or '.join(sorted(states))}")

    def wait_for_fault(self, order_id, mode):
        """A call about the order has met that fault."""
        def look():
            return any(call["fault"] == mode for call in self.sandbox.ledger(order_id)["calls"])
        harness.wait_until(look, REST_SECONDS, f"{mode} to strike {order_id}")

    def at_rest(self, order_id):
        return self.wait_for(order_id, AT_REST)

    def attempts_used(self, order_id):
        return int(self.sql(f"SELECT attempts_used FROM orders WHERE id = '{order_id}'"))

    def keys(self, key):
        return int(self.sql(f"SELECT count(*) FROM idempotency WHERE request_id = '{key}'"))

    def orders_of(self, customer):
        return self.shop.orders.ListOrders(orders.ListOrdersRequest(customer_id=customer)).orders

    def settle(self):
        """Well again: no fault is left, no breaker open, and the database is there for everything."""
        self.sandbox.clear_faults()

        def place():
            with contextlib.suppress(Refused, Unanswered):
                return self.shop.order(self.shop.place((self.shop.product(), 1)).order_id)
        harness.wait_until(place, REST_SECONDS, "the stand to be well again")

    def cancel(self, order_id):
        return self.shop.orders.CancelOrder(orders.CancelOrderRequest(id=order_id))


class Call:
    """A call of one of the two methods about one order: made, repeated, and what is known of it."""

    def __init__(self, stand, method, card="pm_card_visa", region="GB", stock=STOCK):
        self.stand, self.method, self.key, self.customer = stand, method, request_id(), unique("customer")
        self.product = stand.shop.product(stock=stock)
        content = {"customer_id": self.customer, "lines": lines((self.product, QUANTITY)),
                   "ship_to": address(region_code=region)}
        self.order_id = None
        if method == PROCESS:
            self.order_id = stand.shop.orders.CreateOrder(orders.CreateOrderRequest(**content)).id
            self.request = orders.ProcessOrderRequest(id=self.order_id, payment_method=card, request_id=self.key)
        else:
            self.request = orders.PlaceOrderRequest(payment_method=card, request_id=self.key, **content)

    def send(self, seconds=20):
        """The confirmation or the refusal."""
        try:
            answer = until_told(lambda: getattr(self.stand.shop.orders, self.method)(self.request, seconds))
            order_id = answer.order_id
        except Refused as error:
            answer = error
            order_id = error.metadata.get("orderId")
        if order_id is not None:
            assert self.order_id in (None, order_id)
            self.order_id = order_id
        return answer

    def of_another(self):
        """Somebody else's ProcessOrder of the same order."""
        other = Call.__new__(Call)
        other.__dict__.update(self.__dict__, method=PROCESS, key=request_id())
        other.request = orders.ProcessOrderRequest(id=self.find(), payment_method="pm_card_visa", request_id=other.key)
        return other

    def find(self):
        """The order's id, as soon as it exists."""
        def look():
            found = self.stand.orders_of(self.customer)
            return found[0].id if found else None
        self.order_id = self.order_id or harness.wait_until(look, REST_SECONDS, "the order")
        return self.order_id

    def taken(self):
        return STOCK - self.stand.shop.available(self.product)


def steps_of(order):
    return tuple(f"{OrderStep.Kind.Name(step.kind)} {OrderStep.Outcome.Name(step.outcome)}" for step in order.steps)


def payments_of(stand, order_id):
    """What became of the payments, oldest first: paid, refunded, canceled, or a state in which nothing is held."""
    def told(payment):
        assert payment["confirmed_count"] <= 1, payment
        if payment["status"] != "succeeded":
            assert payment["received"] == 0, payment
            return payment["status"]
        assert payment["refund_pending"] == 0, payment
        return {0: "paid", payment["received"]: "refunded"}[payment["refunded"]]
    return tuple(told(payment) for payment in stand.sandbox.ledger(order_id)["payments"])


def shipments_of(stand, order_id):
    return tuple(shipment["state"] for shipment in stand.sandbox.ledger(order_id)["shipments"])


# -------------------------------------------------------------------------------- the database fails


@contextlib.contextmanager
def own_postgres(folder):
    postgres = harness.Postgres(folder, ["fsync=off"])
    postgres.log_folder = folder
    yield postgres
    postgres.stop()


def stop_postgres(stand):
    stand.postgres.process.stop(signal.SIGINT)
    harness.wait_until(lambda: not stand.orderd.is_ready(), REST_SECONDS, "orderd to notice")


def start_postgres(stand):
    postgres = stand.postgres
    postgres.process = harness.Process("postgres", postgres.process.popen.args, postgres.log_folder, cwd="/",
                                       **postgres.owner)
    harness.wait_until(stand.orderd.is_ready, REST_SECONDS, "orderd to be ready again")
    stand.settle()


@contextlib.contextmanager
def stopped_postgres(stand):
    """All of PostgreSQL stands still."""
    main = stand.postgres.process.pid
    pids = [main, *map(int, pathlib.Path(f"/proc/{main}/task/{main}/children").read_text().split())]
    for pid in pids:
        signal_process(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            signal_process(pid, signal.SIGCONT)


def signal_process(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@contextlib.contextmanager
def held_stock(stand, product):
    """The row of the product's stock is locked."""
    holder = subprocess.Popen(
        [str(stand.postgres.binaries / "psql"), "-X", "-q", "-A", "-t", "-d", stand.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write(f"BEGIN; SELECT 'held' FROM stock WHERE product_id = '{product.id}' FOR UPDATE;\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.communicate("ROLLBACK;\n")
