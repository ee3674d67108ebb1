"""Every answer a provider can give, in every call of every step and undo: saga.md, "What a try can bring".

A cell of the matrix is an order on a path that makes a certain call, and a fault that answers this call of this
order, once or again and again. When the order rests, the cell says where: what the caller was told, the stored
state and cause; and when all rest, the invariants hold.

The breaker of a provider couples the orders of a process: after ten bad answers in a row it holds back everybody
for 2 s. So cells that would hurt each other have processes of their own (Stand), each with a sandbox of its own,
and an order that was held back before it came to its fault makes place for another one.
"""

import collections
import concurrent.futures
import dataclasses
import json
import re
import time

import pytest

import client
import harness
import invariants

ROUNDS = 30       # orders of a cell, until one comes to its fault
HELD_BACK = 1     # seconds that a held back cell waits, as its RetryInfo asks
PATIENCE = 60     # seconds until an order rests
ONCE, AGAIN = "once", "again"
TRY_TIMEOUT = "800ms"
LATE_MS = 1200    # longer than a try may take, shorter than its order
SETTLE_MS = 500

# ----------------------------------------------------------------------------------------- the matrix

# What an answer amounts to: the columns of the matrix.
COLUMNS = {
    "unseen": "500_before 502_before 503_before 504_before 500_stored_before cut_before reset_before timeout redirect",
    "happened": "500_after 502_after 503_after 504_after 500_stored_after cut_middle cut_after reset_after garbage"
                " truncated huge endless drip latency timeout_after",
    "late": "late",
    "ask": "409",
    "limit": "429",
    "invalid": "400 422",
    "denied": "401 403 404",
    "lies": "wrong_amount wrong_currency",
    "other_id": "wrong_id",
    "state": "wrong_state",
}

# Once and again and again, in each column. What the letters mean stands in END.
MATRIX = """
                unseen happened late ask limit invalid denied lies other_id state
open              +U      +U     +U   +U   +U    MM      MM    AA     XX     ++
confirm           +U      ++     ++   +U   +U    MM      MM    AA     AA     ++
look              +U      +U     +U   +U   +U    +U      +U    AA     AA     +U
ship              +U      +U     +U   +U   +U    RR      MM    ++     +U     +U
cancel            +S      ++     ++   +S   +S    +S      +S    ++     ++     ++
cancel_charged    ++      ++     ++   ++   +S    ++      ++    ++     ++     ++
undo_look         +S      +S     +S   +S   +S    +S      +S    +S     +S     ++
refund            +S      ++     ++   +S   +S    +S      +S    ++     ++     ++
look_refunds      +S      +S     +S   +S   +S    +S      +S    ++     ++     +S
recall            +S      +S     +S   +S   +S    +S      +S    ++     ++     +S
recall_left       +S      +S     +S   +S   +S    +S      +S    ++     ++     ++
ship_left         +S      +S     +S   +S   +S    +S      +S    ++     +S     +S
"""

# How an order ends; + stands for the way of its path without the fault.
FULFILLED, FAILED, STUCK = "FULFILLED", "FAILED", "STUCK"
END = {
    "U": (FAILED, "{}_UNAVAILABLE"),
    "M": (FAILED, "{}_MISCONFIGURED"),
    "A": (FAILED, "PAYMENT_ANSWER_INVALID"),
    "R": (FAILED, "FULFILLMENT_REJECTED"),
    "D": (FAILED, "PAYMENT_DECLINED"),
    "X": (STUCK, "PAYMENT_MISCONFIGURED"),  # the id that was written down is not the payment's
    "S": (STUCK, None),                     # the cause is that of the path
}
CODES = {"UNAVAILABLE": "UNAVAILABLE", "MISCONFIGURED": "INTERNAL", "INVALID": "INTERNAL",
         "REJECTED": "FAILED_PRECONDITION", "DECLINED": "FAILED_PRECONDITION"}


