"""orderd dying or stopping at a fault point in the middle of an order, and another one that takes over.

A run is one order and two processes: the victim (a new one, with FAULT_POINT) and the rescuer (one that
lives on). A scenario is what a client does, as a program: first with the victim until that is gone, then
all of it again, with the same request ids, with the rescuer.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import json
import queue
import re
import signal
import threading

import grpc
import psycopg

import harness
import invariants
from client import Refused, Shop, address, lines, money, orders, orders_pb2_grpc, request_id, unique

LEASE_SECONDS = 1
# saga.md: at rest within lease + 30 s.
REST_SECONDS = LEASE_SECONDS + 30
# So long one step of a client may take.
PATIENCE_SECONDS = REST_SECONDS
STOCK, QUANTITY = 10, 2
# Passed as time goes by, not as the order goes on: only their first time can be found again, and only in
# scenarios that take long enough, or in which there is something to be taken over.
RENEWAL = ("renew.", "batch.saga_renew.")
TAKING_OVER = ("take_due.", "batch.saga_take_due.")
# Passed by the process for itself: no order is concerned.
HOUSEKEEPING = ("batch.keys_remove.", "batch.orders_sample.", "batch.reconcile_", "list_payments.")
# Answers that leave the end open: the client asks again.
OPEN_ENDS = ("RESERVATION_OUTCOME_UNKNOWN", "PAYMENT_OUTCOME_UNKNOWN", "FULFILLMENT_PENDING", "ORDER_IN_PROGRESS",
             "REQUEST_IN_PROGRESS", "STORE_UNAVAILABLE")
LISTENS = re.compile(r"listens: grpc port (\d+), admin port (\d+), http port (\d+)")
SETTINGS = {"LEASE": f"{LEASE_SECONDS}s", "TRY_TIMEOUT": "3s", "WORKERS": "1", "DB_CONNECTIONS": "3",
            "MIGRATE": "off", "LOG_LEVEL": "info"}


class Gone(Exception):
    """The process the client talks to has died or was stopped."""


class NotReached(Exception):
    """The victim did all it had to do and never came to its point."""


class Toll:
    """How often what was done, by all tests together."""

    def __init__(self):
        self._lock, self.counts = threading.Lock(), collections.Counter()

    def add(self, what, count=1):
        with self._lock:
            self.counts[what] += count


toll = Toll()


class Victim(harness.Process):
    """orderd that will die or stop somewhere."""

    def __init__(self, place, point=None, action="kill", **settings):
        environment = {
            **SETTINGS, "GRPC_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "HTTP_ADDR": "127.0.0.1:0",
            "DRAIN_DELAY": "0s", "DATABASE_URL": place.url, "PAYMENT_URL": place.sandbox.url,
            "PAYMENT_API_KEY_FILE": str(place.sandbox.key_file), "FULFILLMENT_URL": place.sandbox.url,
            "FAULT_POINT": point or "", "FAULT_ACTION": action, **settings}
        super().__init__("victim", [harness.program("orderd")], place.next_folder(), environment)
        self.was_ended = False

    def is_stopped(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def is_gone(self):
        return self.popen.poll() is not None or self.is_stopped()

    def ports(self):
        """Where it listens, once it does: gRPC, admin, HTTP. Gone when it never will."""
        def look():
            is_gone = self.is_gone()
            listens = LISTENS.search(self.log())
            return listens.groups() if listens else is_gone and "gone"
        ports = harness.wait_until(look, PATIENCE_SECONDS, f"the victim to listen:\n{self.tail()}")
        if ports == "gone":
            raise Gone()
        return ports

    def target(self):
        return f"127.0.0.1:{self.ports()[0]}"

    def end(self):
        """Asks it to end; a second time would mean at once."""
        if not self.was_ended:
            self.send(signal.SIGTERM)
        self.was_ended = True

    def continue_and_end(self):
        """Goes on where it was stopped, ends all it still has to do, and says goodbye."""
        self.send(signal.SIGCONT)
        self.end()
        code = self.wait()
        assert code == 0, f"the victim ended with {code}:\n{self.tail()}"
        self.check_log()

    def check_log(self):
        report = harness.SANITIZER_REPORT.search(self.log())
        assert report is None, f"a sanitizer speaks:\n{self.log()[report.start():][:8000]}"


class Place:
    """Where runs happen, one after the other: a database, a sandbox and a rescuer."""

    def __init__(self, folder, postgres, number):
        self.folder = folder / f"place-{number}"
        self.folder.mkdir()
        self.url = postgres.create_database(f"crash_{number}")
        self.sandbox = harness.Sandbox(self.folder)
        self.rescuer = harness.Orderd(self.folder, self.url, self.sandbox, **{**SETTINGS, "MIGRATE": "auto"})
        self.shop = Shop(self.rescuer.grpc_addr)
        self.database = psycopg.connect(self.url, autocommit=True)
        self.known_violations = set()
        self._folders = 0

    def close(self):
        self.shop.close()
        self.database.close()
        self.rescuer.stop_clean()
        assert self.sandbox.stop() == 0

    def next_folder(self):
        self._folders += 1
        folder = self.folder / str(self._folders)
        folder.mkdir()
        return folder

    @contextlib.contextmanager
    def rescuer_asleep(self):
        """It takes nothing over, however slowly the victim renews its leases."""
        self.rescuer.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.rescuer.send(signal.SIGCONT)

    def new_violations(self, answered):
        # A violation stays, and is told once.
        found = set(invariants.violations(self.database, self.sandbox.ledger, answered=answered))
        new, self.known_violations = found - self.known_violations, found | self.known_violations
        return sorted(new)

    def ignore_keys(self):
        status, body = harness.http(self.sandbox.url + "/control/keys", b'{"ignore": true}')
        assert status // 100 == 2, body


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One way through the order flow."""
    name: str
    program: callable                 # what the client does: program(client)
    ends: tuple = ("FULFILLED",)      # the states the order may end in
    faults: tuple = ()                # rules for the sandbox
    faults_end: bool = False          # they are over when the victim is gone
    is_timed: bool = False            # how often points are passed depends on time
    is_slow: bool = False             # leases are renewed in any case
    left_at: str = ""                 # a first owner dies there, so that the victim takes the order over
    settings: dict = dataclasses.field(default_factory=dict)
    may_leave: bool = False           # the shipment may be on its way before a cancellation arrives


