"""Orders that all want the same product, against orders of a thousand: part of tests/bench/run.

Each order has one line. The stock of a product is one row, which every order of it changes, so this is what that row costs.
"""

import statistics

PRODUCT, MANY = "p-000001", 1000
MODES = {"one": ("hot-order", "--product", PRODUCT), "many": ("line-order", "--products", str(MANY))}
TARGET = 0.5


def measure(bench, repetitions):
    """Runs of each, in turns."""
    runs = {name: [] for name in MODES}
    for repetition in range(repetitions):
        orderd = bench.start_orderd()
        for name in list(MODES) if repetition % 2 == 0 else reversed(MODES):
            mode, *arguments = MODES[name]
            result = bench.timed(orderd, mode, 4, 64, *arguments)
            runs[name].append(result)
            bench.say(f"run {repetition + 1} of {repetitions}: orders of {name}: {result['rps']:.0f}/s, "
                      f"p99 {result['p99_ms']:.0f} ms, {result['by_status']}")
            bench.postgres.psql("orderd", "VACUUM; CHECKPOINT")
        bench.stop_orderd(orderd)
    return runs


def report(runs):
    def text(name, key):
        values = [run[key] for run in runs[name]]
        return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"
    one, many = (statistics.median(run["rps"] for run in runs[name]) for name in ("one", "many"))
    return [
        "Orders of one line, 256 in flight:", "", "| | one product | 1,000 products | ratio | target | reached |",
        "|---|---|---|---|---|---|",
        f"| PlaceOrder/s | {text('one', 'rps')} | {text('many', 'rps')} | {one / many:.2f} | ≥ {TARGET} | "
        f"{'yes' if one >= TARGET * many else 'no'} |",
        f"| – p99, ms | {text('one', 'p99_ms')} | {text('many', 'p99_ms')} | | | |", ""]
