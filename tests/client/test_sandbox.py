"""orderd-sandbox by itself: what a client of the two APIs sees, and what the ledger says happened.

Times in here are only how long a fault holds something back, never what is measured.
"""

import http.client
import json
import socket
import subprocess
import urllib.parse

import pytest

import harness

ORDER = "ord_1"
AMOUNT = 1250
HELD_MS = 3000  # so long that a busy client, too, comes before it is over
SECONDS = 20
NO_ANSWER = (http.client.HTTPException, OSError)


class Door:
    """A sandbox of the tests' own, with everything it says read as JSON."""

    def __init__(self, folder, *arguments):
        self.port_file = folder / "port"
        self.process = harness.Process("orderd-sandbox", [
            harness.program("orderd-sandbox"), "--listen", "127.0.0.1:0", "--port-file", str(self.port_file),
            "--api-key", harness.API_KEY, *arguments], folder)
        harness.wait_until(self._has_started, harness.START_SECONDS, "the sandbox's port")
        self.port = int(self.port_file.read_text())

    def _has_started(self):
        assert self.process.is_alive(), self.process.tail()
        return self.port_file.exists()

    def send(self, method, path, body=None, headers=None):
        """The connection on which the answer will come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.START_SECONDS)
        connection.request(method, path, body, headers or {})
        return connection

    def call(self, method, path, body=None, headers=None):
        """(status, JSON or text, headers)"""
        return read(self.send(method, path, body, headers))

    def control(self, lever, **fields):
        status, body, _ = self.call("POST", "/control/" + lever, json.dumps(fields))
        return status, body

    def fault(self, mode, path="*", **fields):
        status, body = self.control("faults", mode=mode, path=path, **fields)
        assert status == 204, body

    def pay(self, path, form=None, key=None, sends=False, method="POST", **headers):
        """A call of the payment API."""
        headers = {"Authorization": "Bearer " + harness.API_KEY, "Content-Type": "application/x-www-form-urlencoded",
                   **{name.replace("_", "-"): value for name, value in headers.items()}}
        if key is not None:
            headers["Idempotency-Key"] = key
        send = self.send if sends else self.call
        return send(method, "/v1/" + path, urllib.parse.urlencode(form or {}) if method == "POST" else None, headers)

    def open(self, key=None, order=ORDER, card="pm_card_visa", amount=AMOUNT, **form):
        form = {"amount": amount, "currency": "eur", "payment_method": card, "metadata[order_id]": order,
                "metadata[attempt]": "1", **form}
        return self.pay("payment_intents", form, key)

    def opened(self, **fields):
        """The id of a new payment."""
        status, body, _ = self.open(**fields)
        assert status == 200, body
        return body["id"]

    def charged(self, **fields):
        """The id of a new payment that succeeded."""
        payment = self.opened(**fields)
        status, body, _ = self.confirm(payment)
        assert (status, body["status"]) == (200, "succeeded"), body
        return payment

    def confirm(self, payment, key=None, sends=False):
        return self.pay(f"payment_intents/{payment}/confirm", {"error_on_requires_action": "true"}, key, sends)

    def cancel(self, payment, key=None):
        return self.pay(f"payment_intents/{payment}/cancel", key=key)

    def look(self, payment):
        return self.pay(f"payment_intents/{payment}", method="GET")[1]

    def refund(self, payment, key=None, **form):
        return self.pay("refunds", {"payment_intent": payment, **form}, key)

    def ship(self, request_id, region="DE", recipient="A", order=ORDER):
        return self.call("POST", "/v1/shipments", json.dumps({
            "requestId": request_id, "orderId": order, "shipTo": {"recipient": recipient, "regionCode": region}}))

    def recall(self, request_id):
        return self.call("POST", f"/v1/shipments/{request_id}:cancel", "{}")

    def ledger(self, order=None):
        return self.call("GET", "/ledger" + (f"?order_id={order}" if order else ""))[1]

    def payment(self, payment):
        """As the ledger has it."""
        return next(row for row in self.ledger()["payments"] if row["id"] == payment)

    def stop(self):
        code = self.process.stop()
        assert not harness.SANITIZER_REPORT.search(self.process.log()), self.process.tail(100)
        assert code == 0, self.process.tail()


def read(connection):
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    try:
        return answer.status, json.loads(text), answer.headers
    except ValueError:
        return answer.status, text, answer.headers


@pytest.fixture(scope="module", name="door_of_all")
def fixture_door_of_all(tmp_path_factory):
    door = Door(tmp_path_factory.mktemp("sandbox"))
    yield door
    door.stop()


@pytest.fixture(name="door")
def fixture_door(door_of_all):
    """An empty ledger, no faults, no latency, keys honoured."""
    assert door_of_all.call("DELETE", "/control/faults")[0] == 204
    assert door_of_all.control("latency", paymentMs=0, shippingMs=0)[0] == 204
    assert door_of_all.call("POST", "/ledger/reset")[0] == 204
    return door_of_all


@pytest.fixture(name="start")
def fixture_start(tmp_path):
    """Starts a sandbox of the test's own: start("--max-payments", "2")."""
    doors = []

    def start(*arguments):
        doors.append(Door(tmp_path, *arguments))
        return doors[-1]
    yield start
    for door in doors:
        door.stop()