@dataclasses.dataclass(frozen=True)
class Point:
    """The n-th time that this point is passed in the scenario."""
    scenario: Scenario
    name: str
    n: int

    def __str__(self):
        return f"{self.scenario.name} at {self.name}:{self.n}"


@dataclasses.dataclass
class Answer:
    """What a call was answered: the confirmation, or the reason of the refusal."""
    reply: object = None
    reason: str = ""

    def is_open(self):
        return self.reason in OPEN_ENDS

    def __str__(self):
        return self.reason or "OK"


class Run:
    """One order: what both clients of it have in common."""

    def __init__(self, place, scenario, keys_ignored=False):
        self.place, self.scenario, self.keys_ignored = place, scenario, keys_ignored
        self.customer = unique("customer")
        self.product = place.shop.product(stock=STOCK, price=money(10))
        self.request_ids = collections.defaultdict(request_id)
        self.set_faults(scenario.faults)

    def set_faults(self, faults):
        self.place.sandbox.clear_faults()
        for rule in faults:
            self.place.sandbox.add_fault(**rule)
        if self.keys_ignored:
            self.place.ignore_keys()

    def row(self):
        """(id, state, revision, generation) of the order, or None before it exists."""
        return self.place.database.execute(
            "SELECT id::text, state, revision, generation FROM orders WHERE customer_id = %s",
            [self.customer]).fetchone()

    def state(self):
        row = self.row()
        return row and row[1]

    def everything(self):
        """All that is stored of the order, for comparison."""
        return [self.place.database.execute(text, [self.customer]).fetchall() for text in (
            "SELECT o::text FROM orders o WHERE o.customer_id = %s",
            "SELECT a::text FROM attempt a JOIN orders o ON o.id = a.order_id WHERE o.customer_id = %s ORDER BY 1",
            "SELECT e::text FROM order_event e JOIN orders o ON o.id = e.order_id WHERE o.customer_id = %s ORDER BY 1")]

    def is_at_rest(self):
        return self.state() in (None, *invariants.AT_REST)

    def wait_for_rest(self):
        harness.wait_until(self.is_at_rest, REST_SECONDS, f"the order to rest, which is {self.state()}")


