"""The feed of events: every change of every order, to whoever resumes where he was; at both doors.

Each test has a database of its own, since the feed is of all orders there are.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import json
import os
import re
import signal
import threading
import time

import grpc
import pytest
from google.protobuf import json_format

import client
import harness
from client import Order, OrderStep, Refused, Shop, Unanswered, at_once, events, orders, refused
from test_openapi import DOCUMENT, validator
from test_watch import SlowReader, assert_grows, cancel, in_background, orderd_url, outage, process_at_last
from web import Web

SECONDS, LONG_SECONDS = 60, 300
DECLINED = "pm_card_visa_chargeDeclined"
ITEM = validator(DOCUMENT["paths"]["/v1/events"]["get"]["responses"]["200"]["content"]["application/x-ndjson"]
                 ["x-itemSchema"])


class Feed:
    """A subscription that is read event by event; errors are Refused."""

    def __init__(self, shop, after=0, only_new=False, timeout=SECONDS):
        self.stream = shop.events.Subscribe(events.SubscribeRequest(after_position=after, only_new=only_new), timeout)

    def next(self):
        try:
            return next(self.stream)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def take(self, count):
        return [self.next() for _ in range(count)]

    def until(self, order):
        """Reads up to this order's revision; all of it."""
        seen = []
        while not seen or (seen[-1].order_id, seen[-1].revision) != (order.id, order.revision):
            seen.append(self.next())
        return seen

    def cancel(self):
        self.stream.cancel()


def assert_complete(seen, final):
    """Each position once and growing; of each of these orders every revision, in order, up to what it is now."""
    positions = [event.position for event in seen]
    assert positions == sorted(set(positions))
    by_order = collections.defaultdict(list)
    for event in seen:
        by_order[event.order_id].append(event)
    for order in final:
        told = by_order[order.id]
        assert [event.revision for event in told] == list(range(1, order.revision + 1)), order.id
        assert told[-1].state == order.state
        assert told[-1].attempt == order.attempt
    assert set(by_order) == {order.id for order in final}


def database_of(orderd):
    return re.search(r"dbname=(\S+)", orderd_url(orderd))[1]


def declined(shop, product):
    order = shop.create((product, 1))
    with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
        shop.process(order, DECLINED)
    return shop.order_at_rest(order)


def fulfilled(shop, product):
    return shop.order(shop.place((product, 1)).order_id)


class Own:
    """An orderd with nothing in it, and its client."""

    def __init__(self, orderd):
        self.orderd = orderd
        self.shop = Shop(orderd.grpc_addr)
        self.web = Web(orderd.http_port)
        self.product = self.shop.product(stock=10_000)
        self.last = None  # event somebody has read


@pytest.fixture(name="own")
def fixture_own(own_orderd):
    own = Own(own_orderd())
    yield own
    own.shop.close()


# ------------------------------------------------------------------------------------- what is told


def test_the_feed_tells_every_change_of_every_order(own):
    cancelled = own.shop.create((own.product, 1))
    cancel(own.shop, cancelled)
    final = [declined(own.shop, own.product), own.shop.order(cancelled), fulfilled(own.shop, own.product)]
    seen = Feed(own.shop).until(final[-1])
    assert_complete(seen, final)
    failed = [event for event in seen if event.HasField("failure")]
    assert [(event.step, event.outcome, event.failure) for event in failed] == [
        (OrderStep.CHARGE, OrderStep.REFUSED, final[0].failure)]
    paid = [event for event in seen if event.external_id == final[2].payment_id]
    assert [(event.order_id, event.step) for event in paid] == [(final[2].id, OrderStep.CHARGE)] * 2
    assert [event.outcome for event in paid] == [OrderStep.OUTCOME_UNSPECIFIED, OrderStep.DONE]  # written down, taken
    assert seen[-1].step == OrderStep.FULFILL and seen[-1].external_id == final[2].shipment_id
    assert seen[-1].time == final[2].update_time
    assert seen[0].time == final[1].create_time


def test_each_position_resumes_with_exactly_the_rest(own):
    final = [declined(own.shop, own.product), fulfilled(own.shop, own.product)]
    seen = Feed(own.shop).until(final[-1])
    for index, event in enumerate(seen[:-1]):
        feed = Feed(own.shop, after=event.position)
        assert feed.until(final[-1]) == seen[index + 1:]
        feed.cancel()
    last = Feed(own.shop, after=seen[-1].position)
    order = own.shop.create((own.product, 1))
    assert last.next().order_id == order.id