@dataclasses.dataclass(frozen=True)
class Way:
    """How an order comes to a call, and how it would end if nothing happened there."""
    path: str               # the sandbox's name of the call
    end: tuple = (FULFILLED, None)
    rules: tuple = ()       # (path, mode) of what happens once before
    card: str = "pm_card_visa"
    recipient: str = "Ada Lovelace"

    @property
    def is_shipping(self):
        return self.path in ("ship", "recall")


REJECTED = {"end": END["R"], "recipient": "REJECT ME"}
# A shipment of unknown fate that is then refused has to be recalled.
RECALLED = (("ship", "500_after"), ("ship", "422"))
LEFT = (("ship", "500_left"), ("ship", "422"))
WAYS = {
    "open": Way("open"),
    "confirm": Way("confirm"),
    "look": Way("look", rules=(("confirm", "500_after"),)),
    "ship": Way("ship"),
    "cancel": Way("cancel", end=END["D"], card="pm_card_chargeDeclined"),
    "cancel_charged": Way("cancel", **REJECTED),
    "undo_look": Way("look", rules=(("cancel", "500_before"),), **REJECTED),
    "refund": Way("refund", **REJECTED),
    "look_refunds": Way("look_refunds", rules=(("refund", "500_after"),), **REJECTED),
    "recall": Way("recall", end=END["R"], rules=RECALLED),
    "recall_left": Way("recall", rules=LEFT),
    "ship_left": Way("ship", rules=LEFT),
}


@dataclasses.dataclass(frozen=True)
class Cell:
    call: str
    mode: str
    times: str
    letter: str
    delay_ms: int = None
    ignores_keys: bool = False

    @property
    def way(self):
        return WAYS[self.call]

    @property
    def end(self):
        """(state, cause) at rest."""
        if self.letter == "+":
            return self.way.end
        state, cause = END[self.letter]
        if cause is None:
            # Of a recall that comes too late, and of a payment that nobody can tell about.
            otherwise = "FULFILLMENT_REJECTED" if self.way.rules == LEFT else "PAYMENT_UNAVAILABLE"
            cause = self.way.end[1] or otherwise
        return state, cause.format(self.provider)

    @property
    def provider(self):
        return "FULFILLMENT" if self.way.is_shipping else "PAYMENT"

    @property
    def stand(self):
        kind = {"U": "given up", "S": "stuck", "X": "stuck"}.get(self.letter, "overcome")
        return (kind, "no keys" if self.ignores_keys else "shipping" if self.way.is_shipping else "payments")

    def __str__(self):
        return f"{self.call} {self.mode} {self.times}"


def matrix_cells():
    heads, *rows = (line.split() for line in MATRIX.strip().splitlines())
    for call, *letters in rows:
        for column, pair in zip(heads, letters, strict=True):
            for mode in COLUMNS[column].split():
                for times, letter in zip((ONCE, AGAIN), pair, strict=True):
                    yield Cell(call, mode, times, letter, LATE_MS if mode in ("late", "latency") else None)


# What is said of one call only.
SPECIAL = [
    # A payment under way: it settles while the order goes forward; while it is undone; never.
    Cell("confirm", "processing", AGAIN, "+", SETTLE_MS),
    Cell("confirm", "processing", AGAIN, "U", 3500),
    Cell("confirm", "processing", AGAIN, "S", 0),
    Cell("confirm", "failed", ONCE, "D"),
    # A confirmation that races the cancellation and wins, or loses.
    Cell("confirm", "confirm_before_cancel", ONCE, "+"),
    Cell("confirm", "confirm_before_cancel", AGAIN, "U"),
    Cell("confirm", "confirm_after_cancel", ONCE, "+"),
    Cell("confirm", "confirm_after_cancel", AGAIN, "U"),
    # Executed when the order is undone already.
    Cell("confirm", "late", AGAIN, "U", 4000),
    Cell("ship", "late", AGAIN, "U", 5000),
    Cell("refund", "processing", AGAIN, "+", SETTLE_MS),
    Cell("refund", "processing", AGAIN, "S", 0),
    Cell("refund", "failed", ONCE, "+"),
    Cell("refund", "failed", AGAIN, "S"),
    Cell("ship", "left", ONCE, "+"),
    Cell("ship", "500_left", ONCE, "+"),
]


