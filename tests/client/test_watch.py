"""WatchOrder: an order's newest state, whenever it changed, until it comes to rest."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import time

import grpc
import pytest

import harness
from client import (Order, OrderStep, Refused, Service, Shop, Unanswered, at_once, error_of, orders, orders_pb2_grpc,
                    refused)

NOBODY = "01890000-0000-7000-8000-000000000000"
PATH = "/shop.v1.Orders/WatchOrder"
DECLINED = "pm_card_visa_chargeDeclined"
SECONDS = 20


class Watch:
    """A watch that is read message by message; errors are Refused, or Unanswered at the watcher's own deadline."""

    def __init__(self, shop, order, after=0, timeout=60):
        request = orders.WatchOrderRequest(id=getattr(order, "id", order), after_revision=after)
        self.stream = shop.orders.WatchOrder(request, timeout)

    def next(self):
        """The next message; None at the end."""
        try:
            return next(self.stream, None)
        except grpc.RpcError as error:
            raise error_of(error) from None

    def until(self, *states):
        """Reads up to a message in one of these states; that message."""
        while True:
            order = self.next()
            assert order is not None, f"the watch ended before {states}"
            if order.state in states:
                return order

    def rest(self):
        """All that comes, to the end."""
        return list(iter(self.next, None))

    def cancel(self):
        self.stream.cancel()


def assert_grows(seen):
    revisions = [order.revision for order in seen]
    assert revisions == sorted(set(revisions)), revisions


def cancel(shop, order):
    return shop.orders.CancelOrder(orders.CancelOrderRequest(id=order.id))


def process_unheard(shop, order, **fields):
    """ProcessOrder, whatever its answer."""
    with contextlib.suppress(Refused, Unanswered):
        shop.process(order, **fields)