# ---- Faults of a confirmation: (mode, whether the money was taken, what the client sees) -----------------

ANSWERED = [
    ("500_before", False, 500), ("500_after", True, 500),
    ("500_stored_before", False, 500), ("500_stored_after", True, 500),
    ("502_before", False, 502), ("502_after", True, 502),
    ("503_before", False, 503), ("503_after", True, 503),
    ("504_before", False, 504), ("504_after", True, 504),
    ("400", False, 400), ("401", False, 401), ("403", False, 403), ("404", False, 404),
    ("409", False, 409), ("422", False, 422), ("429", False, 429),
]
UNANSWERED = [("cut_before", False), ("cut_middle", True), ("cut_after", True), ("reset_before", False),
              ("reset_after", True), ("timeout", False), ("timeout_after", True)]
UNBELIEVABLE = {"garbage", "truncated", "huge", "endless", "drip", "redirect", "wrong_amount", "wrong_currency",
                "wrong_id", "wrong_state"}
IN_TIME = {"latency", "late", "processing", "failed", "confirm_before_cancel", "confirm_after_cancel"}
LEAVING = {"left", "500_left"}


def test_every_mode_is_tested_here(door):
    modes = set(door.call("GET", "/control/faults")[1]["modes"])
    assert modes == {row[0] for row in ANSWERED} | {row[0] for row in UNANSWERED} | UNBELIEVABLE | IN_TIME | LEAVING


@pytest.mark.parametrize("mode, is_taken, seen", ANSWERED)
def test_a_status_is_answered_before_or_after_the_effect(door, mode, is_taken, seen):
    payment = door.opened()
    door.fault(mode, "confirm", count=1)
    status, body, headers = door.confirm(payment)
    assert status == seen and "error" in body
    assert ("Retry-After" in headers) == (seen == 429)
    assert door.payment(payment)["confirmed_count"] == is_taken
    call = door.ledger(ORDER)["calls"][-1]
    assert (call["fault"], call["status"], call["order_id"]) == (mode, seen, ORDER)


@pytest.mark.parametrize("mode, is_taken", UNANSWERED)
def test_no_whole_answer_comes(door, mode, is_taken):
    payment = door.opened()
    door.fault(mode, "confirm", count=1, delayMs=50)
    with pytest.raises(NO_ANSWER):
        door.confirm(payment)
    assert door.payment(payment)["confirmed_count"] == is_taken
    call = door.ledger(ORDER)["calls"][-1]
    assert (call["fault"], call["status"]) == (mode, 200 if mode == "cut_middle" else 0)


def test_a_reset_is_a_reset(door):
    door.fault("reset_before", "open", count=1)
    with pytest.raises(ConnectionResetError):
        door.open()


@pytest.mark.parametrize("mode", ["garbage", "truncated"])
def test_a_whole_answer_is_not_json(door, mode):
    payment = door.opened()
    door.fault(mode, "confirm", count=1)
    status, body, _ = door.confirm(payment)
    assert status == 200 and isinstance(body, str)
    assert door.look(payment)["status"] == "succeeded"


def test_a_huge_answer_is_json_all_the_same(door):
    payment = door.opened()
    door.fault("huge", "confirm", count=1)
    connection = door.confirm(payment, sends=True)
    text = connection.getresponse().read()
    assert len(text) > 10 * 1024 * 1024 and json.loads(text)["status"] == "succeeded"


def test_an_endless_answer_is_cut_at_last(door):
    payment = door.opened()
    door.fault("endless", "confirm", count=1, delayMs=350)
    with pytest.raises(NO_ANSWER):
        door.confirm(payment)
    assert door.look(payment)["status"] == "succeeded"


def test_a_dripping_answer_is_whole_in_the_end(door):
    door.fault("drip", "recall", count=1)
    assert door.recall("r")[1] == {"id": "", "state": "CANCELLED"}


