"""The person on call: orders found, shown and mended with orderctl, recovery paused, figures that tell of it."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

import harness
import invariants
from stand import PLACE, QUANTITY, REST_SECONDS, Call, Stand, payments_of, stopped_postgres

REASON = "the provider was down — ticket 7"
NOBODY = "01a20b62-3295-7944-9c36-0f2868c9cd05"


@pytest.fixture(scope="module", name="stand")
def fixture_stand(postgres):
    stand = Stand(postgres, WORKERS="1", UNDO_TIME="2s", LEASE="1s")
    yield stand
    invariants.check(stand.url, stand.sandbox.ledger)
    stand.close()


def orderctl(stand, *arguments):
    return subprocess.run([harness.program("orderctl"), "--admin", stand.orderd.admin_url, "--operator", "ada",
                           *arguments], check=False, capture_output=True, text=True, timeout=60)


def ask(stand, *arguments):
    """What orderctl prints, as JSON."""
    done = orderctl(stand, "--json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def gauge(stand, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", stand.orderd.metrics(), re.MULTILINE)[1])


def wait_for_gauge(stand, name, value):
    harness.wait_until(lambda: gauge(stand, name) == value, REST_SECONDS, f"{name} to be {value}")


def stuck_order(stand):
    """Rejected by the shipping service, and its money cannot be given back for longer than UNDO_TIME."""
    call = Call(stand, PLACE, region="ZZ")
    stand.add_fault("refund", "500_before")
    assert call.send().reason == "FULFILLMENT_REJECTED"
    stand.wait_for(call.order_id, {"STUCK"})
    stand.sandbox.clear_faults()
    return call


def refund_by_hand(stand, order_id):
    """As somebody would in the provider's own pages."""
    payment = stand.sandbox.ledger(order_id)["payments"][-1]
    request = urllib.request.Request(
        stand.sandbox.url + "/v1/refunds", urllib.parse.urlencode({"payment_intent": payment["id"]}).encode(),
        {"Authorization": f"Bearer {harness.API_KEY}", "Idempotency-Key": f"by-hand-{order_id}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["status"] == "succeeded"


def last_event(stand, order_id):
    return ask(stand, "show", order_id)["events"][-1]


# ------------------------------------------------------------------------------------------ looking


def test_a_stuck_order_is_found_and_shown(stand):
    call = stuck_order(stand)
    found = ask(stand, "orders", "--state", "STUCK")["orders"]
    assert [order["stuckState"] for order in found if order["id"] == call.order_id] == ["REFUNDING"]
    assert call.order_id in {order["id"] for order in ask(stand, "orders")["orders"]}
    assert not ask(stand, "orders", "--state", "STUCK", "--older-than", "1h")["orders"]

    shown = ask(stand, "show", call.order_id)
    assert shown["order"]["state"] == "STUCK"
    assert shown["order"]["reason"] == "FULFILLMENT_REJECTED"
    assert [step["kind"] for step in shown["attempts"][0]["steps"]] == ["RESERVE", "CHARGE", "FULFILL", "REFUND"]
    assert [event["revision"] for event in shown["events"]] == list(range(1, len(shown["events"]) + 1))

    table = orderctl(stand, "show", call.order_id)
    assert (table.returncode, table.stderr) == (0, "")
    for words in (call.order_id, "STUCK in REFUNDING", "FULFILLMENT_REJECTED", "REFUND", "UNKNOWN"):
        assert words in table.stdout
    assert call.order_id in orderctl(stand, "orders", "--state", "STUCK").stdout


def test_lists_are_cut_and_go_on(stand):
    known = {call.order_id for call in (Call(stand, PLACE) for _ in range(3)) if call.send()}
    found, before = [], []
    while True:
        page = ask(stand, "orders", "--state", "FULFILLED", "--limit", "1", *before)
        found += [order["id"] for order in page["orders"]]
        if "nextBefore" not in page:
            break
        assert len(page["orders"]) == 1
        before = ["--before", page["nextBefore"]]
    assert known <= set(found)
    assert found == sorted(found, reverse=True)


# ------------------------------------------------------------------------------------------ mending


def test_a_stuck_order_that_is_tried_again_ends_with_its_money_back(stand):
    call = stuck_order(stand)
    done = orderctl(stand, "retry", call.order_id, "--reason", REASON)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is REFUNDING now" in done.stdout
    stand.wait_for(call.order_id, {"FAILED"})
    assert payments_of(stand, call.order_id) == ("refunded",)
    assert call.taken() == 0
    audited = [event for event in ask(stand, "show", call.order_id)["events"] if event["operator"]]
    assert [(event["state"], event["operator"], event["operatorReason"]) for event in audited] == [
        ("REFUNDING", "ada", REASON)]
    assert re.search(r'"order changed by hand".*"operator":"ada"', stand.orderd.log())


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_stuck_order_that_was_mended_by_hand_ends(stand, state):
    call = stuck_order(stand)
    assert call.taken() == QUANTITY
    refund_by_hand(stand, call.order_id)
    told = ask(stand, "resolve", call.order_id, "--state", state, "--reason", REASON)
    assert told["state"] == state == stand.state(call.order_id)
    assert call.taken() == 0
    event = last_event(stand, call.order_id)
    assert (event["state"], event["operator"], event["operatorReason"]) == (state, "ada", REASON)
    assert event["revision"] == told["revision"] == stand.shop.order(call.order_id).revision
    if state == "FAILED":  # it may be processed again, and is refused again
        assert call.of_another().send().reason == "FULFILLMENT_REJECTED"
        assert stand.at_rest(call.order_id).attempt == 2


def test_an_order_that_fails_again_is_stuck_again(stand):
    call = stuck_order(stand)
    stand.add_fault("refund", "500_before")
    ask(stand, "retry", call.order_id, "--reason", "too early")
    stand.wait_for(call.order_id, {"STUCK"})
    stand.sandbox.clear_faults()
    ask(stand, "retry", call.order_id, "--reason", "now")
    stand.wait_for(call.order_id, {"FAILED"})


def test_what_is_not_stuck_is_left_alone(stand):
    call = Call(stand, PLACE)
    call.send()
    for arguments in (("retry", call.order_id), ("resolve", call.order_id, "--state", "FAILED")):
        refused = orderctl(stand, *arguments, "--reason", REASON)
        assert refused.returncode == 1
        assert "ORDER_STATE_INVALID" in refused.stderr
    assert stand.state(call.order_id) == "FULFILLED"
    unknown = orderctl(stand, "show", NOBODY)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "ORDER_NOT_FOUND" in unknown.stderr


# ---------------------------------------------------------------------------------- recovery, figures


def test_paused_recovery_takes_over_nothing_until_it_is_resumed(stand):
    call = stuck_order(stand)
    assert "PAUSED" in orderctl(stand, "pause", "--reason", REASON).stdout
    assert gauge(stand, "recovery_paused") == 1
    time.sleep(0.5)  # it is heeded at the next tick
    ask(stand, "retry", call.order_id, "--reason", REASON)
    time.sleep(2.5)  # more than two passes
    assert stand.state(call.order_id) == "REFUNDING"
    assert ask(stand, "batches")["recoveryPaused"] is True
    assert ask(stand, "resume", "--reason", "over") == {"recoveryPaused": False}
    stand.wait_for(call.order_id, {"FAILED"})
    assert gauge(stand, "recovery_paused") == 0


def test_batches_and_queues_are_told(stand):
    told = ask(stand, "batches")
    assert told["batchMax"] == 128
    assert told["workers"][0]["breakers"] == {"payment": "CLOSED", "fulfillment": "CLOSED"}
    assert all(lane["ready"] == lane["count"] > 0 for lane in told["workers"][0]["connections"].values())
    assert {row["statement"]: row["lastBatch"] for row in told["statements"]}["saga_claim"] >= 1
    table = orderctl(stand, "batches").stdout
    assert "recovery runs" in table and "saga_claim" in table


def test_gauges_follow_the_orders(stand):
    before = int(stand.sql("SELECT count(*) FROM orders WHERE state = 'STUCK'"))
    wait_for_gauge(stand, "orders_stuck", before)
    call = stuck_order(stand)
    wait_for_gauge(stand, "orders_stuck", before + 1)
    assert gauge(stand, "db_client_up") == 1
    stand.add_fault("refund", "500_before")
    ask(stand, "pause", "--reason", REASON)
    ask(stand, "retry", call.order_id, "--reason", REASON)
    wait_for_gauge(stand, "orders_undoing", 1)
    harness.wait_until(lambda: gauge(stand, "orders_oldest_not_at_rest_seconds") >= 1, REST_SECONDS, "an age")
    stand.sandbox.clear_faults()
    ask(stand, "resume", "--reason", REASON)
    stand.wait_for(call.order_id, {"FAILED"})
    wait_for_gauge(stand, "orders_undoing", 0)
    wait_for_gauge(stand, "orders_oldest_not_at_rest_seconds", 0)


# -------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("arguments", [
    (), ("orders", "extra"), ("show",), ("retry", NOBODY), ("resolve", NOBODY, "--reason", "x"), ("dance",),
    ("show", NOBODY, "--state", "STUCK"), ("orders", "--state"), ("orders", "--colour", "red"), ("pause",)])