def test_only_what_is_new_is_told_on_demand_and_where_that_begins(own):
    first = Feed(own.shop, only_new=True).next()  # of a feed without events
    assert first == events.OrderEvent(position=first.position) and first.position > 0
    old = fulfilled(own.shop, own.product)
    feed = Feed(own.shop, only_new=True)
    begin = feed.next()
    assert begin == events.OrderEvent(position=begin.position)
    new = fulfilled(own.shop, own.product)
    seen = feed.until(new)
    assert_complete([event for event in seen if event.order_id == new.id], [new])
    assert Feed(own.shop, after=begin.position).take(len(seen)) == seen
    all_ = Feed(own.shop, after=first.position, only_new=True).until(new)  # a position counts for more
    assert_complete(all_, [old, new])
    assert all_[-len(seen):] == seen


def test_a_quiet_feed_tells_of_what_comes(own):
    feed = Feed(own.shop)
    with in_background(feed.next):
        order = own.shop.create((own.product, 1))
    own.shop.process(order)
    assert feed.until(own.shop.order(order))[-1].state == Order.FULFILLED


def test_a_position_that_is_none_is_refused(own):
    for after in (1, 2**62):
        fulfilled(own.shop, own.product)
        if after == 1:
            assert Feed(own.shop, after=after).next().revision == 1
            continue
        with refused("OUT_OF_RANGE", "EVENT_POSITION_UNKNOWN"):
            Feed(own.shop, after=after).next()
        answer = own.web.get(f"/v1/events?afterPosition={after}")
        assert (answer.status, answer.reason) == (400, "EVENT_POSITION_UNKNOWN")
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        Feed(own.shop, after=-1).next()
    assert error.value.fields == ["after_position"]


# ------------------------------------------------------------------------------------------ over HTTP


class Pieces:
    """A stream of the HTTP door, line by line."""

    def __init__(self, web, accept, query="", **fields):
        self.wire = web.open()
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self.wire.send(f"GET /v1/events{query} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n{lines}\r\n")
        self.status, head = self.wire.head()
        self.fields = {name.lower(): value for name, value in head}
        self.text = ""

    def until(self, end):
        """All up to, and without, a text."""
        while end not in self.text:
            chunk = self.wire.chunk()
            assert chunk, self.text
            self.text += chunk
        found, _, self.text = self.text.partition(end)
        return found

    def rest(self):
        return self.text + "".join(iter(self.wire.chunk, ""))

    def close(self):
        self.wire.close()


class Lines(Pieces):
    def __init__(self, web, query="", **fields):
        super().__init__(web, "application/x-ndjson", query, **fields)

    def next(self):
        return json.loads(self.until("\n"))["result"]


class Events(Pieces):
    def __init__(self, web, query="", **fields):
        super().__init__(web, "text/event-stream", query, **fields)

    def next(self):
        while (block := self.until("\n\n")).startswith(":"):
            pass  # a comment
        name, data = block.split("\n")
        item = json.loads(data.removeprefix("data: "))
        assert name == f"id: {item['position']}"
        return item


def as_message(item):
    ITEM.validate(item)
    return json_format.ParseDict(item, events.OrderEvent())


def told(messages):
    """Messages to be compared: the bytes of details that hold a map are not always the same."""
    return [json_format.MessageToDict(message) for message in messages]


def test_lines_and_events_tell_what_grpc_tells(own):
    final = [declined(own.shop, own.product), fulfilled(own.shop, own.product)]
    seen = Feed(own.shop).until(final[-1])
    for kind in (Lines, Events):
        stream = kind(own.web)
        assert stream.status == 200
        assert told(as_message(stream.next()) for _ in seen) == told(seen)
        order = own.shop.create((own.product, 1))
        item = as_message(stream.next())
        assert (item.order_id, item.revision, item.state) == (order.id, 1, Order.PENDING)
        seen.append(item)
        stream.close()
    assert told(Feed(own.shop).take(len(seen))) == told(seen)


def test_the_form_is_chosen_by_accept_and_an_array_would_never_end(own):
    for accept, form in (("*/*", "application/x-ndjson"), ("text/event-stream", "text/event-stream"),
                         ("application/json;q=0.9, text/event-stream;q=0.1", "text/event-stream"),
                         ("application/json, application/x-ndjson", "application/x-ndjson")):
        stream = Pieces(own.web, accept)  # it begins though there is nothing to be told
        assert (stream.status, stream.fields["content-type"]) == (200, form)
        stream.close()
    assert own.web.get("/v1/events", Accept="application/json").status == 406
    head = own.web.ask("HEAD", "/v1/events", fields={"Accept": "text/event-stream"})
    assert (head.status, head.fields["content-type"]) == (200, "text/event-stream")


