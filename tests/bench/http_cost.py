"""What a request of HTTP/JSON costs: part of tests/bench/run.

    static     a file of the page, from memory, against bare_http: a loop that parses and sends the very same bytes
    product    GET /v1/products/{id}, random ids, PostgreSQL asked every time, against the static reply
    page       GET /v1/products of 20 products: the share of writing JSON, by perf
    idle       the memory of a connection that has made a request and waits

One worker. What needs a tool that is not there, or that may not work here, is left out, and the report says so.
"""

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import time
import urllib.parse

import flight
import harness

FOLDER = pathlib.Path(__file__).resolve().parent
CONNECTIONS, IDLE_CONNECTIONS, WARM_CONNECTIONS = 256, 5_000, 50
PRODUCT, PRODUCT_PATTERN = "/v1/products/p-000001", "/v1/products/p-%06d"
PAGE = "/v1/products?category=category-7&pageSize=20"
JSON_WRITER = "message_to_json"  # and what it calls
SAMPLES_PER_SECOND = 499
SLICE_S = 1
PERF_SECONDS_MAX = 120
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class LeftOut(Exception):
    """A figure that cannot be had here; its text says why."""


def need_tool(name):
    if shutil.which(name) is None:
        raise LeftOut(f"{name} is not installed")


def cpu_seconds(pid):
    """User and system, of all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


# -------------------------------------------------------------------------------------- measurements


def wrk_command(url, pattern, count, seconds):
    # The script makes the paths; the URL only says where.
    return ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s",
            str(FOLDER / "http_cost.lua"), url, "--", pattern, str(count)]


def wrk(process, url, pattern, count, seconds):
    """One run of wrk: its figures, and the CPU that the process used."""
    before = cpu_seconds(process.pid)
    done = subprocess.run(wrk_command(url, pattern, count, seconds), check=False, capture_output=True, text=True,
                          timeout=seconds + 60)
    used = cpu_seconds(process.pid) - before
    assert done.returncode == 0 and done.stdout, f"wrk: {done.stderr}\n{process.tail()}"
    result = json.loads(done.stdout.splitlines()[-1])
    result["cpu_s"] = used
    return result


def joined(parts):
    """Several runs of wrk as if they were one, and what is derived of that."""
    run = {key: sum(part[key] for part in parts) for key in parts[0]}
    run["p99_ms"] = statistics.median(part["p99_ms"] for part in parts)
    run["rps"] = run["requests"] / run["seconds"]
    run["cpu_us"] = run["cpu_s"] / max(run["requests"], 1) * 1e6
    run["asked"] = run.get("asked", 0) / max(run["requests"], 1)
    return run


def ask(connection, path):
    """A request over a connection that stays open: the whole reply, head and body."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    reply = b""
    while b"\r\n\r\n" not in reply:
        reply += receive(connection)
    head, _, body = reply.partition(b"\r\n\r\n")
    size = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])
    while len(body) < size:
        body += receive(connection)
    assert head.startswith(b"HTTP/1.1 200 "), reply
    return head + b"\r\n\r\n" + body


def receive(connection):
    received = connection.recv(65536)
    assert received, "the server has closed the connection"
    return received


def connect(url):
    return socket.create_connection((urllib.parse.urlsplit(url).hostname, urllib.parse.urlsplit(url).port), timeout=30)


def choose_static(url):
    """The file of the page whose reply is nearest in size to that of a product, and both replies."""
    names = sorted(file.name for file in harness.SOURCE_DIR.glob("src/edge/http/page/*.js"))
    with connect(url) as connection:
        product = ask(connection, PRODUCT)
        replies = {f"/{name}": ask(connection, f"/{name}") for name in names}
    path = min(replies, key=lambda name: abs(len(replies[name]) - len(product)))
    return path, replies[path], product


def start_bare(bench, program, reply):
    """bare_http with that reply; the process, and where it listens."""
    file = bench.folder / "reply.http"
    file.write_bytes(reply)
    process = harness.Process("bare_http", [str(program), str(file)], bench.folder)
    return process, "http://127.0.0.1:" + process.wait_for_log(r"port (\d+)")[1]


def asked_of_postgres(orderd):
    return flight.series_sum(orderd, "db_client_batch_requests_total", flight.BACKGROUND)