class Client:
    """A client of one process. Its calls raise Gone when that process is."""

    def __init__(self, run, target, owner):
        self.run, self.owner = run, owner
        self.answers = {}
        self._soon = None  # a call nobody holds any more is cancelled
        self._channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self._stub = orders_pb2_grpc.OrdersStub(self._channel)

    def close(self):
        self._channel.close()

    def is_gone(self):
        return isinstance(self.owner, Victim) and self.owner.is_gone()

    def wait_until(self, condition, what):
        def look():
            if self.is_gone():
                raise Gone()
            return condition()
        return harness.wait_until(look, PATIENCE_SECONDS, what)

    def _result(self, future):
        """The answer to a call. A call whose process has gone is given up."""
        self.wait_until(future.done, "an answer")
        try:
            return Answer(reply=future.result())
        except grpc.RpcError as error:
            if any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ()):
                return Answer(reason=Refused(error).reason)
            # The connection broke: the process is about to be found dead.
            self.wait_until(lambda: False, f"the process to be gone, which answered {error}")
            raise

    def _repeat(self, name, start):
        """Calls until the answer is not open any more, as a client does that wants to know."""
        def look():
            answer = self._result(start())
            return None if answer.is_open() else answer
        self.answers[name] = self.wait_until(look, f"an answer to {name} that says how it ended")
        return self.answers[name]

    def _start(self, method, request):
        return lambda: getattr(self._stub, method).future(request, timeout=PATIENCE_SECONDS, wait_for_ready=True)

    def _order_fields(self, quantity):
        return {"customer_id": self.run.customer, "lines": lines((self.run.product, quantity)), "ship_to": address()}

    # ---- What programs are made of

    def create(self, quantity=QUANTITY):
        answer = self._repeat("create", self._start("CreateOrder", orders.CreateOrderRequest(
            request_id=self.run.request_ids["create"], **self._order_fields(quantity))))
        assert answer.reply is not None, answer.reason
        return answer.reply.id

    def process_request(self, order_id, name="process", card="pm_card_visa"):
        return orders.ProcessOrderRequest(id=order_id, payment_method=card, request_id=self.run.request_ids[name])

    def process(self, order_id, name="process", card="pm_card_visa"):
        return self._repeat(name, self._start("ProcessOrder", self.process_request(order_id, name, card)))

    def place(self, quantity=QUANTITY, card="pm_card_visa"):
        return self._repeat("place", self._start("PlaceOrder", orders.PlaceOrderRequest(
            payment_method=card, request_id=self.run.request_ids["place"], **self._order_fields(quantity))))

    def process_soon(self, order_id):
        """Beside what follows; the answer is waited for by process()."""
        self._soon = self._start("ProcessOrder", self.process_request(order_id))()

    def process_impatiently(self, order_id, seconds):
        """Goes before the end, whatever it was told."""
        future = self._stub.ProcessOrder.future(self.process_request(order_id), timeout=seconds, wait_for_ready=True)
        self.wait_until(future.done, "an answer, or the end of the time")

    def cancel(self, order_id):
        return self._repeat("cancel", self._start("CancelOrder", orders.CancelOrderRequest(
            id=order_id, request_id=self.run.request_ids["cancel"])))

    def wait_for_state(self, *states):
        """Or for the rest: after a crash another way may have been taken."""
        self.wait_until(lambda: self.run.state() in (*states, *invariants.AT_REST[1:]), f"the order to be {states}")

    def wait_for_call(self, order_id, path):
        """The sandbox has been asked for something whose path ends so."""
        def look():
            calls = self.run.place.sandbox.ledger(order_id)["calls"]
            return any(call["path"].endswith(path) for call in calls) or self.run.state() in invariants.AT_REST[1:]
        self.wait_until(look, f"the sandbox to be asked for {path}")

    def let_leave(self, order_id):
        """The shipment is on its way, if it still can be."""
        harness.http(self.run.place.sandbox.url + "/control/ship",
                     json.dumps({"requestId": f"{order_id}.1.ship"}).encode())

    def end_process(self):
        """As an operator ends the victim; the rescuer lives on."""
        if isinstance(self.owner, Victim):
            self.owner.end()
            harness.wait_until(self.is_gone, PATIENCE_SECONDS, "the victim to end")