def test_clients_that_leave_a_slow_answer_leave_nothing_behind(door):
    payment = door.opened()
    door.fault("drip", "look", count=1)
    door.fault("endless", "look", count=1)
    door.fault("timeout", "look", count=1, delayMs=200)
    door.fault("latency", "look", count=1, delayMs=200)
    for _ in range(4):
        connection = door.pay(f"payment_intents/{payment}", method="GET", sends=True)
        connection.close()
    assert door.look(payment)["id"] == payment


def test_what_a_rule_delays_is_answered_when_the_rule_is_removed(door):
    payment = door.opened()
    door.fault("latency", "look", match=payment, delayMs=3_600_000)
    held = door.pay(f"payment_intents/{payment}", method="GET", sends=True)
    harness.wait_until(lambda: door.call("GET", "/control/faults")[1]["rules"][0]["fired"], harness.START_SECONDS,
                       "the call to be held")
    assert door.call("DELETE", "/control/faults?match=other")[0] == 204
    assert [rule["match"] for rule in door.call("GET", "/control/faults")[1]["rules"]] == [payment]
    assert door.call("DELETE", f"/control/faults?match={payment}")[0] == 204
    assert read(held)[1]["id"] == payment
    assert door.look(payment)["id"] == payment


def test_a_redirect_leads_where_the_rule_says(door):
    payment = door.opened()
    door.fault("redirect", "confirm", count=1, location="http://127.0.0.1:1/elsewhere")
    status, _, headers = door.confirm(payment)
    assert (status, headers["Location"]) == (307, "http://127.0.0.1:1/elsewhere")
    assert door.look(payment)["status"] == "requires_confirmation"


@pytest.mark.parametrize("mode, field, truth", [
    ("wrong_amount", "amount", AMOUNT), ("wrong_currency", "currency", "eur"),
    ("wrong_id", "id", None), ("wrong_state", "status", "succeeded")])
def test_an_answer_lies_in_one_field(door, mode, field, truth):
    payment = door.opened()
    door.fault(mode, "confirm", count=1)
    told = door.confirm(payment)[1]
    assert told[field] != (truth or payment)
    assert door.look(payment)[field] == (truth or payment)


def test_a_list_of_refunds_lies_too(door):
    payment = door.charged()
    assert door.refund(payment)[0] == 200
    for mode, field, said in [("wrong_amount", "amount", AMOUNT + 1), ("wrong_currency", "currency", "usd"),
                              ("wrong_id", "id", "re_somebodyelse"), ("wrong_state", "status", "requires_action")]:
        door.fault(mode, "look_refunds", count=1)
        lists = [door.pay(f"refunds?payment_intent={payment}", method="GET")[1]["data"] for _ in range(2)]
        assert lists[0][0][field] == said and lists[1][0][field] != said
    assert door.ledger()["refunds"][0]["amount"] == AMOUNT


def test_a_repeated_answer_lies_too_but_only_while_the_fault_lasts(door):
    payment = door.opened()
    door.fault("wrong_amount", "confirm", count=2)
    assert [door.confirm(payment, "k")[1]["amount"] for _ in range(3)] == [AMOUNT + 1, AMOUNT + 1, AMOUNT]


def test_a_late_effect_comes_though_the_client_has_gone(door):
    payment = door.opened()
    door.fault("late", "confirm", count=1, delayMs=HELD_MS)
    connection = door.confirm(payment, sends=True)
    harness.wait_until(lambda: door.ledger()["calls"][-1]["fault"] == "late", SECONDS, "the confirmation")
    connection.close()
    assert door.look(payment)["status"] == "requires_confirmation"
    harness.wait_until(lambda: door.look(payment)["status"] == "succeeded", SECONDS, "the late effect")


def test_a_late_confirmation_of_a_cancelled_payment_is_refused(door):
    payment = door.opened()
    door.fault("late", "confirm", count=1, delayMs=HELD_MS)
    connection = door.confirm(payment, sends=True)
    harness.wait_until(lambda: door.ledger()["calls"][-1]["fault"] == "late", SECONDS, "the confirmation")
    assert door.cancel(payment)[0] == 200
    status, body, _ = read(connection)
    assert (status, body["error"]["code"]) == (400, "payment_intent_unexpected_state")


@pytest.mark.parametrize("mode, confirm_status, cancel_status, end", [
    ("confirm_before_cancel", 200, 400, "succeeded"), ("confirm_after_cancel", 400, 200, "canceled")])
