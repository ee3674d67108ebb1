"""Half of what the machine can bear, for long: whether orderd grows. A part of tests/bench/run, by `make soak`.

First it is measured how many orders and how many reads a second there can be; then a quarter of each is asked for, while
some visitors list, order, watch and cancel through both doors. The load comes in stretches. After each all orders rest,
the invariants are checked, and the orders and the ledger are emptied, so that a checker can hold them: orderd keeps
nothing of an order that rests, and does not notice.

Told is the slope of the resident memory under load, after a warm-up, and the descriptors that are open while nobody asks.
Connections to the providers are counted apart: those that are idle are kept for a while, as many as were once needed.
"""

import collections
import contextlib
import dataclasses
import http.client
import itertools
import json
import os
import pathlib
import re
import statistics
import threading
import time

import flight
import harness
import siege

WARMUP_SHARE = 0.25  # of the time; memory settles, and connections are made
STRETCH_S, STRETCHES_MIN = 120, 8
SAMPLE_S = 2
CALM_S = 3
SHARE = 0.25
VISITORS = 4
VISIT_PAUSE_S = 0.1
SLOPE_MB_MAX = 1.0
KEPT_MAX = 2 * 1024
# Below that, a page more or less here and there is megabytes an hour.
MINUTES_MIN = 30

EMPTY = """
    TRUNCATE orders, attempt, order_event, idempotency;
    UPDATE stock SET available = (SELECT sum(delta) FROM stock_adjustment a WHERE a.product_id = stock.product_id)
     WHERE available <> (SELECT sum(delta) FROM stock_adjustment a WHERE a.product_id = stock.product_id);
"""
# Not of what was emptied: PostgreSQL would make its plans for tables that it believes empty, for as long as it is not told.
VACUUM = "VACUUM product, stock, stock_adjustment; CHECKPOINT"


@dataclasses.dataclass
class Stretch:
    """What was seen of one of them."""
    orders: int
    calls: int
    lost: int
    cpus: float
    memory_mb: float
    descriptors: int
    kept: int  # to providers
    holds: bool

    def __str__(self):
        return (f"{self.orders:,} orders, {self.calls:,} calls, {self.memory_mb:.1f} MB, {self.descriptors} descriptors and "
                f"{self.kept} to providers, invariants {'hold' if self.holds else 'VIOLATED'}")


# ------------------------------------------------------------------------------------------ visitors


