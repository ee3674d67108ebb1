"""One PostgreSQL, sandbox and orderd for all tests; those that end or disturb a program start their own."""

import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import client  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="session", name="folder")
def fixture_folder():
    folder = harness.work_folder("run")
    yield folder
    harness.end_all()


@pytest.fixture(scope="session", name="postgres")
def fixture_postgres(folder):
    postgres = harness.Postgres(folder, ["fsync=off"])
    yield postgres
    postgres.stop()


@pytest.fixture(scope="session", name="sandbox")
def fixture_sandbox(folder):
    sandbox = harness.Sandbox(folder)
    yield sandbox
    assert sandbox.stop() == 0
    assert not harness.SANITIZER_REPORT.search(sandbox.process.log()), sandbox.process.tail(100)


@pytest.fixture(scope="session", name="orderd")
def fixture_orderd(folder, postgres, sandbox):
    orderd = harness.Orderd(folder, postgres.create_database("orderd"), sandbox)
    yield orderd
    orderd.stop_clean()


@pytest.fixture(scope="session", name="shop")
def fixture_shop(orderd):
    shop = client.Shop(orderd.grpc_addr)
    yield shop
    shop.close()


@pytest.fixture(name="own_orderd")
def fixture_own_orderd(folder, postgres, sandbox):
    """Starts orderd on a database of the test's own: own_orderd(FORWARD_TIME="1s")."""
    url = postgres.create_database(client.unique("own"))
    started = []

    def start(**settings):
        orderd = harness.Orderd(folder, settings.pop("DATABASE_URL", url), settings.pop("sandbox", sandbox), **settings)
        started.append(orderd)
        return orderd
    yield start
    for orderd in started:
        if orderd.is_alive():
            orderd.stop_clean()
        else:
            orderd.check_log()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """A failure shows what the programs said last."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for process in harness.Process.live:
            report.sections.append((f"log of {process.name} ({process.pid})", process.tail()))


def pytest_terminal_summary(terminalreporter):
    """The toll of the crash tests, when one of them ran."""
    module = sys.modules.get("crash")
    if module and module.toll.counts:
        terminalreporter.write_line("; ".join(f"{what}: {count}" for what, count in module.toll.counts.items()))


def pytest_sessionfinish(exitstatus):
    """What a run leaves behind is kept only when somebody will want to look at it."""
    if exitstatus == 0:
        shutil.rmtree(harness.RUNS_DIR, ignore_errors=True)