def test_a_cancellation_races_a_confirmation(door, mode, confirm_status, cancel_status, end):
    payment = door.opened()
    door.fault(mode, "confirm", count=1)
    connection = door.confirm(payment, sends=True)
    harness.wait_until(lambda: door.ledger()["calls"][-1]["fault"] == mode, SECONDS, "the confirmation")
    assert door.cancel(payment)[0] == cancel_status
    assert read(connection)[0] == confirm_status
    assert door.look(payment)["status"] == end


def test_latency_delays_all_answers_of_one_api(door):
    payment = door.opened()
    assert door.control("latency", paymentMs=HELD_MS)[0] == 204
    connection = door.confirm(payment, sends=True)
    harness.wait_until(lambda: door.payment(payment)["status"] == "succeeded", SECONDS, "the effect")
    assert door.ledger(ORDER)["calls"][-1]["status"] == 0, "the effect comes first, the answer later"
    assert read(connection)[0] == 200
    assert door.ledger(ORDER)["calls"][-1]["status"] == 200


# ---- Rules ---------------------------------------------------------------------------------------------

def test_a_rule_skips_then_counts_and_matches_text(door):
    door.fault("503_before", "open", skip=1, count=1, match="ord_7")
    seen = [door.open(order=order)[0] for order in ("ord_7", "ord_8", "ord_7", "ord_7")]
    assert seen == [200, 200, 503, 200]


def test_chance_is_neither_never_nor_always(door):
    door.fault("503_before", "look_refunds", probability=0.5)
    payment = door.opened()
    seen = {door.pay(f"refunds?payment_intent={payment}", method="GET")[0] for _ in range(64)}
    assert seen == {200, 503}


@pytest.mark.parametrize("rule", [
    {"mode": "no such"}, {}, {"mode": "400", "probability": 1.5}, {"mode": "400", "count": "1"},
    {"mode": "400", "delay_ms": 5}, {"mode": "400", "match": "x" * 160},
    {"mode": "confirm_before_cancel", "path": "payments"}, {"mode": "left", "path": "confirm"},
    {"mode": "409", "order": "o" * 96}])
def test_a_rule_that_cannot_be_kept_is_refused(door, rule):
    assert door.control("faults", **rule)[0] == 400


def test_one_rule_too_many_is_refused(door):
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=harness.START_SECONDS)
    for expected in [204] * 2048 + [400]:
        connection.request("POST", "/control/faults", json.dumps({"mode": "429", "path": "ship", "order": "nobody's"}))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == expected
    connection.close()


@pytest.mark.parametrize("lever, body", [
    ("latency", "oops"), ("latency", '{"paymentMs": "1"}'), ("latency", '{"shippingMs": -1}'),
    ("latency", '{"paymentMs": 1.5}'), ("faults", "[]"), ("faults", '{"mode": "500_before", "mode": "late"}'),
    ("faults", '{"mode": "500_before", "path": 7}'), ("faults", '{"mode": "500_before", "skip": -1}'),
    ("faults", '{"mode": "500_before", "probability": -0.1}'), ("keys", ""), ("ship", "7"), ("ship", "{}"),
    ("ship", '{"requestId": "nobody\'s"}'), ("settle", "null"), ("settle", '{"id": "pi_nobody"}')])
def test_a_lever_that_is_pulled_wrongly_is_refused(door, lever, body):
    status, told, _ = door.call("POST", "/control/" + lever, body)
    assert (status, told["error"]["status"]) == (400, "INVALID_ARGUMENT"), told
    assert not door.call("GET", "/control/faults")[1]["rules"]
    assert door.opened()


def test_it_says_that_it_is_well(door):
    assert door.call("GET", "/healthz")[:2] == (200, {"status": "ok"})


def test_texts_of_others_are_told_as_they_are(door):
    text = "\"no\"\n\\ \x01\x7f \u20ac"
    payment = door.opened(**{"metadata[note]": text})
    assert door.look(payment)["metadata"]["note"] == text


def test_a_path_that_is_not_ascii_is_no_path(door):
    with socket.create_connection(("127.0.0.1", door.port), timeout=harness.START_SECONDS) as connection:
        connection.sendall("GET /v1/payment_intents/pi_\u00fc HTTP/1.0\r\n\r\n".encode())
        assert connection.makefile().readline().split()[1] == "404"