@contextlib.contextmanager
def in_background(work, *arguments, **fields):
    """work(…) beside the test; when it raised, so does the end of the block."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, *arguments, **fields)
        yield
        future.result()


@pytest.fixture(scope="module", name="away")
def fixture_away(folder):
    """A shipping service that is away until away.comes() is called."""
    class Away:
        url = f"http://127.0.0.1:{harness.free_port()}"

        def comes(self):
            if not hasattr(self, "sandbox"):
                self.sandbox = harness.Sandbox(harness.work_folder("away"), self.url.removeprefix("http://"))
    service = Away()
    yield service
    if hasattr(service, "sandbox"):
        assert service.sandbox.stop() == 0


# ------------------------------------------------------------------------------------- what is seen


def test_an_order_is_seen_from_pending_to_fulfilled(shop):
    order = shop.create((shop.product(), 1))
    watch = Watch(shop, order)
    assert watch.next() == order
    with in_background(shop.process, order):
        seen = watch.rest()
    assert_grows([order, *seen])
    assert seen[-1].state == Order.FULFILLED
    assert seen[-1] == shop.order(order)


def test_a_declined_order_ends_its_watch_as_failed_with_the_cause(shop):
    order = shop.create((shop.product(), 1))
    watch = Watch(shop, order)
    watch.next()
    with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
        shop.process(order, DECLINED)
    last = watch.rest()[-1]
    assert last.state == Order.FAILED
    assert last == shop.order(order)
    assert last.failure.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]


def test_a_cancelled_order_ends_its_watch(shop):
    order = shop.create((shop.product(), 1))
    watch = Watch(shop, order)
    assert watch.next().state == Order.PENDING
    cancel(shop, order)
    assert [seen.state for seen in watch.rest()] == [Order.CANCELLED]


def test_a_stuck_order_ends_its_watch(own_orderd):
    sandbox = harness.Sandbox(harness.work_folder("stuck"))
    sandbox.add_fault(path="refund", mode="500_before", count=-1)
    orderd = own_orderd(sandbox=sandbox, FULFILLMENT_URL=f"http://127.0.0.1:{harness.free_port()}",
                        FULFILL_TIME="500ms", UNDO_TIME="500ms")
    shop = Shop(orderd.grpc_addr)
    order = shop.create((shop.product(), 1))
    watch = Watch(shop, order)
    watch.next()
    process_unheard(shop, order)
    seen = watch.rest()
    assert_grows([order, *seen])
    assert seen[-1].state == Order.STUCK
    assert seen[-1] == shop.order(order)
    shop.close()
    orderd.stop_clean()
    assert sandbox.stop() == 0


def test_every_state_an_order_stays_in_is_seen(own_orderd):
    orderd = own_orderd(FULFILLMENT_URL=f"http://127.0.0.1:{harness.free_port()}")
    shop = Shop(orderd.grpc_addr)
    order = shop.create((shop.product(), 1))
    watch = Watch(shop, order)
    assert watch.next().state == Order.PENDING
    with in_background(process_unheard, shop, order):
        paid = watch.until(Order.FULFILLING)  # and there it stays
        assert paid.payment_id
        assert [step.outcome for step in paid.steps[:2]] == [OrderStep.DONE, OrderStep.DONE]
        cancel(shop, order)
        seen = watch.rest()
    assert_grows([paid, *seen])
    assert seen[-1].state == Order.CANCELLED
    shop.close()


@pytest.mark.parametrize("end", [Order.FULFILLED, Order.FAILED, Order.CANCELLED])
def test_an_order_at_rest_is_sent_once(shop, end):
    order = shop.create((shop.product(), 1))
    if end == Order.CANCELLED:
        cancel(shop, order)
    elif end == Order.FULFILLED:
        shop.process(order)
    else:
        with refused("FAILED_PRECONDITION"):
            shop.process(order, DECLINED)
    rested = shop.order_at_rest(order)
    assert rested.state == end
    assert Watch(shop, order).rest() == [rested]
    assert Watch(shop, order, after=rested.revision - 1).rest() == [rested]


# ---------------------------------------------------------------------------------- after_revision


@pytest.mark.parametrize("more", [0, 1, 2**62])
@pytest.mark.parametrize("end", [Order.FULFILLED, Order.CANCELLED])
def test_nothing_is_sent_of_a_final_order_that_was_seen(shop, end, more):
    order = shop.create((shop.product(), 1))
    if end == Order.CANCELLED:
        cancel(shop, order)
    else:
        shop.process(order)
    assert Watch(shop, order, after=shop.order(order).revision + more).rest() == []


def test_a_failed_order_that_was_seen_is_watched_for_its_next_attempt(shop):
    order = shop.create((shop.product(), 1))
    with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
        shop.process(order, DECLINED)
    failed = shop.order_at_rest(order)
    watch = Watch(shop, order, after=failed.revision)
    shop.process(order)
    seen = watch.rest()
    assert_grows([failed, *seen])
    assert seen[-1].state == Order.FULFILLED
    assert seen[-1].attempt == 2


@pytest.mark.parametrize("after", [1, 2**62])
def test_a_pending_order_that_was_seen_is_watched_for_its_first_change(shop, after):
    order = shop.create((shop.product(), 1))
    watch = Watch(shop, order, after=after)
    shop.process(order)
    seen = watch.rest()
    assert_grows([order, *seen])
    assert seen[-1] == shop.order(order)


def test_a_watch_goes_on_where_another_was_broken_off(shop):
    order = shop.create((shop.product(), 1))
    first = Watch(shop, order)
    seen = first.next()
    first.cancel()
    shop.process(order)
    assert Watch(shop, order, after=seen.revision).rest() == [shop.order(order)]


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("order_id", [NOBODY, "no-such-id", "x" * 300, ""])
def test_an_order_that_is_not_there_is_refused_as_by_get(shop, order_id):
    with pytest.raises(Refused) as get:
        shop.order(order_id)
    with pytest.raises(Refused) as watch:
        Watch(shop, order_id).rest()
    assert watch.value.status == get.value.status
    assert watch.value.code == ("NOT_FOUND" if order_id else "INVALID_ARGUMENT")


def test_a_negative_revision_is_refused(shop):
    for order_id in (NOBODY, shop.create((shop.product(), 1)).id):
        with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
            Watch(shop, order_id, after=-1).rest()
        assert error.value.fields == ["after_revision"]


@pytest.mark.parametrize("count", [0, 2])
def test_no_message_or_a_second_one_is_refused(shop, count):
    order = shop.create((shop.product(), 1))
    request = orders.WatchOrderRequest(id=order.id).SerializeToString()
    method = shop.channel.stream_stream(PATH)
    with pytest.raises(grpc.RpcError) as error:
        list(method(iter([request] * count), timeout=20))
    details = Refused(error.value)
    assert (details.code, details.reason) == ("INVALID_ARGUMENT", "MESSAGE_INVALID")


# ------------------------------------------------------------------------------------------- limits


def test_watchers_beyond_the_limit_are_refused_and_one_who_leaves_makes_room(own_orderd):
    orderd = own_orderd(MAX_WATCHERS="3")
    shop = Shop(orderd.grpc_addr)
    order = shop.create((shop.product(), 1))
    watches = [Watch(shop, order) for _ in range(3)]
    for watch in watches:
        assert watch.next() == order
    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHERS") as error:
        Watch(shop, order).next()
    assert error.value.retry is not None
    assert shop.order(order) == order  # others are served

    def let_in(timeout=60):
        watch = Watch(shop, order, timeout=timeout)
        try:
            assert watch.next() == order
        except Refused as refusal:
            assert refusal.reason == "TOO_MANY_WATCHERS"
            return None
        except Unanswered:
            return None
        return watch
    watches[0].cancel()
    watches[0] = harness.wait_until(let_in, SECONDS, "the place of one who left")
    watches[2].cancel()
    hurried = harness.wait_until(lambda: let_in(1), SECONDS, "somebody with little time")
    with pytest.raises(Unanswered):
        hurried.next()  # his deadline
    watches[2] = harness.wait_until(let_in, SECONDS, "the place of one whose time was over")
    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHERS"):
        Watch(shop, order).next()
    shop.process(order)
    final = shop.order(order)
    assert [watch.rest()[-1] for watch in watches] == [final] * 3
    shop.close()


def final_is_told(shop, final):
    """A new watch of an order at rest; false when there is no place for it."""
    try:
        return Watch(shop, final).rest() == [final]
    except Refused as refusal:
        assert refusal.reason == "TOO_MANY_WATCHERS"
        return False


class SlowReader:
    """A client whose streams take 64 KiB at a time, however fast the connection is."""

    def __init__(self, target):
        self.channel = grpc.insecure_channel(target, options=[
            ("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65535)])
        self.orders = Service(orders_pb2_grpc.OrdersStub(self.channel))

    def close(self):
        self.channel.close()


def large_order(shop):
    """One that does not fit the window of such a stream: it is not through until the reader takes it."""
    products = [shop.product(name="\U0001f6cb" * 200) for _ in range(100)]
    order = shop.create(*((product, 1) for product in products))
    assert order.ByteSize() > 65535
    return order


def test_a_reader_who_does_not_read_gets_the_last_state_when_he_does(shop, orderd):
    order = large_order(shop)
    slow = SlowReader(orderd.grpc_addr)
    watch, quick = Watch(slow, order), Watch(shop, order)
    assert quick.next() == order
    watch.stream.initial_metadata()  # it leaves with the first state
    shop.process(order)
    assert quick.rest()[-1].state == Order.FULFILLED
    assert [seen.state for seen in watch.rest()] == [Order.PENDING, Order.FULFILLED]
    slow.close()


def test_a_reader_who_never_reads_is_let_go_when_he_leaves_or_the_service_ends(own_orderd):
    orderd = own_orderd(MAX_WATCHERS="1", DRAIN_TIMEOUT="500ms")
    shop, slow = Shop(orderd.grpc_addr), SlowReader(orderd.grpc_addr)
    order = large_order(shop)
    never = Watch(slow, order)
    shop.process(order)
    never.cancel()
    final = shop.order(order)
    assert harness.wait_until(lambda: final_is_told(shop, final), SECONDS, "his place")
    never = Watch(slow, order)
    orderd.stop_clean()
    shop.close()
    slow.close()


def test_many_watchers_of_many_orders_all_see_the_end(own_orderd):
    orderd = own_orderd(WORKERS="2")
    clients = [Shop(orderd.grpc_addr) for _ in range(4)]
    product = clients[0].product(stock=1000)
    created = [clients[0].create((product, 1)) for _ in range(20)]
    watches = [(order, Watch(shop, order)) for order in created for shop in clients for _ in range(3)]
    for order, watch in watches:
        assert watch.next() == order
    at_once(len(created), lambda index: clients[index % 4].process(created[index]))
    final = {order.id: clients[0].order(order) for order in created}
    for order, watch in watches:
        seen = watch.rest()
        assert_grows([order, *seen])
        assert seen[-1] == final[order.id]
        assert seen[-1].state == Order.FULFILLED
    for shop in clients:
        shop.close()


# --------------------------------------------------------------------------- others, outages, the end


def test_an_order_is_watched_in_one_process_while_another_drives_it(own_orderd, away):
    driver = own_orderd(FULFILLMENT_URL=away.url)
    other = own_orderd(FULFILLMENT_URL=away.url)
    shop, watcher = Shop(driver.grpc_addr), Shop(other.grpc_addr)
    order = shop.create((shop.product(), 1))
    watch = Watch(watcher, order)
    assert watch.next() == order
    with in_background(shop.process, order):
        paid = watch.until(Order.FULFILLING)  # and there it stays until the shipping service comes
        away.comes()
        seen = watch.rest()
    assert_grows([order, paid, *seen])
    assert seen[-1].state == Order.FULFILLED
    assert seen[-1] == shop.order(order)
    shop.close()
    watcher.close()


def test_a_watch_outlives_an_outage_of_the_database(own_orderd, postgres):
    orderd = own_orderd()
    shop = Shop(orderd.grpc_addr)
    # After ten seconds without the database a watch is ended, and a busy machine may need so long for an outage.
    order, seen = harness.wait_until(lambda: watch_an_outage(shop, orderd, postgres), 120, "an outage that is short")
    assert_grows([order, *seen])
    assert seen[-1] == shop.order(order)
    shop.close()


def watch_an_outage(shop, orderd, postgres):
    """(order, what a watch saw of it afterwards); None when it took too long."""
    order = shop.create((shop.product(), 1))
    watch = Watch(shop, order)
    assert watch.next() == order
    began = time.monotonic()
    with outage(orderd, postgres):
        for _ in range(2):
            with refused("UNAVAILABLE", "STORE_UNAVAILABLE") as error:
                Watch(shop, order).next()
            assert error.value.retry is not None
    process_at_last(shop, order)
    lasted = time.monotonic() - began
    try:
        return order, watch.rest()
    except Refused as error:
        assert error.reason == "STORE_UNAVAILABLE" and lasted > 9, error
        return None


@contextlib.contextmanager
def outage(orderd, postgres):
    """Without the database; back again at the end."""
    database = re.search(r"dbname=(\S+)", orderd_url(orderd))[1]
    postgres.psql("postgres", f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false;'
                  f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
    yield
    postgres.psql("postgres", f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
    harness.wait_until(orderd.is_ready, SECONDS, "the database to be back")


def process_at_last(shop, order):
    """After an outage; what needs another connection than readiness does may have to wait a little longer."""
    def process():
        try:
            return shop.process(order)
        except Refused as error:
            assert error.reason == "STORE_UNAVAILABLE", error
            return None
    return harness.wait_until(process, SECONDS, "the order to be processed")


def orderd_url(orderd):
    with open(f"/proc/{orderd.pid}/environ", encoding="utf-8") as environment:
        return re.search(r"DATABASE_URL=([^\0]*)", environment.read())[1]


def test_at_sigterm_watchers_are_told_and_may_go_on_elsewhere(own_orderd):
    first, second = own_orderd(), own_orderd()
    shop, elsewhere = Shop(first.grpc_addr), Shop(second.grpc_addr)
    pending = [shop.create((shop.product(), 1)) for _ in range(3)]
    watches = [Watch(shop, order) for order in pending]
    for order, watch in zip(pending, watches):
        assert watch.next() == order
    first.send(signal.SIGTERM)
    for watch in watches:
        with refused("UNAVAILABLE", "SHUTTING_DOWN") as error:
            watch.rest()
        assert error.value.retry is not None
    assert first.wait() == 0
    first.check_log()
    for order in pending:
        watch = Watch(elsewhere, order, after=order.revision)
        elsewhere.process(order)
        assert watch.rest()[-1].state == Order.FULFILLED
    shop.close()
    elsewhere.close()


def test_a_watch_is_one_line_of_the_log_with_its_order(shop, orderd):
    order = shop.create((shop.product(), 1))
    watch = Watch(shop, order)
    watch.next()
    gone = Watch(shop, order)
    gone.next()
    gone.cancel()
    shop.process(order)
    watch.rest()

    def lines():
        all_lines = [json.loads(line) for line in orderd.log().splitlines() if "WatchOrder" in line]
        return [line for line in all_lines if line.get("order_id") == order.id]
    harness.wait_until(lambda: len(lines()) == 2, SECONDS, "a line a watch")
    assert sorted(line["code"] for line in lines()) == ["CANCELLED", "OK"], lines()


def test_an_order_is_watched_by_grpcurl(shop, orderd):
    program = os.environ.get("GRPCURL") or str(harness.SOURCE_DIR / "build/tools/grpcurl")
    if not os.access(program, os.X_OK):
        pytest.skip("grpcurl is not there")
    order = shop.create((shop.product(), 1))
    with subprocess.Popen(
            [program, "-plaintext", "-d", json.dumps({"id": order.id}), orderd.grpc_addr, "shop.v1.Orders/WatchOrder"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        first = ""
        while not first.endswith("\n}\n"):
            first += watching.stdout.readline()
        assert json.loads(first)["state"] == "PENDING"
        shop.process(order)
        output = watching.stdout.read()
    assert watching.returncode == 0, output
    assert json.loads("{" + output.rpartition("\n{")[2])["state"] == "FULFILLED"