# ------------------------------------------------------------------------------------------- a run


def _with_victim(run, victim):
    """The client's program with the victim, until that is gone or all is done. The answers it got."""
    client = None
    try:
        client = Client(run, victim.target(), victim)
        run.scenario.program(client)
        client.wait_until(run.is_at_rest, "the order to rest")
    except Gone:
        pass
    finally:
        if client:
            client.close()
    return client.answers if client else {}


@contextlib.contextmanager
def _victim(run, **options):
    """One that does not outlive its run, and what it answered until it was gone or had nothing left to do."""
    victim = Victim(run.place, **options, **run.scenario.settings)
    try:
        yield victim, _with_victim(run, victim)
        victim.check_log()
    finally:
        victim.kill()


def _leave_behind(run):
    """The first owner of an order that the victim takes over."""
    if run.scenario.left_at:
        with _victim(run, point=run.scenario.left_at) as (first, _):
            assert first.wait() == -signal.SIGKILL, f"the first owner did not die:\n{first.tail()}"
            toll.add("killed")


def trace(place, scenario):
    """The points that are passed in a scenario in which nobody dies, in order."""
    run = Run(place, scenario)
    file = place.next_folder() / "trace"
    with place.rescuer_asleep():
        _leave_behind(run)
        with _victim(run, FAULT_TRACE=str(file)) as (victim, told):
            victim.continue_and_end()
    _rescue(run, told)
    return file.read_text().splitlines()


def points(scenario, names):
    """Where a victim can be made to die in a scenario that passes these points."""
    counts = collections.Counter()
    found = []
    for name in names:
        counts[name] += 1
        is_ours = not name.startswith(HOUSEKEEPING) and (
            scenario.is_slow or not name.startswith(RENEWAL)) and (
            scenario.left_at or not name.startswith(TAKING_OVER))
        is_once = scenario.is_timed or name.startswith((*RENEWAL, *TAKING_OVER))
        if is_ours and (counts[name] == 1 or not is_once):
            found.append(Point(scenario, name, counts[name]))
    return found


def _rescue(run, told):
    """The whole program again, with the rescuer; the order comes to rest and all agrees."""
    if run.scenario.faults_end:
        run.set_faults(())
    client = Client(run, run.place.rescuer.grpc_addr, run.place.rescuer)
    try:
        run.scenario.program(client)
        run.wait_for_rest()
        _check(run, client, told)
    finally:
        client.close()


def _check(run, client, told):
    order_id, state, *_ = run.row()
    last = list(answer for name, answer in client.answers.items() if name in ("process", "again", "place"))[-1]
    answers = {name: str(answer) for name, answer in client.answers.items()}
    assert state in run.scenario.ends, f"ended {state}, answered {answers}"
    assert (last.reply is not None) == (state == "FULFILLED"), f"ended {state}, answered {answers}"
    for name, answer in told.items():
        repeated = client.answers[name]
        if name not in ("create", "cancel"):
            assert (answer.reply, answer.reason) == (repeated.reply, repeated.reason), \
                f"{name} was answered {answer} first, then {repeated}"
    _check_rest(run, [(order_id, last.reply)] if last.reply is not None else [])


