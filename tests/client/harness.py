"""The programs as users run them: a private PostgreSQL, orderd-sandbox and orderd, started and ended.

Shared by the client tests and by tests/bench/run, so no pytest in here. Everything a run writes is below
BUILD_DIR; processes are ended by their own id.
"""

import contextlib
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

SOURCE_DIR = pathlib.Path(os.environ.get("SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
BUILD_DIR = pathlib.Path(os.environ.get("BUILD_DIR") or SOURCE_DIR / "build" / "asan")
RUNS_DIR = BUILD_DIR / "runs"
API_KEY = "sk_test_client_tests"
START_SECONDS = 60
STOP_SECONDS = 60

SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|SUMMARY: \w+Sanitizer|runtime error:")


def program(name):
    """Where a program of ours is: ORDERD, ORDERD_SANDBOX, or in BUILD_DIR."""
    variable = name.upper().replace("-", "_")
    return os.environ.get(variable) or str(BUILD_DIR / name)


def wait_until(condition, seconds, what):
    """The first true value of condition(), asked again and again; AssertionError when time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def free_port():
    """One that nobody listens on, to be listened on later: below those that outgoing connections are given."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def has_not_ended(pid):
    """Nobody may be there to collect an orphan's exit code, so one that has ended can still be seen."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def work_folder(name):
    """An empty folder for one run, which everybody may enter."""
    RUNS_DIR.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=RUNS_DIR))
    folder.chmod(0o755)
    return folder


class Process:
    """A child with its output in a file."""

    live = []

    def __init__(self, name, command, folder, environment=None, **options):
        self.name = name
        self.log_path = pathlib.Path(folder) / f"{name}-{len(list(pathlib.Path(folder).iterdir()))}.log"
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(environment or {})}, start_new_session=True, **options)
        Process.live.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    def is_alive(self):
        return self.popen.poll() is None

    def wait_for_log(self, pattern, seconds=START_SECONDS):
        def look():
            # Asked before the log is read: what it wrote before it ended is read in any case.
            alive = self.is_alive()
            found = re.search(pattern, self.log())
            assert found or alive, f"{self.name} ended with {self.popen.returncode}:\n{self.tail()}"
            return found
        return wait_until(look, seconds, f"{pattern!r} in the log of {self.name}")

    def send(self, number):
        if self.is_alive():
            self.popen.send_signal(number)

    def wait(self, seconds=STOP_SECONDS):
        """Its exit code. One that does not end is killed, and that is an error."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} did not end in {seconds} s:\n{self.tail()}") from None
        finally:
            if self in Process.live:
                Process.live.remove(self)

    def stop(self, number=signal.SIGTERM):
        self.send(number)
        return self.wait()

    def kill(self):
        return self.stop(signal.SIGKILL)


class Postgres:
    """A cluster of its own: reached by a Unix socket only, never run as root."""

    def __init__(self, folder, settings=()):
        self.binaries = next(pathlib.Path("/usr/lib/postgresql").glob("15/bin"), None) or pathlib.Path(
            subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True).stdout.strip())
        self.owner = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        # The path of a Unix socket has at most 107 bytes, so it is not below the build folder.
        self.socket = self._own(tempfile.mkdtemp(prefix="orderd-"))
        self.data = self._data_folder(folder)
        self._fill()
        self.folder = folder
        self.command = [str(self.binaries / "postgres"), "-D", str(self.data), "-k", str(self.socket),
                        "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "random_page_cost=1.1"]
        for setting in settings:
            self.command += ["-c", setting]
        self.start()

    def _fill(self):
        self._run("initdb", "-D", str(self.data), "-U", "orderd", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")

    def start(self):
        """Also again, after kill(): on the data that is there."""
        self.process = Process("postgres", self.command, self.folder, cwd="/", **self.owner)
        wait_until(self._is_ready, START_SECONDS, "PostgreSQL")

    def _own(self, folder):
        os.chmod(folder, 0o755)
        if self.owner:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        return pathlib.Path(folder)

    def _data_folder(self, folder):
        """In the run's folder, unless PostgreSQL's user may not go there (a checkout in a private home)."""
        reachable = not self.owner or subprocess.run(
            ["test", "-x", str(folder)], check=False, cwd="/", **self.owner).returncode == 0
        data = (pathlib.Path(folder) if reachable else self.socket) / "data"
        data.mkdir()
        self._own(data)
        data.chmod(0o700)
        return data

    def _run(self, name, *arguments):
        done = subprocess.run([str(self.binaries / name), *arguments], check=False, cwd="/", text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.owner)
        assert done.returncode == 0, f"{name}: {done.stdout}"

    def _is_ready(self):
        assert self.process.is_alive(), f"PostgreSQL ended:\n{self.process.tail()}"
        return subprocess.run([str(self.binaries / "pg_isready"), "-q", "-d", self.url("postgres")],
                              check=False).returncode == 0

    def url(self, database):
        return f"host={self.socket} user=orderd dbname={database}"

    def create_database(self, name):
        """A new database, as a connection string."""
        self.psql("postgres", f'CREATE DATABASE "{name}"')
        return self.url(name)

    def psql(self, database, sql):
        """What a statement prints, without decoration."""
        done = subprocess.run(
            [str(self.binaries / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)],
            input=sql, check=False, text=True, capture_output=True)
        assert done.returncode == 0, f"psql: {done.stderr}"
        return done.stdout.strip()

    def kill(self):
        """SIGKILL to every one of its processes, at once: nothing is written or said any more."""
        self.process.send(signal.SIGSTOP)  # so that it makes no more of them
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = [int(child) for child in tasks.read_text().split()]
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.kill()
        wait_until(lambda: not any(has_not_ended(child) for child in children), STOP_SECONDS,
                   "PostgreSQL's processes to end")

    def stop(self):
        self.process.stop(signal.SIGINT)  # its fast shutdown
        shutil.rmtree(self.socket, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)


class Standby(Postgres):
    """A copy of another cluster that goes on copying, until it is promoted."""

    def __init__(self, folder, primary):
        self.primary = primary
        super().__init__(folder, ["fsync=off"])

    def _fill(self):
        self._run("pg_basebackup", "-D", str(self.data), "-d", self.primary.url("postgres"), "-X", "stream",
                  "-c", "fast", "-R", "-N")


class MirroredPostgres:
    """Two clusters: what the primary answers to a commit is on the standby already. In the place of a Postgres."""

    def __init__(self, primary_folder, standby_folder):
        self.primary = Postgres(primary_folder, ["fsync=off"])
        self.standby = Standby(standby_folder, self.primary)
        self.primary.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.psql("postgres", "SELECT pg_reload_conf()")
        wait_until(lambda: self.primary.psql("postgres", "SELECT sync_state FROM pg_stat_replication") == "sync",
                   START_SECONDS, "the standby to be synchronous")

    def create_database(self, name):
        """Wherever one may write."""
        self.primary.psql("postgres", f'CREATE DATABASE "{name}"')
        return f"host={self.primary.socket},{self.standby.socket} user=orderd dbname={name} " \
               "target_session_attrs=read-write"

    def fail_over(self):
        """The primary is gone, for good; the standby takes over."""
        self.primary.kill()
        self.standby.psql("postgres", "SELECT pg_promote()")

    def stop(self):
        self.standby.stop()
        self.primary.stop()


class Sandbox:
    """Payments and shipping, and what they were asked for."""

    def __init__(self, folder, listen="127.0.0.1:0"):
        folder = pathlib.Path(folder)
        self.key_file = folder / "payment.key"
        self.key_file.write_text(API_KEY + "\n")
        port_file = folder / "sandbox.port"
        port_file.unlink(missing_ok=True)
        self.process = Process("orderd-sandbox", [
            program("orderd-sandbox"), "--listen", listen, "--port-file", str(port_file),
            "--api-key-file", str(self.key_file)], folder)

        def port():
            assert self.process.is_alive(), f"the sandbox ended:\n{self.process.tail()}"
            return port_file.exists() and port_file.read_text().strip()
        self.port = int(wait_until(port, START_SECONDS, "the sandbox's port"))
        self.url = f"http://127.0.0.1:{self.port}"

    def ledger(self, order_id=None):
        """Everything it was asked for, or all of it about one order."""
        query = f"?order_id={urllib.parse.quote(order_id)}" if order_id else ""
        return json.loads(http(self.url + "/ledger" + query)[1])

    def add_fault(self, **rule):
        status, body = http(self.url + "/control/faults", json.dumps(rule).encode())
        assert status // 100 == 2, body

    def clear_faults(self, match=None):
        """All rules, or those with that text, which also ends the delays they have made."""
        http(self.url + "/control/faults" + (f"?match={match}" if match else ""), method="DELETE")

    def stop(self):
        return self.process.stop()


class Orderd(Process):
    """orderd on ports of the system's choice; settings by their names in the environment."""

    def __init__(self, folder, database_url, sandbox, **settings):
        environment = {
            "GRPC_ADDR": "127.0.0.1:0",
            "ADMIN_ADDR": "127.0.0.1:0",
            "HTTP_ADDR": "127.0.0.1:0",
            "DRAIN_DELAY": "0s",
            "DATABASE_URL": database_url,
            "PAYMENT_URL": sandbox.url,
            "PAYMENT_API_KEY_FILE": str(sandbox.key_file),
            "FULFILLMENT_URL": sandbox.url,
            **settings,
        }
        super().__init__("orderd", [program("orderd")], folder, environment)
        ports = [int(environment[name].rpartition(":")[2]) for name in ("GRPC_ADDR", "ADMIN_ADDR", "HTTP_ADDR")]
        if 0 in ports:
            listens = self.wait_for_log(r"listens: grpc port (\d+), admin port (\d+), http port (\d+)")
            ports = [int(port) for port in listens.groups()]
        self.grpc_port, self.admin_port, self.http_port = ports
        self.grpc_addr = f"127.0.0.1:{self.grpc_port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.http_url = f"http://127.0.0.1:{self.http_port}"
        wait_until(self.is_ready, START_SECONDS, "orderd to be ready")

    def is_ready(self):
        assert self.is_alive(), f"orderd ended with {self.popen.returncode}:\n{self.tail()}"
        try:
            return http(self.admin_url + "/readyz")[0] == 200
        except urllib.error.URLError:
            return False  # it does not listen yet

    def metrics(self):
        return http(self.admin_url + "/metrics")[1]

    def rss_kb(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def check_log(self):
        report = SANITIZER_REPORT.search(self.log())
        assert report is None, f"a sanitizer speaks:\n{self.log()[report.start():][:8000]}"

    def stop_clean(self):
        """Asked to end, it does so with 0, and no sanitizer has found anything."""
        code = self.stop()
        self.check_log()
        assert code == 0, f"orderd ended with {code}:\n{self.tail()}"


def run_orderd(*arguments, **environment):
    """orderd with arguments, to its end."""
    clean = {name: value for name, value in os.environ.items() if not re.fullmatch(r"[A-Z_]+_(ADDR|URL|FILE)", name)}
    return subprocess.run([program("orderd"), *arguments], check=False, capture_output=True, text=True,
                          timeout=START_SECONDS, env={**clean, **environment})


def http(url, body=None, method=None):
    """(status, text); whatever the status is."""
    request = urllib.request.Request(url, data=body, method=method,
                                     headers={"Content-Type": "application/json"} if body else {})
    try:
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def end_all():
    """Ends what is still there, youngest first; for the way out after a failure."""
    for process in reversed(list(Process.live)):
        process.kill()
