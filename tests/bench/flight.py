"""What orders cost, and ten thousand of them at once: part of tests/bench/run.

    round trips   of a declined order against a fulfilled one, with one caller, so that no batch is shared
    in flight     10,000 callers at a provider that takes 1 ms, and at one that takes 200 ms
    killed        10,000 orders in flight, SIGKILL, started again: how long until all of them rest;
                  and before, killed once more: the memory of 10,000 orders without callers
"""

import json
import pathlib
import re
import subprocess
import sys
import time

import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONNECTIONS, STREAMS = 100, 100  # as many streams as a connection may have
IN_FLIGHT = CONNECTIONS * STREAMS
ORDERS = 2 * IN_FLIGHT
SLOW_MS, FAST_MS = 200, 1
STALL_MS = 4500  # shorter than a try, and long enough that all orders are in flight until the kill
LEASE_S, PATIENCE_S = 10, 120
COUNTED_ORDERS = 200
# What goes on by itself, and belongs to no order.
BACKGROUND = ("saga_take_due", "saga_renew", "keys_remove")
UNDER_WAY = ("SELECT count(*) FROM orders "
             "WHERE state NOT IN ('PENDING', 'FULFILLED', 'FAILED', 'CANCELLED', 'STUCK')")


def set_latency(sandbox, milliseconds):
    body = json.dumps({"paymentMs": milliseconds, "shippingMs": milliseconds})
    status, text = harness.http(sandbox.url + "/control/latency", body.encode())
    assert status // 100 == 2, text


def rss_peak_mb(orderd):
    status = pathlib.Path(f"/proc/{orderd.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1.024e-3


def series_sum(orderd, name, without=()):
    """All series of a metric, but those whose labels hold one of these words."""
    found = re.findall(rf"^{name}(\{{.*\}})? (\d+)", orderd.metrics(), re.MULTILINE)
    return sum(int(value) for labels, value in found if not any(word in labels for word in without))


def under_way(bench):
    return int(bench.postgres.psql("orderd", UNDER_WAY))


def wait_for_rest(bench):
    harness.wait_until(lambda: under_way(bench) == 0, PATIENCE_S, "all orders to be at rest")


# -------------------------------------------------------------------------------------- measurements


def measure_trips(bench, orderd, mode):
    """Round trips of an order: to PostgreSQL, and to the providers."""
    def counts():
        return (series_sum(orderd, "db_client_batches_total", BACKGROUND), series_sum(orderd, "effects_total"))
    before = counts()
    result = bench.load(orderd, mode, "--connections", "1", "--streams", "1", "--requests", str(COUNTED_ORDERS))
    wait_for_rest(bench)
    database, providers = (after - start for after, start in zip(counts(), before))
    result["database"], result["providers"] = database / COUNTED_ORDERS, providers / COUNTED_ORDERS
    result["trips"] = result["database"] + result["providers"]
    return result


def measure_in_flight(bench, latency_ms):
    """So many orders that everybody waits: the rate, and the most memory that orderd took."""
    set_latency(bench.sandbox, latency_ms)
    orderd = bench.start_orderd()
    result = bench.load(orderd, "place-order", "--connections", str(CONNECTIONS), "--streams", str(STREAMS),
                        "--requests", str(ORDERS))
    result["rss_mb"] = rss_peak_mb(orderd)
    result["exact"] = result["ok"] == ORDERS
    wait_for_rest(bench)
    set_latency(bench.sandbox, 0)
    bench.stop_orderd(orderd)
    return result


def check_invariants(bench):
    """Of every order this run has made. The checker needs the Python of the tests."""
    python = ROOT / "build" / "venv" / "bin" / "python"
    command = [str(python if python.exists() else sys.executable), str(ROOT / "tests" / "client" / "invariants.py"),
               "--database", bench.url, "--ledger", bench.sandbox.url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode != 0:
        print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr, flush=True)
    return done.returncode == 0


def measure_kill(bench):
    """SIGKILL with all orders in flight, twice. Who takes them over has no callers."""
    set_latency(bench.sandbox, STALL_MS)
    orderd = bench.start_orderd(LEASE=f"{LEASE_S}s")
    caller = bench.start_load(orderd, "place-order", "--connections", str(CONNECTIONS), "--streams", str(STREAMS),
                              "--requests", str(IN_FLIGHT))
    harness.wait_until(lambda: under_way(bench) >= 0.95 * IN_FLIGHT, PATIENCE_S, "orders in flight")
    orderd.kill()
    caller.wait()
    orderd = bench.start_orderd(LEASE=f"{LEASE_S}s")
    harness.wait_until(lambda: series_sum(orderd, "orders_in_flight") >= 0.95 * IN_FLIGHT, PATIENCE_S,
                       "orders to be taken over")
    result = {"driven": series_sum(orderd, "orders_in_flight"), "rss_mb": rss_peak_mb(orderd),
              "killed": under_way(bench)}
    orderd.kill()
    set_latency(bench.sandbox, SLOW_MS)
    start = time.monotonic()
    orderd = bench.start_orderd(LEASE=f"{LEASE_S}s")
    wait_for_rest(bench)
    result["rest_s"] = time.monotonic() - start
    set_latency(bench.sandbox, 0)
    bench.stop_orderd(orderd)
    result["holds"] = check_invariants(bench)
    return result