def test_a_rule_may_aim_at_one_order_whose_calls_do_not_name_it(door):
    door.fault("503_before", "*", order="ord_2")
    payment, other = door.opened(), door.pay("payment_intents", {
        "amount": 1, "currency": "eur", "payment_method": "pm_card_visa", "metadata[order_id]": "ord_3"})[1]["id"]
    assert door.open(order="ord_2")[0] == 503
    door.fault("500_after", "look", order="ord_3", count=1)
    assert [door.pay(f"payment_intents/{each}", method="GET")[0] for each in (payment, other, other)] == [200, 500, 200]
    assert [call["fault"] for call in door.ledger("ord_3")["calls"]] == [None, "500_after", None]
    door.fault("429", "look_refunds", order=ORDER)
    assert [door.pay(f"refunds?payment_intent={each}", method="GET")[0] for each in (payment, other)] == [429, 200]
    assert door.ship("r", order="ord_2")[0] == 503 and door.recall("ord_2.1.ship")[0] == 503
    assert door.recall("ord_22.1.ship")[0] == 200


def test_faults_of_shipping_speak_its_language(door):
    door.fault("429", "shipping", count=1)
    door.fault("500_after", "ship", count=1)
    assert door.ship("a")[1]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert door.ship("a")[1]["error"]["status"] == "INTERNAL"
    assert [row["created_count"] for row in door.ledger(ORDER)["shipments"]] == [1]
    assert len(door.ledger(ORDER)["calls"]) == 2


# ---- Idempotency keys ----------------------------------------------------------------------------------

def test_a_key_repeats_its_answer(door):
    first = door.open("k")
    again = door.open("k")
    assert first[1] == again[1] and "Idempotent-Replayed" not in first[2] and again[2]["Idempotent-Replayed"] == "true"
    assert len(door.ledger()["payments"]) == 1 and door.ledger()["payments"][0]["keys"] == ["k"]


def test_a_key_repeats_a_decline_but_not_a_validation(door):
    payment = door.opened(card="pm_card_chargeDeclined")
    assert [door.confirm(payment, "k")[0] for _ in range(2)] == [402, 402]
    assert door.payment(payment)["declined_count"] == 1
    assert door.open("v", amount=0)[0] == 400 and door.open("v")[0] == 200


def test_a_key_with_other_parameters_or_another_url_is_refused(door):
    payment = door.opened(key="k")
    assert door.open("k", amount=AMOUNT + 1)[1]["error"]["type"] == "idempotency_error"
    assert door.confirm(payment, "k")[1]["error"]["type"] == "idempotency_error"