def _check_rest(run, answered):
    found = run.place.new_violations(answered)
    assert not found, "\n".join(found)
    left = run.place.shop.available(run.product)
    holds = run.state() in invariants.HOLDS_STOCK
    assert left == STOCK - QUANTITY * holds, f"{left} of {STOCK} are left of a {run.state()} order"


@contextlib.contextmanager
def _at(point, run, action):
    """The victim, dead or stopped at its point, and the answers it gave before."""
    with contextlib.ExitStack() as stack:
        with run.place.rescuer_asleep():
            _leave_behind(run)
            victim, told = stack.enter_context(_victim(run, point=f"{point.name}:{point.n}", action=action))
            if action == "kill":
                is_there = victim.popen.poll() == -signal.SIGKILL
            else:
                is_there = victim.is_alive() and victim.is_stopped()
            toll.add("killed" if action == "kill" else "put to sleep", is_there)
            if not is_there:
                raise NotReached(f"{point} was not reached; the order is {run.state()}:\n{victim.tail(15)}")
        yield victim, told


def killed(place, point, keys_ignored=False):
    """The victim dies at the point."""
    run = Run(place, point.scenario, keys_ignored)
    with _at(point, run, "kill") as (_, told):
        _rescue(run, told)


def stopped(place, point):
    """The victim sleeps at the point for longer than its lease, and wakes when all is over."""
    run = Run(place, point.scenario)
    with _at(point, run, "stop") as (victim, told):
        _rescue(run, told)
        before = run.everything()
        victim.continue_and_end()
        after = run.everything()
    assert after == before, f"changed by one that had slept:\n{before}\n{after}"
    _check_rest(run, [])


def cancelled(place, point):
    """The victim sleeps at the point, the order is cancelled meanwhile, then it wakes."""
    run = Run(place, point.scenario)
    with _at(point, run, "stop") as (victim, _):
        row = run.row()
        if row is None:  # nothing to be cancelled yet
            return
        answer = _cancel(run, row[0])
        run.wait_for_rest()
        victim.continue_and_end()
    run.wait_for_rest()
    allowed = {"CANCELLED"} if answer.reply is not None else {"FULFILLED"}
    if point.scenario.may_leave:
        allowed.add("FULFILLED")
    if row[1] == "STUCK":  # the wish is for the day on which somebody helps
        allowed.add("STUCK")
    assert run.state() in allowed, f"cancelled ({answer}), but the order is {run.state()}"
    _check_rest(run, [])


def _cancel(run, order_id):
    if run.scenario.faults_end:
        run.set_faults(())
    client = Client(run, run.place.rescuer.grpc_addr, run.place.rescuer)
    try:
        return client.cancel(order_id)
    finally:
        client.close()


# --------------------------------------------------------------------------------- many side by side


class Places:
    """Places lent to as many threads as there are of them."""

    def __init__(self, count, make):
        self.count = count
        self._free = queue.Queue()
        self._all = at_the_same_time(count, make, range(count))
        for place in self._all:
            self._free.put(place)

    def close(self):
        self.all(lambda place: place.close())

    def all(self, work):
        """work(place) for all of them, while none is lent."""
        at_the_same_time(self.count, work, self._all)

    def each(self, items, work):
        """work(place, item) for all; results in order, exceptions as results."""
        def one(item):
            place = self._free.get()
            try:
                return work(place, item)
            except Exception as error:  # pylint: disable=broad-exception-caught
                return error
            finally:
                self._free.put(place)
        return at_the_same_time(self.count, one, items)


def at_the_same_time(count, work, items):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, items))