def measure_rates(bench, web, program):
    """Static, bare, product, in turns of a second, so that what else the machine does meets all of them."""
    need_tool("wrk")
    if not os.access(program, os.X_OK):
        raise LeftOut(f"{program} is not built")
    orderd = bench.start_orderd(WORKERS="1")
    web.path, reply, product = choose_static(orderd.http_url)
    web.static_size, web.product_size = len(reply), len(product)
    bare, bare_url = start_bare(bench, program, reply)
    cases = {"static": (orderd, orderd.http_url, web.path, 1), "bare": (bare, bare_url, web.path, 1),
             "product": (orderd, orderd.http_url, PRODUCT_PATTERN, bench.products)}
    for case in cases.values():
        wrk(*case, web.warmup_s)
    for _ in range(web.repetitions):
        slices = {name: [] for name in cases}
        for _ in range(web.seconds):
            for name, case in cases.items():
                before = asked_of_postgres(orderd)
                slices[name].append(wrk(*case, SLICE_S))
                slices[name][-1]["asked"] = asked_of_postgres(orderd) - before
        for name, parts in slices.items():
            web.keep(name, joined(parts))
    bare.kill()
    bench.stop_orderd(orderd)


def record(orderd, file, seconds):
    """Where orderd's CPU goes, with the way there. No counter of the processor is needed."""
    command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_PER_SECOND), "--call-graph",
               "dwarf,8192", "-o", str(file), "-p", str(orderd.pid), "--", "sleep", str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PERF_SECONDS_MAX)
    if done.returncode != 0:
        raise LeftOut(f"perf may not look here: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def share_of(file, symbol):
    """The part of all samples that were in a function or below it, in percent."""
    command = ["perf", "report", "-i", str(file), "--stdio", "--children", "--no-inline", "-g", "none",
               "--sort", "symbol"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PERF_SECONDS_MAX)
    found = re.search(rf"^\s*([0-9.]+)%\s+[0-9.]+%\s+\[\.\] {symbol}\s", done.stdout, re.MULTILINE)
    if found is None:
        raise LeftOut(f"perf has not found {symbol}")
    return float(found[1])


@contextlib.contextmanager
def callers(bench, orderd, seconds):
    """wrk asks for the page meanwhile."""
    process = harness.Process("wrk", wrk_command(orderd.http_url, PAGE, 1, seconds), bench.folder)
    time.sleep(0.5)  # until all have connected
    try:
        yield
    finally:
        process.wait()


def measure_page(bench, web):
    need_tool("wrk")
    need_tool("perf")
    orderd = bench.start_orderd(WORKERS="1")
    with contextlib.closing(connect(orderd.http_url)) as connection:
        web.page_size = len(ask(connection, PAGE))
    file = bench.folder / "perf.data"
    wrk(orderd, orderd.http_url, PAGE, 1, web.warmup_s)
    try:
        for _ in range(web.repetitions):
            web.keep("page", joined([wrk(orderd, orderd.http_url, PAGE, 1, web.seconds)]))
            with callers(bench, orderd, web.seconds + 2):
                record(orderd, file, web.seconds)
            web.keep("json", {"percent": share_of(file, JSON_WRITER)})
    finally:
        bench.stop_orderd(orderd)


def allow_files(count):
    limit, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    if highest != resource.RLIM_INFINITY and highest < count:
        raise LeftOut(f"a process may have {highest} open files here")
    if limit != resource.RLIM_INFINITY and limit < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, highest))


def measure_idle(bench, web):
    """A process of its own each time: memory that was used once is not given back."""
    allow_files(2 * IDLE_CONNECTIONS)
    for _ in range(web.repetitions):
        orderd = bench.start_orderd(WORKERS="1")
        with contextlib.ExitStack() as connections:
            def open_some(count):
                for _ in range(count):
                    ask(connections.enter_context(connect(orderd.http_url)), PRODUCT)
            open_some(WARM_CONNECTIONS)
            before = orderd.rss_kb()
            open_some(IDLE_CONNECTIONS)
            grown = orderd.rss_kb() - before
        web.keep("idle", {"kb": grown * 1.024 / IDLE_CONNECTIONS})
        bench.stop_orderd(orderd)