def test_a_key_is_in_use_while_its_request_is_held_back(door):
    payment = door.opened()
    door.fault("late", "confirm", count=1, delayMs=HELD_MS)
    connection = door.confirm(payment, "k", sends=True)
    harness.wait_until(lambda: door.ledger()["calls"][-1]["fault"] == "late", SECONDS, "the confirmation")
    status, body, _ = door.confirm(payment, "k")
    assert (status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    assert read(connection)[0] == 200
    assert door.confirm(payment, "k")[2]["Idempotent-Replayed"] == "true"


def test_a_stored_500_is_repeated_and_another_is_not(door):
    payment = door.opened()
    door.fault("500_stored_before", "confirm", count=1)
    assert [door.confirm(payment, "k")[0] for _ in range(2)] == [500, 500]
    assert door.payment(payment)["confirmed_count"] == 0
    door.fault("500_before", "confirm", count=1)
    assert [door.confirm(payment, "l")[0] for _ in range(2)] == [500, 200]


@pytest.mark.parametrize("card, end", [("pm_card_visa", 200), ("pm_card_chargeDeclined", 402)])
def test_a_hidden_answer_is_what_the_key_repeats(door, card, end):
    payment = door.opened(card=card)
    door.fault("500_after", "confirm", count=2)
    assert [door.confirm(payment, "k")[0] for _ in range(3)] == [500, 500, end]
    ledger = door.payment(payment)
    assert ledger["confirmed_count"] + ledger["declined_count"] == 1


def test_an_expired_key_is_as_good_as_new(door):
    first = door.opened(key="k")
    assert door.control("keys", expire=True)[0] == 204
    assert door.opened(key="k") != first


def test_a_refund_never_exceeds_what_was_captured_even_with_keys_ignored(door):
    assert door.control("keys", ignore=True)[0] == 204
    payment = door.charged(key="k")
    assert door.charged(key="k") != payment
    assert [door.refund(payment, "r", amount=800)[0] for _ in range(2)] == [200, 400]
    assert [door.refund(payment, "r")[0] for _ in range(2)] == [200, 400]
    assert door.refund(payment, "r")[1]["error"]["code"] == "charge_already_refunded"
    assert door.payment(payment)["refunded"] == AMOUNT
    assert door.confirm(payment, "c")[0] == 400 and door.payment(payment)["confirmed_count"] == 1


@pytest.mark.parametrize("length, seen", [(255, 200), (256, 400)])
def test_a_key_has_at_most_255_characters(door, length, seen):
    assert door.open("k" * length)[0] == seen


# ---- Payments and refunds ------------------------------------------------------------------------------

def test_processing_ends_on_demand_or_by_itself(door):
    for mode_delay, ends in ((0, True), (0, False), (100, None)):
        payment = door.opened()
        door.fault("processing", "confirm", count=1, delayMs=mode_delay)
        assert door.confirm(payment)[1]["status"] == "processing"
        if ends is None:
            harness.wait_until(lambda id=payment: door.look(id)["status"] == "succeeded", SECONDS, "the settlement")
            continue
        assert door.cancel(payment)[0] == 400
        assert door.control("settle", id=payment, succeeds=ends)[0] == 204
        assert door.look(payment)["status"] == ("succeeded" if ends else "requires_payment_method")
        assert door.control("settle", id=payment, succeeds=ends)[0] == 400


def test_refunds_are_pending_or_fail(door):
    payment = door.charged()
    door.fault("failed", "refund", count=1)
    door.fault("processing", "refund", count=1)
    assert door.refund(payment)[1]["status"] == "failed"
    pending = door.refund(payment)[1]
    assert pending["status"] == "pending" and door.payment(payment)["refund_pending"] == AMOUNT
    assert door.refund(payment)[0] == 400, "what is pending cannot be refunded again"
    assert door.control("settle", id=pending["id"])[0] == 204
    listed = door.pay(f"refunds?payment_intent={payment}", method="GET")[1]
    assert [row["status"] for row in listed["data"]] == ["succeeded", "failed"], "newest first"
    assert door.pay(f"refunds?payment_intent={payment}&limit=1", method="GET")[1]["has_more"] is True
    assert door.payment(payment)["refunded"] == AMOUNT


def test_pending_refunds_end_by_themselves(door):
    payment = door.charged()
    door.fault("processing", "refund", count=1, delayMs=100)
    assert door.refund(payment)[1]["status"] == "pending"
    harness.wait_until(lambda: door.payment(payment)["refunded"] == AMOUNT, SECONDS, "the settlement")


@pytest.mark.parametrize("card, code, decline_code", [
    ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_authenticationRequired", "authentication_required", "authentication_required")])
def test_a_declined_payment_stays_open_and_may_be_cancelled(door, card, code, decline_code):
    payment = door.opened(card=card)
    status, body, _ = door.confirm(payment)
    assert (status, body["error"]["code"], body["error"]["decline_code"]) == (402, code, decline_code)
    assert body["error"]["payment_intent"]["status"] == "requires_payment_method"
    assert door.cancel(payment)[1]["status"] == "canceled"
    assert door.confirm(payment)[0] == 400


def test_with_a_customer_present_a_payment_waits_for_an_action(door):
    payment = door.opened(card="pm_card_authenticationRequired")
    assert door.pay(f"payment_intents/{payment}/confirm")[1]["status"] == "requires_action"


def test_a_payment_may_be_opened_and_confirmed_at_once(door):
    assert door.open(confirm="true", off_session="true")[1]["status"] == "succeeded"


@pytest.mark.parametrize("form, param", [
    ({"amount": "0"}, "amount"), ({"amount": "1.5"}, "amount"), ({"amount": "1000000000000"}, "amount"),
    ({"currency": "EUR"}, "currency"), ({"payment_method": "pm_none"}, "payment_method"),
    ({"colour": "red"}, "colour"), ({"off_session": "true"}, "off_session"),
    ({"metadata[" + "k" * 41 + "]": "v"}, "metadata"), ({"metadata[k]": "v" * 501}, "metadata"),
    ({"metadata[a\nb]": "v"}, "metadata")])
def test_a_parameter_that_is_wrong_is_named(door, form, param):
    status, body, _ = door.open(**form)
    assert (status, body["error"]["type"], body["error"]["param"]) == (400, "invalid_request_error", param)
    assert door.ledger()["payments"] == []


def test_limits_are_within_themselves(door):
    assert door.open(**{"metadata[" + "k" * 40 + "]": "v" * 500})[0] == 200
    assert door.open(amount=999999999999)[0] == 200


def test_only_the_bearer_of_the_key_may_call(door):
    assert door.call("POST", "/v1/payment_intents")[0] == 401
    status, body, _ = door.pay("payment_intents", Authorization="Bearer sk_other")
    assert status == 401 and "Invalid API Key" in body["error"]["message"]


def test_what_cannot_be_read_is_refused(door):
    assert door.pay("payment_intents", {"a": "b"}, Content_Type="application/json")[0] == 400
    assert door.pay("nothing", method="GET")[0] == 404
    assert door.pay("payment_intents/pi_none", method="GET")[0] == 404
    bearer = {"Authorization": "Bearer " + harness.API_KEY}
    assert door.call("POST", "/v1/payment_intents", "amount=%zz", bearer)[0] == 400


def test_payments_are_listed_newest_first_by_pages(door):
    ids = [door.opened() for _ in range(3)]
    page = door.pay("payment_intents?limit=2&created[gte]=1", method="GET")[1]
    assert [row["id"] for row in page["data"]] == [ids[2], ids[1]] and page["has_more"] is True
    page = door.pay("payment_intents?limit=2&starting_after=" + ids[1], method="GET")[1]
    assert [row["id"] for row in page["data"]] == [ids[0]] and page["has_more"] is False


def test_a_list_shows_the_charges_when_it_is_asked_to(door):
    payment = door.charged()
    assert door.refund(payment, amount="100")[0] == 200
    plain, whole = (door.pay("payment_intents?" + query, method="GET")[1]["data"][0]["latest_charge"]
                    for query in ("limit=1", "limit=1&expand[]=data.latest_charge"))
    assert (whole["id"], whole["amount_refunded"], whole["refunded"]) == (plain, 100, False)


# ---- Shipping ------------------------------------------------------------------------------------------

def test_one_request_id_is_one_shipment(door):
    first = door.ship("ord_1.1.ship")
    assert first[0] == 200 and first[1]["state"] == "ACCEPTED" and door.ship("ord_1.1.ship")[1] == first[1]
    shipment = door.ledger(ORDER)["shipments"][0]
    assert (shipment["created_count"], shipment["request_count"]) == (1, 2)


def test_a_recall_bars_what_has_not_come_yet(door):
    assert door.recall("ord_1.1.ship")[1] == {"id": "", "state": "CANCELLED"}
    assert door.ship("ord_1.1.ship")[1]["error"]["status"] == "FAILED_PRECONDITION"
    ledger = door.ledger(ORDER)
    assert [row["state"] for row in ledger["shipments"]] == ["BARRED"] and len(ledger["calls"]) == 2
    assert ledger["counters"]["shipments_live"] == 0


def test_a_recall_may_be_repeated(door):
    door.ship("ord_1.1.ship")
    assert [door.recall("ord_1.1.ship")[1]["state"] for _ in range(2)] == ["CANCELLED", "CANCELLED"]
    assert door.ship("ord_1.1.ship")[0] == 400


@pytest.mark.parametrize("mode, seen", [("left", 200), ("500_left", 500)])
def test_a_shipment_may_leave_at_once(door, mode, seen):
    door.fault(mode, "ship", count=1)
    assert door.ship("r")[0] == seen
    assert [row["state"] for row in door.ledger(ORDER)["shipments"]] == ["LEFT"]
    assert door.recall("r")[1]["error"]["status"] == "FAILED_PRECONDITION"
    assert door.ship("r")[1]["state"] == "ACCEPTED"


def test_a_shipment_that_has_left_is_not_recalled(door):
    first = door.ship("ord_1.1.ship")[1]
    assert door.control("ship", requestId="ord_1.1.ship")[0] == 204
    status, body, _ = door.recall("ord_1.1.ship")
    assert (status, body["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert door.ship("ord_1.1.ship")[1] == first
    assert door.ledger(ORDER)["shipments"][0]["state"] == "LEFT"


@pytest.mark.parametrize("request_id, region, recipient, seen", [
    ("a", "ZZ", "A", 400), ("a", "DE", "REJECT ME", 400), ("", "DE", "A", 400),
    ("x" * 255, "DE", "A", 200), ("x" * 256, "DE", "A", 400)])
def test_what_is_not_shipped(door, request_id, region, recipient, seen):
    assert door.ship(request_id, region, recipient)[0] == seen
    assert door.ledger()["counters"]["shipments_live"] == (seen == 200)


# ---- Ledger and program --------------------------------------------------------------------------------

def test_the_ledger_of_an_order_is_only_that_order(door):
    mine, other = door.charged(), door.charged(order="ord_2")
    door.refund(mine)
    door.ship("ord_2.1.ship", order="ord_2")
    ledger = door.ledger(ORDER)
    assert [row["id"] for row in ledger["payments"]] == [mine] and ledger["shipments"] == []
    assert [call["path"] for call in ledger["calls"]] == [
        "/v1/payment_intents", f"/v1/payment_intents/{mine}/confirm", "/v1/refunds"]
    assert {key: ledger["counters"][key] for key in ("payments", "payments_confirmed", "payments_refunded")} == {
        "payments": 1, "payments_confirmed": 1, "payments_refunded": 1}
    assert {row["id"] for row in door.ledger()["payments"]} == {mine, other}
    assert door.ledger("nobody")["payments"] == []


def test_a_reset_drops_what_is_held_back_and_spares_delayed_answers(door):
    held, delayed = door.opened(), door.opened()
    door.fault("late", "confirm", count=1, delayMs=60000, match=held)
    door.fault("latency", "confirm", count=1, delayMs=HELD_MS, match=delayed)
    door.fault("processing", "confirm", count=1, delayMs=HELD_MS)
    door.confirm(door.opened(), "p")
    connections = [door.confirm(payment, "k" + payment, sends=True) for payment in (held, delayed)]
    harness.wait_until(lambda: door.payment(delayed)["status"] == "succeeded", SECONDS, "the effect")
    assert door.call("POST", "/ledger/reset")[0] == 204
    with pytest.raises(NO_ANSWER):
        read(connections[0])
    assert read(connections[1])[1]["id"] == delayed
    ledger = door.ledger()
    assert (ledger["payments"], ledger["calls"], ledger["counters"]["calls"]) == ([], [], 0)
    assert door.opened() not in (held, delayed)


def test_the_ledger_is_full_after_as_many_payments_as_allowed(start):
    door = start("--max-payments", "2")
    payments = [door.charged() for _ in range(2)]
    assert door.open()[0] == 503
    assert [door.refund(payments[0], amount=1)[0] for _ in range(3)] == [200, 200, 503]
    assert [door.ship(name)[0] for name in "abc"] == [200, 200, 503] and door.recall("d")[0] == 503
    assert len(door.ledger()["payments"]) == 2


def test_it_ends_cleanly_with_everything_pending(start):
    door = start()
    held, dripping, processing, gone = (door.opened() for _ in range(4))
    door.fault("processing", "confirm", count=1, delayMs=60000, match=processing)
    door.fault("confirm_before_cancel", "confirm", count=1, match=held)
    door.fault("drip", "confirm", count=1, match=dripping)
    door.fault("timeout", "confirm", count=1, match=gone)
    door.confirm(processing)
    left = door.confirm(gone, sends=True)
    connections = [door.confirm(payment, sends=True) for payment in (held, dripping)]
    harness.wait_until(lambda: len(door.ledger()["calls"]) == 8, SECONDS, "the calls")
    left.close()
    door.ledger()
    door.process.send(15)
    assert door.process.wait() == 0
    del connections


def test_latency_and_seed_are_arguments(start):
    door = start("--latency", "1ms", "--seed", "-7")
    assert door.opened().startswith("pi_")


@pytest.mark.parametrize("arguments", [
    ["--colour", "red"], ["--listen"], ["--listen", "nowhere"], ["--listen", "127.0.0.1:65536"], ["--latency", "5"],
    ["--latency", "3601s"], ["--max-payments", "0"], ["--seed", "x"], ["--api-key", ""],
    ["--api-key-file", "/does/not/exist"], ["surplus"]])
def test_bad_arguments_end_it_with_2(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and "--help" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("text", ["", "\n", "sk_" + "x" * 5000])
def test_a_key_file_without_a_key_that_fits_ends_it_with_2(tmp_path, text):
    (tmp_path / "key").write_text(text)
    assert run("--api-key-file", str(tmp_path / "key")).returncode == 2


def test_without_a_port_file_it_tells_where_it_listens(tmp_path):
    process = harness.Process("orderd-sandbox", [harness.program("orderd-sandbox"), "--listen", "127.0.0.1:0"], tmp_path)
    port = process.wait_for_log(r"listens on 127\.0\.0\.1:(\d+)\n")[1]
    assert harness.http(f"http://127.0.0.1:{port}/healthz")[0] == 200
    assert process.stop() == 0


def test_a_port_in_use_ends_it_with_1(door):
    assert run("--listen", f"127.0.0.1:{door.port}").returncode == 1


def test_a_port_file_that_cannot_be_written_ends_it_with_1():
    done = run("--listen", "127.0.0.1:0", "--port-file", "/does/not/exist")
    assert done.returncode == 1 and "/does/not/exist" in done.stderr


def test_help_and_version():
    assert "--port-file" in run("--help").stdout and run("--version").stdout.startswith("orderd-sandbox ")


def run(*arguments):
    return subprocess.run([harness.program("orderd-sandbox"), *arguments], check=False, capture_output=True, text=True,
                          timeout=harness.START_SECONDS)
