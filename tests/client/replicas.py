"""Several orderd on a database and a sandbox of their own."""

import signal

import psycopg

import harness
import invariants
from client import Shop, unique

REST_SECONDS = 60


class Replicas:
    """Some orderd on a database and a sandbox of their own, each with a client."""

    def __init__(self, folder, postgres, count=2, **settings):
        self.folder, self.postgres, self.settings = folder, postgres, settings
        self.sandbox = harness.Sandbox(folder)
        self.url = postgres.create_database(unique("replicas"))
        self.processes, self.shops, self.old_shops = [], [], []
        self.visitors = []  # who may still be placing orders, when a test has failed
        for _ in range(count):
            self.start()

    def start(self):
        process = harness.Orderd(self.folder, self.url, self.sandbox, **self.settings)
        self.processes.append(process)
        self.shops.append(Shop(process.grpc_addr))

    def end(self, index):
        """The one that is the index-th now, which is called to the last; those behind it move up."""
        self.processes.pop(index).stop_clean()
        self.old_shops.append(self.shops.pop(index))  # some call may still end there

    def end_idle(self):
        """All of them, their clients first."""
        while self.shops:
            self.shops.pop().close()
        for process in self.processes:
            process.send(signal.SIGTERM)
        while self.processes:
            process = self.processes.pop()
            assert process.wait() == 0, process.tail()
            process.check_log()

    def shop(self, index=0):
        return self.shops[index % len(self.shops)]

    def restart(self):
        count = len(self.shops)
        self.end_idle()
        for _ in range(count):
            self.start()

    def ask(self, sql, *parameters):
        """The first field of the first row."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchone()[0]

    def wait_for(self, sql, seconds, what, *parameters):
        with psycopg.connect(self.url, autocommit=True) as connection:
            harness.wait_until(lambda: connection.execute(sql, parameters).fetchone()[0], seconds, what)

    def rest(self):
        """V6: a lease and half a minute after the last fault; a busy machine is given more."""
        self.wait_for("SELECT count(*) = 0 FROM attempt WHERE outcome IS NULL", REST_SECONDS, "all orders to rest")

    def send_home(self):
        for visitor in self.visitors:
            visitor.go_home()

    def check(self, answered=()):
        self.rest()
        ledger = self.sandbox.ledger()
        invariants.check(self.url, ledger, answered=answered)
        stored = self.ask("SELECT array_agg(id::text) FROM orders") or []
        strangers = {payment["order_id"] for payment in ledger["payments"]} - set(stored)
        assert not strangers, f"orders were charged that nobody has: {strangers}"

    def stop(self):
        for shop in self.old_shops:
            shop.close()
        self.end_idle()
        assert self.sandbox.stop() == 0
        assert not harness.SANITIZER_REPORT.search(self.sandbox.process.log())