def test_a_wrong_command_line_is_told(stand, arguments):
    done = orderctl(stand, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("orderctl: ")


def test_help_tells_every_command(stand):
    told = orderctl(stand, "--help")
    assert told.returncode == 0
    for name in ("orders", "show", "retry", "resolve", "pause", "resume", "batches"):
        assert f"  {name} " in told.stdout or f"  {name}\n" in told.stdout


def test_a_port_that_nobody_listens_on_is_told(stand):
    done = orderctl(stand, "--admin", f"http://127.0.0.1:{harness.free_port()}", "orders")
    assert (done.returncode, done.stdout) == (1, "")
    assert "connect" in done.stderr


@pytest.mark.parametrize("status, body, told", [
    ("200 OK", b"<html>welcome</html>", "the answer cannot be read"),
    ("200 OK", b"", "the answer cannot be read"),
    ("200 OK", b'["an order"]', "the answer cannot be read"),
    ("502 Bad Gateway", b"<html>come back later</html>", "the answer was 502, and not one of orderd"),
    ("301 Moved Permanently", b"", "the answer was 301, and not one of orderd")])
def test_a_port_of_somebody_else_is_told(status, body, told):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with subprocess.Popen(
                [harness.program("orderctl"), "orders"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**os.environ, "ORDERD_ADMIN_URL": f"http://127.0.0.1:{listener.getsockname()[1]}"}) as asker:
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                assert asker.communicate(timeout=60) == ("", f"orderctl: {told}\n")
            assert asker.returncode == 1


ORDERS, ONE = "/debug/orders", f"/debug/orders/{NOBODY}"
GOOD = b'{"reason": "x", "operator": "ada"}'


@pytest.mark.parametrize("path, body, status, reason", [
    (ORDERS + "?state=HAPPY", None, 400, "REQUEST_INVALID"),
    (ORDERS + "?older_than=10", None, 400, "REQUEST_INVALID"),
    (ORDERS + "?limit=1001", None, 400, "REQUEST_INVALID"),
    (ORDERS + "?before=x", None, 400, "REQUEST_INVALID"),
    (ORDERS + "?colour=red", None, 400, "REQUEST_INVALID"),
    (ORDERS + "?limit=1&limit=2", None, 400, "REQUEST_INVALID"),
    (ORDERS + "?state=%zz", None, 400, "REQUEST_INVALID"),
    (ORDERS, GOOD, 405, "METHOD_NOT_ALLOWED"),
    (ONE, None, 404, "ORDER_NOT_FOUND"),
    (ONE + ":retry", None, 405, "METHOD_NOT_ALLOWED"),
    (ONE + ":retry", GOOD, 404, "ORDER_NOT_FOUND"),
    (ONE + ":retry", b"[]", 400, "JSON_INVALID"),
    (ONE + ":retry", b"{", 400, "JSON_INVALID"),
    (ONE + ":retry", b'{"reason": "x"}', 400, "REQUEST_INVALID"),
    (ONE + ":retry", b'{"reason": " ", "operator": 7}', 400, "REQUEST_INVALID"),
    (ONE + ":retry", b'{"reason": "x", "operator": "a", "state": "FAILED"}', 400, "REQUEST_INVALID"),
    (ONE + ":retry", b'{"reason": "%s", "operator": "a"}' % (b"x" * 501), 400, "REQUEST_INVALID"),
    (ONE + ":resolve", GOOD, 400, "REQUEST_INVALID"),
    (ONE + ":resolve", b'{"reason": "x", "operator": "a", "state": "FULFILLED"}', 400, "REQUEST_INVALID"),
    (ONE + ":dance", GOOD, 404, "ROUTE_NOT_FOUND"),
    ("/debug/orders/x", None, 404, "ROUTE_NOT_FOUND"),
    ("/debug/", None, 404, "ROUTE_NOT_FOUND"),
])
def test_errors_have_the_one_shape(stand, path, body, status, reason):
    told, text = harness.http(stand.orderd.admin_url + path, body)
    error = json.loads(text)["error"]
    assert (told, error["code"]) == (status, status), text
    assert reason in {detail.get("reason") for detail in error["details"]}, text


def test_an_operator_who_goes_away_leaves_nothing_behind(stand):
    with stopped_postgres(stand):
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", stand.orderd.admin_port), timeout=30) as connection:
                connection.sendall(b"GET /debug/orders HTTP/1.1\r\nHost: x\r\n\r\n")
                time.sleep(0.2)
    assert "orders" in ask(stand, "orders")


def test_a_change_must_say_that_it_is_json(stand):
    request = urllib.request.Request(stand.orderd.admin_url + ONE + ":retry", GOOD, {"Content-Type": "text/plain"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 415


@pytest.mark.parametrize("media_type, status", [
    ("application/json; charset=utf-8", 404), ("Application/JSON;charset=utf-8", 404), ("application/json ", 404),
    ("application/jsonp", 415), ("multipart/form-data", 415)])
def test_json_may_be_said_in_more_than_one_way(stand, media_type, status):
    request = urllib.request.Request(stand.orderd.admin_url + ONE + ":retry", GOOD, {"Content-Type": media_type})
    with pytest.raises(urllib.error.HTTPError) as told:  # there is no such order
        urllib.request.urlopen(request, timeout=30)
    assert told.value.code == status


def test_without_the_database_the_operator_is_told_so(stand):
    with stopped_postgres(stand):
        asked = orderctl(stand, "orders")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "STORE_UNAVAILABLE" in asked.stderr


# ------------------------------------------------------------------------------------ reconciliation


KINDS = ("NO_ORDER", "NOT_WRITTEN_DOWN", "KEPT", "AMOUNT", "NOT_PAID", "MISSING")


class Reconciled(Stand):
    """A stand whose orders are compared with payments all the time."""

    def differences(self):
        return {kind: int(gauge(self, f'payment_differences{{kind="{kind}"}}')) for kind in KINDS}

    def wait_for_differences(self, **expected):
        expected = {kind: expected.get(kind, 0) for kind in KINDS}
        harness.wait_until(lambda: self.differences() == expected, 2 * REST_SECONDS, f"differences {expected}")

    def pay(self, path, key, **form):
        request = urllib.request.Request(
            f"{self.sandbox.url}/v1/{path}", urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Bearer {harness.API_KEY}", "Idempotency-Key": key})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module", name="reconciled")
def fixture_reconciled(postgres):
    stand = Reconciled(postgres, WORKERS="1", UNDO_TIME="2s", LEASE="1s", RECONCILE_EVERY="1s")
    yield stand
    stand.close()


def test_orders_that_agree_differ_in_nothing(reconciled):
    calls = [Call(reconciled, PLACE) for _ in range(3)]
    assert all(call.send().payment_id for call in calls)
    Call(reconciled, PLACE, card="pm_card_chargeDeclined").send()
    Call(reconciled, PLACE, region="ZZ").send()
    harness.wait_until(lambda: gauge(reconciled, "payment_reconciliation_time_seconds") > time.time() - 5,
                       REST_SECONDS, "a run")
    reconciled.wait_for_differences()


def test_a_payment_of_no_order_is_found(reconciled):
    stranger = {"amount": "100", "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true"}
    reconciled.pay("payment_intents", "of-another-shop", **stranger)
    payment = reconciled.pay("payment_intents", "of-no-order", **stranger, **{
        "metadata[order_id]": NOBODY, "metadata[attempt]": "1"})
    reconciled.wait_for_differences(NO_ORDER=1)
    assert re.search(f'"order_id":"{NOBODY}","payment_id":"{payment["id"]}","difference":"NO_ORDER"',
                     reconciled.orderd.log())
    reconciled.pay("refunds", "of-no-order-back", payment_intent=payment["id"])
    reconciled.wait_for_differences()


def test_an_order_resolved_while_its_money_is_held_is_found(reconciled):
    call = stuck_order(reconciled)
    ask(reconciled, "resolve", call.order_id, "--state", "FAILED", "--reason", "I did not look")
    reconciled.wait_for_differences(KEPT=1)
    refund_by_hand(reconciled, call.order_id)
    reconciled.wait_for_differences()


def test_orders_that_do_not_fit_their_payment_are_found(reconciled):
    given_back, other_amount, gone = calls = [Call(reconciled, PLACE) for _ in range(3)]
    for call in calls:
        call.send()
    refund_by_hand(reconciled, given_back.order_id)
    reconciled.sql(f"UPDATE orders SET total_minor = total_minor + 1 WHERE id = '{other_amount.order_id}'")
    reconciled.sql(f"UPDATE attempt SET payment_id = 'pi_gone' WHERE order_id = '{gone.order_id}'")
    reconciled.wait_for_differences(NOT_PAID=1, AMOUNT=1, NOT_WRITTEN_DOWN=1, MISSING=1)


def test_a_list_that_fails_tells_nothing_and_stops_no_order(reconciled):
    reconciled.add_fault("list", "500_before")
    reconciled.orderd.wait_for_log("orders could not be compared with payments")
    before = gauge(reconciled, "payment_reconciliation_time_seconds")
    for _ in range(3):
        assert Call(reconciled, PLACE).send().payment_id
    reconciled.sandbox.clear_faults()
    harness.wait_until(lambda: gauge(reconciled, "payment_reconciliation_time_seconds") > before, 2 * REST_SECONDS,
                       "the next run")


def test_two_replicas_tell_the_same_and_take_turns(reconciled, folder):
    second = harness.Orderd(folder, reconciled.url, reconciled.sandbox, RECONCILE_EVERY="1s")
    expected = reconciled.differences()
    reconciled.orderd.send(signal.SIGSTOP)  # only the second one is left to do it
    try:
        def told():
            return {kind: int(re.search(rf'^payment_differences{{kind="{kind}"}} (\d+)$', second.metrics(),
                                        re.MULTILINE)[1]) for kind in KINDS}
        harness.wait_until(lambda: "orders compared with payments" in second.log(), 2 * REST_SECONDS, "its run")
        harness.wait_until(lambda: told() == expected, REST_SECONDS, "the same differences")
    finally:
        reconciled.orderd.send(signal.SIGCONT)
    second.stop_clean()