class Visitors:
    """Some people, one call after the other, through both doors. What they did not expect is counted."""

    def __init__(self, orderd):
        import client  # pylint: disable=import-outside-toplevel,import-error  # needs the Python of the tests
        self.client, self.orderd, self.shop = client, orderd, client.Shop(orderd.grpc_addr)
        self.counts, self.problems = collections.Counter(), collections.Counter()
        self.numbers = itertools.count(1)
        self.over = threading.Event()
        visits = (self.by_http, self.by_grpc) * (VISITORS // 2)
        self.threads = [threading.Thread(target=self.come_again, args=(visit,)) for visit in visits]
        for thread in self.threads:
            thread.start()

    def leave(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.shop.close()

    def come_again(self, visit):
        while not self.over.is_set():
            number = next(self.numbers)
            try:
                visit(number)
                self.counts[visit.__name__] += 1
            except Exception as problem:  # pylint: disable=broad-exception-caught
                self.problems[f"{type(problem).__name__}: {problem}"[:200]] += 1
            time.sleep(VISIT_PAUSE_S)

    def order(self, number):
        return {"customerId": f"visitor-{number}", "lines": [{"productId": f"p-{number % 1000 + 1:06}", "quantity": 1}],
                "shipTo": siege.ORDER["shipTo"]}

    def by_http(self, number):
        """Looks around, orders, and watches it happen; every third goes away before the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.orderd.http_port, timeout=30)
        self.ask(connection, "GET", f"/v1/products?pageSize=20&category=category-{number % 20}")
        created = self.ask(connection, "POST", "/v1/orders", self.order(number))
        connection.request("GET", f"/v1/orders/{created['id']}:watch", headers={"Accept": "text/event-stream"})
        stream = connection.getresponse()
        assert stream.status == 200 and stream.readline(), stream.status
        self.act(number, created["id"])
        if number % 3:
            assert b"event: end" in stream.read()
        connection.close()

    def act(self, number, order_id):
        """Over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.orderd.http_port, timeout=30)
        if number % 4:
            self.ask(connection, "POST", f"/v1/orders/{order_id}:process", {"paymentMethod": "pm_card_visa"})
        else:
            self.ask(connection, "POST", f"/v1/orders/{order_id}:cancel", {})
        connection.close()

    @staticmethod
    def ask(connection, method, path, body=None):
        connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, f"{method} {path.split('?')[0][:12]}: {answer.status} {text[:100]}"
        return json.loads(text)

    def by_grpc(self, number):
        """The same over gRPC, every tenth with a card that is declined."""
        client, product = self.client, f"p-{number % 1000 + 1:06}"
        order = self.shop.create((product, 1), customer_id=f"visitor-{number}")
        watch = self.shop.orders.WatchOrder(client.orders.WatchOrderRequest(id=order.id), 30)
        next(watch)
        try:
            self.shop.process(order, card="pm_card_visa" if number % 10 else "pm_card_chargeDeclined")
        except client.Refused as error:
            assert error.reason == "PAYMENT_DECLINED", error.reason
        if number % 3:
            collections.deque(watch, maxlen=1)
        watch.cancel()


# ------------------------------------------------------------------------------------------ the soak


class Sampler(threading.Thread):
    """Memory and time, again and again, while there is load."""

    def __init__(self, orderd, start):
        super().__init__(daemon=True)
        self.orderd, self.began, self.samples, self.over = orderd, start, [], threading.Event()

    def run(self):
        while not self.over.wait(SAMPLE_S):
            self.samples.append((time.monotonic() - self.began, siege.memory_mb(self.orderd)))

    def end(self):
        self.over.set()
        self.join()
        return self.samples


def slope_mb_h(samples):
    """Of the line through (seconds, MB) with the least squares, and its standard error."""
    if len(samples) < 3:
        return float("nan"), float("nan")
    hours, megabytes = [second / 3600 for second, _ in samples], [mb for _, mb in samples]
    slope, intercept = statistics.linear_regression(hours, megabytes)
    errors = [mb - intercept - slope * hour for hour, mb in zip(hours, megabytes)]
    spread = sum((hour - statistics.fmean(hours)) ** 2 for hour in hours)
    return slope, (sum(error * error for error in errors) / (len(samples) - 2) / spread) ** 0.5


def descriptors(bench, orderd):
    """How many are open, and of them those of connections to the providers."""
    there = f":{bench.sandbox.port:04X}"
    lines = pathlib.Path(f"/proc/{orderd.pid}/net/tcp").read_text().splitlines()[1:]
    kept = {fields[9] for fields in map(str.split, lines) if fields[2].endswith(there)}
    links = []
    for link in pathlib.Path(f"/proc/{orderd.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(link))
    kept_count = sum(re.sub(r"\D", "", link) in kept for link in links if link.startswith("socket:"))
    return len(links) - kept_count, kept_count


def calibrate(bench, orderd):
    """Orders and reads a second, each alone."""
    rates = {mode: bench.timed(orderd, mode, 4, 64)["rps"] for mode in ("place-order", "get-product")}
    flight.wait_for_rest(bench)
    empty(bench)
    return rates


def empty(bench):
    status, text = harness.http(bench.sandbox.url + "/ledger/reset", b"{}")
    assert status // 100 == 2, text
    bench.postgres.psql("orderd", EMPTY)
    bench.postgres.psql("orderd", VACUUM)


def loads(rates):
    """A quarter of each, some of the orders declined, some of the reads pages."""
    return {
        "place-order": ("4", "64", SHARE * rates["place-order"] * 0.9),
        "declined-order": ("1", "64", SHARE * rates["place-order"] * 0.1),
        "get-product": ("4", "16", SHARE * rates["get-product"]),
        "list-products": ("1", "16", 20.0),
    }


def run_stretch(bench, orderd, rates, began, seconds):
    """Load, rest, check."""
    visitors, sampler = Visitors(orderd), Sampler(orderd, began)
    processes = {mode: bench.start_load(orderd, mode, "--connections", connections, "--streams", streams, "--rate",
                                        f"{rate:.1f}", "--seconds", f"{seconds:.1f}", "--warmup", "1")
                 for mode, (connections, streams, rate) in loads(rates).items()}
    sampler.start()
    for process in processes.values():
        process.wait(seconds + harness.STOP_SECONDS)
    samples = sampler.end()
    visitors.leave()
    results = {mode: json.loads(process.log().splitlines()[-1]) for mode, process in processes.items()}
    flight.wait_for_rest(bench)
    time.sleep(CALM_S)
    others, kept = descriptors(bench, orderd)
    holds = flight.check_invariants(bench)
    empty(bench)
    stretch = Stretch(
        orders=results["place-order"]["ok"], calls=sum(result["ok"] for result in results.values()),
        lost=sum(result["lost"] for result in results.values()), cpus=results["get-product"]["server_cpus"],
        memory_mb=statistics.fmean(mb for _, mb in samples), descriptors=others, kept=kept, holds=holds)
    return stretch, samples, visitors


def measure(bench, minutes):
    orderd = bench.start_orderd()
    rates = calibrate(bench, orderd)
    bench.say(f"at most {rates['place-order']:.0f} orders/s or {rates['get-product']:.0f} reads/s: a quarter of each")
    began = time.monotonic()
    found = {"minutes": minutes, "rates": rates, "stretches": [], "samples": [], "visits": collections.Counter(),
             "problems": collections.Counter()}
    seconds = min(STRETCH_S, minutes * 60 / STRETCHES_MIN)
    while time.monotonic() - began < minutes * 60:
        stretch, samples, visitors = run_stretch(bench, orderd, rates, began, seconds)
        found["stretches"].append(stretch)
        found["samples"] += samples
        found["visits"] += visitors.counts
        found["problems"] += visitors.problems
        bench.say(f"{(time.monotonic() - began) / 60:5.1f} min: {stretch}")
    bench.stop_orderd(orderd)
    return found


# ------------------------------------------------------------------------------------------- verdict


def verdict(found):
    """What the soak is for, as (what, seen, wanted, whether it is so)."""
    warm = [stretch for number, stretch in enumerate(found["stretches"])
            if number >= WARMUP_SHARE * len(found["stretches"])]
    samples = [sample for sample in found["samples"] if sample[0] >= WARMUP_SHARE * found["minutes"] * 60]
    slope, error = slope_mb_h(samples)
    own, kept = ([getattr(stretch, name) for stretch in warm] for name in ("descriptors", "kept"))
    violated = sum(not stretch.holds for stretch in found["stretches"])
    return [
        ("RSS slope", f"{slope:+.2f} ± {error:.2f} MB/h", f"< {SLOPE_MB_MAX:g} MB/h", slope < SLOPE_MB_MAX),
        ("descriptors at rest", f"{min(own)} to {max(own)}", "the same", min(own) == max(own)),
        ("connections kept to the providers", f"{kept[0]} first, {kept[-1]} last", f"≤ {KEPT_MAX}", max(kept) <= KEPT_MAX),
        ("stretches with an invariant broken", f"{violated} of {len(found['stretches'])}", "0", violated == 0),
        ("calls lost", f"{sum(stretch.lost for stretch in found['stretches'])}", "0",
         all(stretch.lost == 0 for stretch in found["stretches"])),
    ]


def report(found):
    megabytes = [mb for _, mb in found["samples"]]
    lines = [
        f"Half load for {found['minutes']:g} minutes: a quarter of {found['rates']['place-order']:,.0f} orders/s and a "
        f"quarter of {found['rates']['get-product']:,.0f} reads/s, and {VISITORS} visitors who order, watch and cancel "
        f"through both doors ({sum(found['visits'].values()):,} visits). "
        f"{sum(stretch.orders for stretch in found['stretches']):,} orders, "
        f"{sum(stretch.calls for stretch in found['stretches']):,} calls; orderd used "
        f"{statistics.median(stretch.cpus for stretch in found['stretches']):.2f} processors.", "",
        f"RSS {min(megabytes):.1f} to {max(megabytes):.1f} MB in {len(megabytes)} samples; the first "
        f"{WARMUP_SHARE:.0%} of the time are a warm-up and do not count.", "",
        "| | measured | target | reached |", "|---|---|---|---|",
        *(f"| {what} | {seen} | {wanted} | {'yes' if reached else 'no'} |"
          for what, seen, wanted, reached in verdict(found)), ""]
    if found["problems"]:
        lines += [f"What visitors did not expect: {dict(found['problems'])}", ""]
    if found["minutes"] < MINUTES_MIN:
        lines += [f"Less than {MINUTES_MIN} minutes: the slope is mostly noise, a quarter of a megabyte that came or went.",
                  ""]
    return lines


def is_passed(found):
    return all(reached for *_, reached in verdict(found))