def test_a_browser_that_connects_again_goes_on_where_it_was(own):
    seen = Feed(own.shop).until(fulfilled(own.shop, own.product))
    for query in ("", "?onlyNew=true", f"?afterPosition={seen[-1].position}"):
        stream = Events(own.web, query, Last_Event_ID=seen[1].position)
        assert [as_message(stream.next()) for _ in seen[2:]] == seen[2:]
        stream.close()
    stream = Lines(own.web, Last_Event_ID=seen[1].position)  # it means something to event streams only
    assert as_message(stream.next()) == seen[0]
    stream.close()
    begin = Events(own.web, "?onlyNew=true").next()
    assert (begin["orderId"], begin["position"]) == ("", str(seen[-1].position))
    assert own.web.get("/v1/events", Accept="text/event-stream", Last_Event_ID="x").broken == ["Last-Event-ID"]


def test_subscriptions_end_when_the_server_does(own):
    own.shop.create((own.product, 1))
    feed, lines, stream = Feed(own.shop), Lines(own.web), Events(own.web)
    for one in (feed, lines, stream):
        one.next()
    own.orderd.stop_clean()
    with refused("UNAVAILABLE", "SHUTTING_DOWN"):
        feed.next()
    for text in (lines.rest(), stream.rest().removeprefix("event: error\ndata: ")):
        error = json.loads(text)["error"]
        assert (error["status"], error["details"][0]["reason"]) == ("UNAVAILABLE", "SHUTTING_DOWN")


# ------------------------------------------------------------------------------------------- limits


def test_watchers_and_subscribers_share_a_limit(own_orderd):
    orderd = own_orderd(MAX_WATCHERS="3")
    shop, web = Shop(orderd.grpc_addr), Web(orderd.http_port)
    order = shop.create((shop.product(), 1))
    feed, stream = Feed(shop), Lines(web)
    watch = shop.orders.WatchOrder(orders.WatchOrderRequest(id=order.id), SECONDS)
    feed.next(), stream.next(), next(watch)  # pylint: disable=expression-not-assigned
    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHERS") as error:
        Feed(shop).next()
    assert error.value.retry is not None
    answer = web.get("/v1/events")
    assert (answer.status, answer.reason) == (429, "TOO_MANY_WATCHERS")
    feed.cancel()

    def let_in():
        with contextlib.suppress(Refused):
            return Feed(shop).next()
    harness.wait_until(let_in, SECONDS, "the place of one who left")
    stream.close()
    shop.close()