class Web:
    """The runs of each figure, and why some are missing."""

    def __init__(self, repetitions, quick):
        self.repetitions = repetitions
        self.seconds, self.warmup_s = (1, 1) if quick else (4, 1)
        self.results, self.left_out = {}, []
        self.path, self.static_size, self.product_size, self.page_size = "", 0, 0, 0

    def keep(self, name, result):
        self.results.setdefault(name, []).append(result)

    def median(self, name, key):
        return statistics.median(result[key] for result in self.results[name])

    def text(self, name, key, unit, digits=0):
        values = [result[key] for result in self.results[name]]
        low, high = min(values), max(values)
        return f"{self.median(name, key):,.{digits}f}{unit} ({low:,.{digits}f}–{high:,.{digits}f})"


def measure(bench, repetitions, quick, bare_program):
    web = Web(repetitions, quick)
    for name, part in (("static reply and product", lambda: measure_rates(bench, web, bare_program)),
                       ("writing JSON", lambda: measure_page(bench, web)),
                       ("idle connections", lambda: measure_idle(bench, web))):
        bench.say(f"web: {name}")
        try:
            part()
        except LeftOut as why:
            web.left_out.append(f"{name}: {why}")
            bench.say(f"left out: {web.left_out[-1]}")
    return web


# -------------------------------------------------------------------------------------------- report


def row(name, text, target="", reached=None):
    return f"| {name} | {text} | {target} | {'' if reached is None else 'yes' if reached else 'no'} |"


def rate_rows(web):
    cpu = web.median("static", "cpu_us") / web.median("bare", "cpu_us")
    rate = web.median("product", "rps") / web.median("static", "rps")
    return [
        row(f"Static reply ({web.path}, {web.static_size} bytes): CPU of orderd per request",
            web.text("static", "cpu_us", " µs", 2)),
        row("– of a bare libevent + http-parser loop, same bytes", web.text("bare", "cpu_us", " µs", 2)),
        row("– ratio", f"{cpu:.2f}", "≤ 1.2", cpu <= 1.2),
        row("Static replies/s", web.text("static", "rps", "")),
        row("– of the bare loop", web.text("bare", "rps", "")),
        row(f"GET /v1/products/{{id}}/s ({web.product_size} bytes), random ids, PostgreSQL asked every time",
            web.text("product", "rps", "")),
        row("– asked of PostgreSQL for each", web.text("product", "asked", "", 2), "≥ 1",
            web.median("product", "asked") >= 1),
        row("– p99", web.text("product", "p99_ms", " ms", 1)),
        row("– CPU of orderd per request", web.text("product", "cpu_us", " µs", 2)),
        row("– rate against that of static replies", f"{rate:.0%}", "≥ 50 %", rate >= 0.5),
    ]


def page_rows(web):
    share = web.median("json", "percent")
    return [
        row(f"GET /v1/products/s, 20 of a category ({web.page_size:,} bytes)", web.text("page", "rps", "")),
        row("– CPU of orderd per request", web.text("page", "cpu_us", " µs", 1)),
        row("– writing the JSON, of this CPU (perf)", web.text("json", "percent", " %", 1), "≤ 25 %", share <= 25),
    ]


def idle_rows(web):
    size = web.median("idle", "kb")
    return [row(f"RSS per idle connection, {IDLE_CONNECTIONS:,} that had each made a request",
                web.text("idle", "kb", " kB", 2), "≤ 1.2 kB", size <= 1.2)]


def failures_row(web):
    runs = [run for name in ("static", "bare", "product", "page") for run in web.results.get(name, [])]
    failed, lost = sum(run["failed"] for run in runs), sum(run["lost"] for run in runs)
    return row("Answers that were an error, and requests that were lost", f"{failed}, {lost}", "0", failed + lost == 0)


def report(web):
    rows = []
    for name, make in (("product", rate_rows), ("json", page_rows), ("idle", idle_rows)):
        if name in web.results:
            rows += make(web)
    return [f"HTTP/JSON: one worker, wrk with one thread and {CONNECTIONS} connections, keep-alive:", "",
            "| | measured | target | reached |", "|---|---|---|---|", *rows, failures_row(web), "",
            *(f"Left out: {text}.  " for text in web.left_out), ""]
