"""orderd's HTTP port as a client sees it: one request, one answer, and errors taken apart.

Every error that any test meets goes through Answer, which checks what holds for all of them.
"""

import gzip
import http.client
import json
import math
import socket

from google.protobuf import json_format

import client
from client import error_details_pb2, status_pb2

SECONDS = 20
JSON = {"Content-Type": "application/json"}


class Answer:
    """What came back: status, fields (names in lower case), body."""

    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, {name.lower(): value for name, value in fields}, body
        if self.fields.get("content-encoding") == "gzip":
            self.body = gzip.decompress(body)
        if status >= 400 and body:
            self.check_error()

    @property
    def json(self):
        assert self.fields["content-type"] == "application/json", self
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    def details(self, kind):
        """The details of a kind: [{"reason": …}]."""
        return [detail for detail in self.error["details"] if detail["@type"].endswith("/google.rpc." + kind)]

    @property
    def reason(self):
        return self.details("ErrorInfo")[0]["reason"]

    @property
    def broken(self):
        """The fields that are wrong, by name."""
        return [violation["field"] for detail in self.details("BadRequest") for violation in detail["fieldViolations"]]

    @property
    def rpc_status(self):
        """The error as the other door tells it."""
        code = client.grpc.StatusCode[self.error["status"]].value[0]
        text = json.dumps({**{key: self.error[key] for key in ("message", "details")}, "code": code})
        return json_format.Parse(text, status_pb2.Status())

    def check_error(self):
        assert set(self.json) == {"error"} and set(self.error) == {"code", "message", "status", "details"}, self
        assert self.error["code"] == self.status
        infos = self.details("ErrorInfo")
        assert len(infos) == 1 and infos[0]["domain"] == client.DOMAIN
        assert bool(self.broken) == (self.error["status"] == "INVALID_ARGUMENT"), self
        assert bool(self.details("PreconditionFailure")) == (self.error["status"] == "FAILED_PRECONDITION"), self
        assert self.details("ResourceInfo") or self.error["status"] != "NOT_FOUND", self
        retry = [json_format.ParseDict({key: value for key, value in detail.items() if key != "@type"},
                                       error_details_pb2.RetryInfo()) for detail in self.details("RetryInfo")]
        assert ("retry-after" in self.fields) == bool(retry), self
        if retry:
            seconds = retry[0].retry_delay.seconds + retry[0].retry_delay.nanos / 1e9
            assert int(self.fields["retry-after"]) == math.ceil(seconds)

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body[:2000]!r}"


class Web:
    """Requests to one orderd, each on a connection of its own."""

    def __init__(self, port, seconds=SECONDS):
        self.port, self.seconds = port, seconds

    def ask(self, method, path, body=None, fields=None):
        """`body` is bytes, a text, or what becomes JSON; its media type is then added."""
        fields = dict(fields or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body, fields = json.dumps(body), {**JSON, **fields}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.seconds)
        try:
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def get(self, path, **fields):
        return self.ask("GET", path, fields={name.replace("_", "-"): value for name, value in fields.items()})

    def post(self, path, body, **fields):
        return self.ask("POST", path, body, {name.replace("_", "-"): value for name, value in fields.items()})

    def patch(self, path, body, **fields):
        return self.ask("PATCH", path, body, {name.replace("_", "-"): value for name, value in fields.items()})

    def open(self):
        return Wire(self.port)

    def send(self, data):
        """Bytes on a connection of their own; the first answer to them, and whether the server closes, as it says."""
        with self.open() as wire:
            wire.send(data)
            answer = wire.answer()
            return answer, answer.fields.get("connection") == "close" and wire.is_closed()


class Wire:
    """A connection, byte for byte."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def head(self):
        """(status, fields) of the next answer."""
        version, status, _ = self.reader.readline().decode().split(" ", 2)
        assert version == "HTTP/1.1"
        fields = []
        while line := self.reader.readline().rstrip(b"\r\n"):
            name, _, value = line.decode().partition(": ")
            fields.append((name, value))
        return int(status), fields

    def answer(self, has_body=True):
        status, fields = self.head()
        size = int(dict(fields).get("content-length", 0)) if has_body else 0
        return Answer(status, fields, self.reader.read(size))

    def chunk(self):
        """The next piece of a stream; empty at its end."""
        size = int(self.reader.readline(), 16)
        data = self.reader.read(size)
        assert self.reader.read(2) == b"\r\n"
        return data.decode()

    def is_closed(self):
        try:
            return self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