def test_readers_who_do_not_read_cost_a_page_each_and_nobody_waits_for_them(own_orderd, postgres):
    # What the address sanitizer keeps of freed memory is not to be counted.
    own = Own(own_orderd(ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"))
    order = own.shop.create((own.product, 1))
    postgres.psql(database_of(own.orderd), f"""
        INSERT INTO order_event (order_id, revision, attempt, state, outcome, tries, create_time)
        SELECT '{order.id}', i, 0, 'PENDING', 'DONE', 0, clock_timestamp() FROM generate_series(2, 20000) i""")
    feed = Feed(own.shop, timeout=LONG_SECONDS)
    assert [event.revision for event in feed.take(20_000)] == list(range(1, 20_001))
    before = own.orderd.rss_kb()
    slow = [SlowReader(own.orderd.grpc_addr) for _ in range(20)]
    for reader in slow:
        reader.events = client.Service(client.events_pb2_grpc.OrderEventsStub(reader.channel))
    # To hold all that is waiting for them would take 400 MB and more.
    lazy = [Feed(reader, timeout=LONG_SECONDS) for reader in slow for _ in range(10)]
    for one in lazy:
        assert one.next().revision == 1
    new = fulfilled(own.shop, own.product)
    feed.until(new)  # somebody who reads is told all the same
    assert own.orderd.rss_kb() - before < 100_000
    assert [event.revision for event in lazy[0].take(19_999)] == list(range(2, 20_001))
    for reader in slow:
        reader.close()
    own.shop.close()


# ------------------------------------------------------------------------- others, outages, the end


def test_a_subscription_outlives_an_outage_of_the_database(own, postgres):
    # After ten seconds without the database it is ended, and a busy machine may need so long for an outage.
    seen = harness.wait_until(lambda: follow_an_outage(own, postgres), 120, "an outage that is short")
    assert_grows(seen)


def follow_an_outage(own, postgres):
    """What a subscription told of an order's way; None when the outage took too long."""
    after = own.last.position if own.last else 0
    order = own.shop.create((own.product, 1))
    feed = Feed(own.shop, after)
    assert feed.next().order_id == order.id
    began = time.monotonic()
    with outage(own.orderd, postgres):
        with refused("UNAVAILABLE", "STORE_UNAVAILABLE") as error:
            Feed(own.shop).next()
        assert error.value.retry is not None
    process_at_last(own.shop, order)
    lasted = time.monotonic() - began
    try:
        return feed.until(own.shop.order(order))
    except Refused as error:
        assert error.reason == "STORE_UNAVAILABLE" and lasted > 9, error
        own.last = Feed(own.shop, after).until(own.shop.order(order))[-1]
        return None


class Follower(threading.Thread):
    """Somebody who is to miss nothing: remembers the last position, and goes on elsewhere whenever it breaks off."""

    def __init__(self, targets, event_count_max=None):
        super().__init__(daemon=True)  # it ends with a test that has failed
        self.targets, self.event_count_max = itertools.cycle(targets), event_count_max
        self.seen, self.breaks, self.wanted = [], 0, None
        self.start()

    def is_done(self):
        return self.wanted is not None and self.wanted <= {(event.order_id, event.revision) for event in self.seen}

    def follow(self, channel):
        stub = client.events_pb2_grpc.OrderEventsStub(channel)
        after = self.seen[-1].position if self.seen else 0
        # The deadline is there to look whether all has come.
        for event in itertools.islice(stub.Subscribe(events.SubscribeRequest(after_position=after), timeout=5),
                                      self.event_count_max):
            self.seen.append(event)

    def run(self):
        while not self.is_done():
            channel = grpc.insecure_channel(next(self.targets), options=[("grpc.use_local_subchannel_pool", 1)])
            try:
                self.follow(channel)
            except grpc.RpcError:
                time.sleep(0.1)  # nobody is there, perhaps
            channel.close()
            self.breaks += 1

    def wait_for(self, final):
        self.wanted = {(order.id, order.revision) for order in final}
        self.join(SECONDS)
        assert not self.is_alive(), "some events have not come"


def one_order(shop, product, index):
    """An order of one of four kinds, at rest or on its way there."""
    order = shop.create((product, 1))
    with contextlib.suppress(Refused):
        if index % 4 == 0:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                future = pool.submit(shop.process, order)
                cancel(shop, order)
                future.result()
        elif index % 4 == 1:
            cancel(shop, order)
        else:
            shop.process(order, DECLINED if index % 4 == 2 else "pm_card_visa")
    return order


def test_two_replicas_under_load_tell_every_order_completely_and_in_order(own_orderd):
    replicas = [own_orderd(WORKERS="2", DB_CONNECTIONS="6") for _ in range(2)]
    shops = [Shop(orderd.grpc_addr) for orderd in replicas]
    product = shops[0].product(stock=10_000)
    targets = [orderd.grpc_addr for orderd in replicas]
    followers = [Follower(targets[:1]), Follower(targets[1:]), Follower(targets, event_count_max=37)]
    made = at_once(16, lambda thread: [one_order(shops[(thread + index) % 2], product, index) for index in range(12)])
    final = [shops[0].order_at_rest(order) for batch in made for order in batch]
    for follower in followers:
        follower.wait_for(final)
        assert_complete(follower.seen, final)
    assert followers[2].breaks > 5
    assert followers[0].seen == followers[1].seen == followers[2].seen
    for shop in shops:
        shop.close()


def test_nothing_is_lost_when_the_process_is_killed(own_orderd):
    first = own_orderd(GRPC_ADDR=f"127.0.0.1:{harness.free_port()}", LEASE="1s")
    shop = Shop(first.grpc_addr)
    product = shop.product(stock=10_000)
    follower = Follower([first.grpc_addr])
    made, stop = [], threading.Event()

    def work():
        while not stop.wait(0.05):
            with contextlib.suppress(Refused, Unanswered):  # the connection breaks off
                order = shop.create((product, 1))
                made.append(order)
                shop.process(order)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work) for _ in range(4)]
        harness.wait_until(lambda: len(follower.seen) > 40, SECONDS, "some events")
        first.send(signal.SIGKILL)
        first.wait()
        second = own_orderd(GRPC_ADDR=first.grpc_addr, LEASE="1s")
        before = len(follower.seen)
        harness.wait_until(lambda: len(follower.seen) > before + 40, SECONDS, "some more events")
        stop.set()
        for one in working:
            one.result()
    listed = list_all(shop)
    assert {order.id for order in made} <= {order.id for order in listed}
    final = [shop.order_at_rest(order) for order in listed]
    follower.wait_for(final)
    assert_complete(follower.seen, final)
    shop.close()
    second.stop_clean()


def list_all(shop):
    found, token = [], ""
    while not found or token:
        page = shop.orders.ListOrders(orders.ListOrdersRequest(page_size=100, page_token=token))
        found += page.orders
        token = page.next_page_token
    return found