def keyless_cells():
    """The charge depends on no key: what happened is seen before it is done again."""
    for cell in matrix_cells():
        if cell.mode in ("late", *COLUMNS["happened"].split()) and cell.letter == "+" and \
                cell.call in ("open", "confirm", "cancel", "refund"):
            yield dataclasses.replace(cell, ignores_keys=True)


# ----------------------------------------------------------------------------------------- the orders

# Long enough for everything that shall be overcome, short for what shall not; how many cells at a time; and the
# workers, each of which has breakers of its own: where most answers are bad, few orders should share one.
SETTINGS = {
    "overcome": ({"FORWARD_TIME": "40s", "FULFILL_TIME": "40s", "UNDO_TIME": "60s"}, 24, 1),
    "given up": ({"FORWARD_TIME": "2s", "FULFILL_TIME": "2s", "UNDO_TIME": "60s"}, 12, 4),
    "stuck": ({"FORWARD_TIME": "4s", "FULFILL_TIME": "10s", "UNDO_TIME": "1s"}, 16, 4),
}
CALL_NAMES = [
    ("open", r"POST /v1/payment_intents$"),
    ("confirm", r"POST .*/confirm$"),
    ("look", r"GET /v1/payment_intents/"),
    ("cancel", r"POST /v1/payment_intents/.*/cancel$"),
    ("refund", r"POST /v1/refunds$"),
    ("look_refunds", r"GET /v1/refunds"),
    ("ship", r"POST /v1/shipments$"),
    ("recall", r"POST /v1/shipments/.*:cancel$"),
]


def call_name(call):
    return next(name for name, pattern in CALL_NAMES if re.match(pattern, f"{call['method']} {call['path']}"))


class Stand:
    """An orderd with its database and its sandbox, and the cells that are tried there."""

    def __init__(self, folder, postgres, name, cells):
        settings, at_once, workers = SETTINGS[name[0]]
        self.is_hard = name[0] == "stuck"
        self.name = "-".join(("answers", *name)).replace(" ", "-")
        self.cells = cells
        folder = folder / self.name
        folder.mkdir()
        self.sandbox = harness.Sandbox(folder)
        self.url = postgres.create_database(self.name)
        self.orderd = harness.Orderd(folder, self.url, self.sandbox, TRY_TIMEOUT=TRY_TIMEOUT, WORKERS=str(workers),
                                     DB_CONNECTIONS=str(3 * workers), **settings)
        self.pool = concurrent.futures.ThreadPoolExecutor(at_once)
        # A connection belongs to one worker.
        self.shops = [client.Shop(self.orderd.grpc_addr) for _ in range(at_once)]
        self.product = self.shops[0].product(stock=100000)
        if name[1] == "no keys":
            harness.http(self.sandbox.url + "/control/keys", json.dumps({"ignore": True}).encode())

    def stop(self):
        self.pool.shutdown(cancel_futures=True)
        for shop in self.shops:
            shop.close()
        self.orderd.stop_clean()
        self.sandbox.stop()

    def order_of(self, shop, cell):
        """A new order, and the faults that await it."""
        way = cell.way
        order = shop.create((self.product, 1), ship_to=client.address(recipient=way.recipient))
        for path, mode in way.rules:
            self.sandbox.add_fault(order=order.id, path=path, mode=mode, count=1)
        options = {} if cell.delay_ms is None else {"delayMs": cell.delay_ms}
        self.sandbox.add_fault(order=order.id, path=way.path, mode=cell.mode, count=1 if cell.times == ONCE else -1,
                               **options)
        return order

    def has_met(self, cell, order):
        """Whether the order came to the call that the cell is about, by its way; whether it was held back there;
        and whether the answer went unseen, since a busy machine was too slow for it."""
        met = [(call_name(call), call["fault"]) for call in self.sandbox.ledger(order.id)["calls"] if call["fault"]]
        expected = [*cell.way.rules, (cell.way.path, cell.mode)]
        held_back = self.is_hard and end_of(order)[1] == f"{cell.provider}_UNAVAILABLE" != cell.end[1]
        unseen = cell.times == ONCE and cell.letter != "+" and end_of(order) == cell.way.end
        return met[:len(expected)] == expected and not held_back and not unseen

    @staticmethod
    def rest(shop, order):
        """The order at rest, or as it is when patience is over."""
        end = time.monotonic() + PATIENCE
        while True:
            stored = shop.order(order)
            if client.Order.State.Name(stored.state) in invariants.AT_REST or time.monotonic() > end:
                return stored
            time.sleep(0.1)

    def try_cell(self, cell):
        """What is wrong with it; empty when nothing is."""
        shop = self.shops.pop()
        try:
            return self.try_orders(shop, cell)
        finally:
            self.shops.append(shop)

    def try_orders(self, shop, cell):
        for _ in range(ROUNDS):
            order = self.order_of(shop, cell)
            try:
                told = (FULFILLED, shop.process(order, card=cell.way.card, timeout=PATIENCE))
            except client.Refused as error:
                told = (error.reason, error)
            stored = self.rest(shop, order)
            if self.has_met(cell, stored):
                return [f"{cell}, order {order.id}: {problem}" for problem in judge(cell, told, stored)]
            time.sleep(HELD_BACK)
        return [f"{cell}: {ROUNDS} orders did not come to their fault, or none of its answers was heeded"]


