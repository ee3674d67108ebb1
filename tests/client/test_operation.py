"""orderd as those who run it see it: settings, ports, probes, the log, starting and ending."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import grpc
import psycopg
import pytest

import harness
from ledger import payments_of
from client import Order, Shop, answer_of, health_pb2, money, refused, unique, until_told

SERVING, NOT_SERVING = 1, 2

# ---------------------------------------------------------------------------------- the command line


def test_help_names_every_setting():
    done = harness.run_orderd("--help")
    assert done.returncode == 0
    for name in ("GRPC_ADDR", "DATABASE_URL", "PAYMENT_URL", "BATCH_MAX", "DRAIN_TIMEOUT", "--check-config"):
        assert name in done.stdout


def test_version_names_the_libraries():
    done = harness.run_orderd("--version")
    assert done.returncode == 0
    assert re.search(r"orderd \d+\.\d+", done.stdout)
    for library in ("grpc", "protobuf-c", "libpq", "libcurl", "libevent"):
        assert library in done.stdout.lower()


COMPLETE = {"DATABASE_URL": "host=/nowhere", "PAYMENT_URL": "http://localhost:1",
            "FULFILLMENT_URL": "http://localhost:1"}


def test_a_configuration_is_checked_without_starting():
    done = harness.run_orderd("--check-config", **COMPLETE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments, environment, named", [
    (["--no-such-flag"], COMPLETE, "no-such-flag"),
    (["--no-such-flag", "1"], COMPLETE, "no-such-flag"),
    (["extra"], COMPLETE, "extra"),
    (["--batch-max", "0"], COMPLETE, "BATCH_MAX"),
    (["--check-config", "--batch-max=many"], COMPLETE, "BATCH_MAX"),
    ([], {**COMPLETE, "LEASE": "10"}, "LEASE"),
    ([], {**COMPLETE, "GRPC_ADDR": "50051"}, "GRPC_ADDR"),
    ([], {**COMPLETE, "AUTH": "perhaps"}, "AUTH"),
    ([], {**COMPLETE, "CORS_ORIGINS": "https://a.example/"}, "CORS_ORIGINS"),
    ([], {**COMPLETE, "PAYMENT_URL": "ftp://x"}, "PAYMENT_URL"),
    ([], {"PAYMENT_URL": "http://x", "FULFILLMENT_URL": "http://x"}, "DATABASE_URL"),
    (["--check-config"], {**COMPLETE, "PAYMENT_API_KEY_FILE": "/no/such/file"}, "PAYMENT_API_KEY_FILE"),
    (["--config", "/no/such/file"], COMPLETE, "/no/such/file"),
    (["--check-config", "--config", "/"], COMPLETE, "/"),
    (["--check-config"], {**COMPLETE, "DATABASE_URL": "no_such_keyword=1"}, "DATABASE_URL"),
])
def test_a_wrong_setting_is_named_and_ends_with_2(arguments, environment, named):
    done = harness.run_orderd(*arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_settings_come_from_a_file_then_the_environment_then_the_command_line(tmp_path):
    file = tmp_path / "orderd.conf"
    file.write_text("# comment\nbatch_max = nonsense\n")
    done = harness.run_orderd("--check-config", "--config", str(file), **COMPLETE)
    assert done.returncode == 2
    assert "BATCH_MAX" in done.stderr and "line 2" in done.stderr
    file.write_text("database_url = host=/nowhere\npayment-url = http://x\nFULFILLMENT_URL = http://x\n")
    assert harness.run_orderd("--check-config", "--config", str(file)).returncode == 0
    file.write_text("no_such_setting = 1\n")
    done = harness.run_orderd("--check-config", "--config", str(file), **COMPLETE)
    assert done.returncode == 2 and "no_such_setting" in done.stderr


@pytest.mark.parametrize("setting", ["GRPC_ADDR", "ADMIN_ADDR", "HTTP_ADDR"])
def test_a_taken_port_is_an_error_in_words(orderd, postgres, sandbox, setting):
    taken = {"GRPC_ADDR": orderd.grpc_port, "ADMIN_ADDR": orderd.admin_port, "HTTP_ADDR": orderd.http_port}[setting]
    addresses = {**dict.fromkeys(("GRPC_ADDR", "ADMIN_ADDR", "HTTP_ADDR"), "127.0.0.1:0"),
                 setting: f"127.0.0.1:{taken}"}
    done = harness.run_orderd(
        DATABASE_URL=postgres.url("orderd"), PAYMENT_URL=sandbox.url, FULFILLMENT_URL=sandbox.url, **addresses)
    assert done.returncode not in (0, 2), done.stderr
    assert str(taken) in done.stderr
    assert "in use" in done.stderr.lower()


def test_more_connections_than_files_may_be_open_are_refused_at_the_start():
    done = subprocess.run(["prlimit", "--nofile=5000:5000", harness.program("orderd")], check=False, text=True,
                          capture_output=True, timeout=harness.START_SECONDS, env={**os.environ, **COMPLETE})
    assert done.returncode == 2, done.stderr
    assert "MAX_CONNECTIONS 10000 needs a limit of more than 13072 open files, it is 5000" in done.stderr


# ------------------------------------------------------------------------------------------- schema


def test_one_migrates_and_the_others_start_without(postgres, own_orderd):
    url = postgres.create_database(unique("migrated"))
    refused_start = harness.run_orderd(**{**COMPLETE, "DATABASE_URL": url, "MIGRATE": "off"})
    assert refused_start.returncode == 1, refused_start.stderr
    assert "the database has no schema: it was never migrated" in refused_start.stderr

    for count in (r"[1-9]\d*", "0"):  # the second time there is nothing to do
        done = harness.run_orderd("--migrate", DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(f"applied {count} migrations\n", done.stdout)

    shop = Shop(own_orderd(DATABASE_URL=url, MIGRATE="off").grpc_addr)
    assert shop.place((shop.product(), 1)).order_id
    shop.close()


def test_a_migration_without_its_database_ends_with_an_error():
    done = harness.run_orderd("--migrate", DATABASE_URL="host=/nowhere/at/all")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("orderd: no connection to the database: ")
    assert harness.run_orderd("--migrate").returncode == 2


# ------------------------------------------------------------------------------------------- probes


def test_the_probes_answer_and_the_metrics_count(shop, orderd):
    assert harness.http(orderd.admin_url + "/livez")[0] == 200
    assert harness.http(orderd.admin_url + "/readyz")[0] == 200
    assert harness.http(orderd.admin_url + "/no-such-page")[0] == 404

    def fulfilled():
        return int(re.search(r"^orders_fulfilled_total (\d+)", orderd.metrics(), re.MULTILINE)[1])
    before = fulfilled()
    shop.place((shop.product(), 1))
    assert fulfilled() == before + 1
    metrics = orderd.metrics()
    for name in ("rpc_server_calls_total", "rpc_server_call_duration_seconds_bucket", "db_client_batches_total",
                 "db_client_connections", "process_resident_memory_bytes"):
        assert re.search(rf"^{name}[ {{]", metrics, re.MULTILINE), name
    assert re.search(r'^rpc_server_calls_total\{[^}]*PlaceOrder[^}]*code="OK"[^}]*\} [1-9]', metrics, re.MULTILINE)


def test_every_request_and_transition_is_a_line_of_json(shop, orderd):
    order = shop.create((shop.product(), 1))
    shop.process(order)

    def lines():
        return [json.loads(line) for line in orderd.log().splitlines() if order.id in line]
    harness.wait_until(lambda: len(lines()) >= 4, 20, "the lines of an order")
    for line in lines():
        assert {"timestamp", "severity", "message"} <= line.keys()
    assert any("ProcessOrder" in json.dumps(line) for line in lines())
    assert any("FULFILLED" in json.dumps(line) for line in lines())


def test_a_read_that_went_well_is_a_line_too(shop, orderd):
    def count():
        return sum('"shop.v1.Catalog/GetProduct"' in line for line in orderd.log().splitlines())
    product = shop.product()
    before = count()
    for _ in range(3):
        shop.available(product)
    harness.wait_until(lambda: count() == before + 3, 20, "a line a read")


# ------------------------------------------------------------------------- when others are not there


def test_a_payment_provider_that_is_down_fails_the_order_and_invites_a_retry(own_orderd, sandbox):
    class Down:
        """A sandbox nobody listens for."""
        url = f"http://127.0.0.1:{harness.free_port()}"
        key_file = sandbox.key_file
    orderd = own_orderd(sandbox=Down, FULFILLMENT_URL=sandbox.url, TRY_TIMEOUT="500ms", FORWARD_TIME="1s")
    shop = Shop(orderd.grpc_addr)
    product = shop.product(stock=3)
    order = shop.create((product, 1))
    with refused("UNAVAILABLE", "PAYMENT_UNAVAILABLE") as error:
        shop.process(order)
    assert error.value.retry is not None
    assert int(error.value.pushback) > 0
    failed = shop.order_at_rest(order)
    assert failed.state == Order.FAILED
    assert payments_of(sandbox, order) == []
    assert shop.available(product) == 3
    shop.close()


def test_a_shipping_service_that_is_down_leaves_a_paid_order_that_goes_on(own_orderd, sandbox):
    orderd = own_orderd(FULFILLMENT_URL=f"http://127.0.0.1:{harness.free_port()}", FULFILL_TIME="9s")
    shop = Shop(orderd.grpc_addr)
    product = shop.product(stock=3)
    order = shop.create((product, 1))
    with refused("UNAVAILABLE", "FULFILLMENT_PENDING") as error:
        until_told(lambda: shop.process(order, timeout=4, request_id=order.id))
    assert error.value.retry is None
    assert error.value.pushback == "-1"
    assert error.value.resource.resource_name == order.id
    failed = shop.order_at_rest(order)
    assert failed.state == Order.FAILED
    payment, = payments_of(sandbox, order)
    assert payment["received"] == payment["refunded"] == 1250
    assert shop.available(product) == 3
    shop.close()


def test_without_its_database_it_starts_and_says_that_it_is_not_ready(folder, sandbox):
    process = harness.Process("orderd", [harness.program("orderd")], folder, {
        "GRPC_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "DRAIN_DELAY": "0s",
        "DATABASE_URL": "host=/nowhere/at/all connect_timeout=2", "PAYMENT_URL": sandbox.url,
        "FULFILLMENT_URL": sandbox.url})
    listens = process.wait_for_log(r"listens: grpc port (\d+), admin port (\d+)")
    admin = f"http://127.0.0.1:{listens[2]}"
    assert harness.http(admin + "/livez")[0] == 200
    assert harness.http(admin + "/readyz")[0] == 503
    shop = Shop(f"127.0.0.1:{listens[1]}")
    assert shop.health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == NOT_SERVING
    with refused("UNAVAILABLE", "STORE_UNAVAILABLE") as error:
        shop.order("01890000-0000-7000-8000-000000000000")
    assert error.value.retry is not None
    shop.close()
    assert process.stop() == 0
    assert not harness.SANITIZER_REPORT.search(process.log())


def test_started_before_its_database_it_serves_as_soon_as_that_is_there(folder, sandbox):
    postgres = harness.Postgres(harness.work_folder("later"), ["fsync=off"])
    url = postgres.create_database("later")
    postgres.kill()
    process = harness.Process("orderd", [harness.program("orderd")], folder, {
        **dict.fromkeys(("GRPC_ADDR", "ADMIN_ADDR", "HTTP_ADDR"), "127.0.0.1:0"), "DRAIN_DELAY": "0s",
        "DATABASE_URL": url, "PAYMENT_URL": sandbox.url, "PAYMENT_API_KEY_FILE": str(sandbox.key_file),
        "FULFILLMENT_URL": sandbox.url})
    listens = process.wait_for_log(r"listens: grpc port (\d+), admin port (\d+)")
    ready = f"http://127.0.0.1:{listens[2]}/readyz"
    assert harness.http(ready) == (503, "the database's schema is not there yet\n")
    postgres.start()
    harness.wait_until(lambda: harness.http(ready)[0] == 200, harness.START_SECONDS, "orderd to be ready")
    shop = Shop(f"127.0.0.1:{listens[1]}")
    assert shop.health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == SERVING
    assert shop.place((shop.product(), 1)).order_id
    shop.close()
    assert process.stop() == 0
    assert not harness.SANITIZER_REPORT.search(process.log())
    postgres.stop()


# ------------------------------------------------------------------------------------------ the end


def test_at_sigterm_health_turns_and_the_call_in_flight_is_finished(own_orderd, sandbox):
    orderd = own_orderd(DRAIN_DELAY="300ms")
    shop = Shop(orderd.grpc_addr)
    order = shop.create((shop.product(), 1))
    watch = shop.health.Watch(health_pb2.HealthCheckRequest(service="shop.v1.Orders"), timeout=60)
    assert next(watch).status == SERVING
    for path in ("confirm", "look"):
        sandbox.add_fault(path=path, mode="timeout", delayMs=1000, order=order.id)
    process = shop.process_soon(order)
    harness.wait_until(lambda: shop.order(order).state == Order.CHARGING, 20, "the charge")
    orderd.send(signal.SIGTERM)
    assert next(watch).status == NOT_SERVING
    sandbox.clear_faults()
    assert process.result().order_id == order.id
    assert orderd.wait() == 0
    orderd.check_log()
    payment, = payments_of(sandbox, order)
    assert payment["status"] == "succeeded"
    with pytest.raises(grpc.RpcError):
        list(watch)
    shop.close()


def test_at_sigterm_calls_of_http_clients_that_have_gone_are_forgotten(own_orderd, postgres):
    url = postgres.create_database(unique("gone"))
    orderd = own_orderd(DATABASE_URL=url, DRAIN_DELAY="0s")
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE product IN ACCESS EXCLUSIVE MODE")
        callers = [socket.create_connection(("127.0.0.1", orderd.http_port)) for _ in range(20)]
        for caller in callers:
            caller.sendall(b"GET /v1/products/p HTTP/1.1\r\nHost: a\r\n\r\n")
        harness.wait_until(lambda: "calls_in_flight 20" in orderd.metrics(), 20, "the calls")
        for caller in callers:
            caller.close()
        harness.wait_until(lambda: "\nhttp_connections 0" in orderd.metrics(), 20, "the callers to have gone")
        assert orderd.stop() == 0
    orderd.check_log()


@pytest.mark.parametrize("path, admin", [("/v1/products/p", False), ("/debug/orders", True)])
def test_at_sigterm_http_requests_that_take_too_long_are_cut(own_orderd, postgres, path, admin):
    url = postgres.create_database(unique("held"))
    orderd = own_orderd(DATABASE_URL=url, DRAIN_TIMEOUT="200ms")
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE product, orders IN ACCESS EXCLUSIVE MODE")
        port = orderd.admin_port if admin else orderd.http_port
        with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
            caller.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            harness.wait_until(lambda: waits_for_a_lock(connection), 20, "the request to wait")
            assert orderd.stop() == 0
            assert b" 200 " not in caller.recv(4096).partition(b"\r\n")[0]
    orderd.check_log()


def waits_for_a_lock(connection):
    return connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once(own_orderd, number):
    orderd = own_orderd()
    shop = Shop(orderd.grpc_addr)
    shop.product()
    shop.close()
    began = time.monotonic()
    assert orderd.stop(number) == 0
    assert time.monotonic() - began < 20  # not after DRAIN_TIMEOUT
    orderd.check_log()


def test_a_second_signal_ends_it_at_once(own_orderd):
    orderd = own_orderd(DRAIN_DELAY="1h")
    orderd.send(signal.SIGTERM)
    orderd.wait_for_log("shutting down")
    assert harness.http(orderd.admin_url + "/readyz") == (503, "shutting down\n")
    orderd.send(signal.SIGTERM)
    assert orderd.wait() == 1
    assert "leaving at once" in orderd.log()


def test_an_order_that_does_not_settle_in_time_is_left_to_the_next_process(own_orderd, sandbox):
    orderd = own_orderd(DRAIN_TIMEOUT="100ms", TRY_TIMEOUT="50s", LEASE="1s")
    shop = Shop(orderd.grpc_addr)
    order = shop.create((shop.product(), 1))
    sandbox.add_fault(path="confirm", mode="timeout", delayMs=45000, count=1, order=order.id)
    process = shop.process_soon(order)
    harness.wait_until(lambda: sandbox.ledger(order.id)["calls"][-1:] and
                       sandbox.ledger(order.id)["calls"][-1]["fault"] == "timeout", 20, "the confirmation")
    assert orderd.stop() == 0
    assert "orders are still under way, another process will continue them" in orderd.log()
    assert answer_of(process).code == "UNAVAILABLE"
    shop.close()
    shop = Shop(own_orderd(LEASE="1s").grpc_addr)
    assert shop.order_at_rest(order).state == Order.FULFILLED
    payment, = payments_of(sandbox, order)
    assert payment["status"] == "succeeded"
    shop.close()


def test_what_was_answered_is_still_there_after_sigkill(own_orderd):
    orderd = own_orderd(LEASE="1s")
    shop = Shop(orderd.grpc_addr)
    product = shop.product(stock=5, price=money(2))
    created = shop.create((product, 1))
    confirmation = shop.place((product, 2))
    before = shop.order(confirmation.order_id)
    orderd.kill()
    shop.close()
    shop = Shop(own_orderd(LEASE="1s").grpc_addr)
    assert shop.order(confirmation.order_id) == before
    assert shop.order(created) == created
    assert shop.available(product) == 3
    assert shop.process(created).total == money(2)
    shop.close()