def judge(cell, told, stored):
    """The caller's answer and the order at rest, against the end that was foretold."""
    state, cause = cell.end
    answer, body = told
    if end_of(stored) != (state, cause):
        yield f"rests {' for '.join(map(str, end_of(stored)))}, not {state} for {cause}"
    if answer != (cause or FULFILLED):
        yield f"the caller was told {answer}, not {cause or FULFILLED}"
    elif cause is None:
        if not body.payment_id or not body.shipment_id:
            yield "the confirmation lacks an id"
    else:
        if body.code != CODES[cause.rpartition("_")[2]]:
            yield f"told with the code {body.code}"
        if (body.retry is not None) != (body.code == "UNAVAILABLE"):
            yield f"RetryInfo: {body.retry}"


def end_of(order):
    """(state, cause)"""
    info = client.error_details_pb2.ErrorInfo()
    for detail in order.failure.details:
        if detail.Unpack(info):
            break
    return client.Order.State.Name(order.state), info.reason or None


# ----------------------------------------------------------------------------------------- the tests

@pytest.fixture(scope="module", name="stands")
def fixture_stands(folder, postgres):
    cells = collections.defaultdict(list)
    for cell in (*matrix_cells(), *SPECIAL, *keyless_cells()):
        cells[cell.stand].append(cell)
    with concurrent.futures.ThreadPoolExecutor(len(cells)) as pool:
        stands = list(pool.map(lambda name: Stand(folder, postgres, name, cells[name]), cells))
        yield stands
        list(pool.map(Stand.stop, stands))


@pytest.fixture(scope="module", name="problems")
def fixture_problems(stands):
    """Tries all cells side by side: what is wrong, by call."""
    found = collections.defaultdict(list)
    tried = [(cell, stand.pool.submit(stand.try_cell, cell)) for stand in stands for cell in stand.cells]
    for cell, future in tried:
        found[cell.call] += future.result()
    return found


def test_the_matrix_knows_every_fault_of_the_sandbox(sandbox):
    known = {cell.mode for cell in (*matrix_cells(), *SPECIAL)}
    modes = json.loads(harness.http(sandbox.url + "/control/faults")[1])["modes"]
    assert known == set(modes)
    assert {cell.call for cell in matrix_cells()} == set(WAYS)
    assert {way.path for way in WAYS.values()} == {name for name, _ in CALL_NAMES}


@pytest.mark.parametrize("call", WAYS)
def test_every_answer_to_a_call_ends_as_foretold(problems, call):
    assert not problems[call], "\n".join(problems[call])


def test_the_invariants_hold_for_all_of_them(stands, problems):
    del problems  # they have been tried
    for stand in stands:
        wrong = invariants.violations(stand.url, stand.sandbox.ledger(), at_rest=True)
        assert not wrong, f"{stand.name}: {wrong}"
