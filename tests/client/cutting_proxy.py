"""A proxy that cuts connections: it forwards what is sent, and ends a connection behind exactly the n-th byte.

Bytes go "there" (from the one who connected) or "back". A cut is either for once, behind the n-th byte of all that goes
that way from now on, on whatever connection; or for each connection that is made from now on. The end is told to both
sides: "fin" as by a process that closes, "rst" as by one that has gone.
"""

import asyncio
import contextlib
import dataclasses
import socket
import struct
import threading

WAYS = ("there", "back")
HOWS = ("fin", "rst")
READ_SIZE = 1 << 16
LINGER_NOT = struct.pack("ii", 1, 0)  # what has not been sent is dropped, and the end is a reset


@dataclasses.dataclass
class Cut:
    """Behind which byte a connection ends, and how."""
    way: str
    after: int
    how: str


class Connection:
    """Two sockets, and what has gone through."""

    def __init__(self, proxy, client, server):
        self.proxy, self.cut, self.passed = proxy, proxy.each, dict.fromkeys(WAYS, 0)
        self._writers = (client[1], server[1])
        self._ways = {"there": (client[0], server[1]), "back": (server[0], client[1])}

    async def run(self):
        """Until one side has ended, or the cut has come."""
        pumps = [asyncio.ensure_future(self._pump(way)) for way in WAYS]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.end("fin")

    async def _pump(self, way):
        reader, writer = self._ways[way]
        try:
            while data := await reader.read(READ_SIZE):
                left, cut = self._count(way, len(data))
                writer.write(data[:left])
                await writer.drain()
                if cut:
                    while writer.transport.get_write_buffer_size():
                        await asyncio.sleep(0.001)
                    self.end(cut.how)
                    return
        except ConnectionError:
            self.end("rst")  # as one side did, so does the other

    def _count(self, way, size):
        """How many of so many bytes may still pass, and the cut that comes behind them."""
        for cut, passed in ((self.proxy.once, self.proxy.passed), (self.cut, self.passed)):
            if cut and cut.way == way and passed[way] + size >= cut.after:
                size = cut.after - passed[way]
                break
        else:
            cut = None
        self.passed[way] += size
        self.proxy.passed[way] += size
        if cut:
            self.proxy.cut_count += 1
            self.proxy.once = None if cut is self.proxy.once else self.proxy.once
        return size, cut

    def end(self, how):
        for writer in self._writers:
            if how == "rst" and not writer.is_closing():
                # Closing a Unix socket has no such choice, and needs none.
                if writer.get_extra_info("socket").family == socket.AF_INET:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                writer.transport.abort()
            writer.close()


class CuttingProxy:
    """Listens on a port of 127.0.0.1, and connects to a port there or to the path of a Unix socket."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.once = self.each = None
        self.passed = dict.fromkeys(WAYS, 0)  # since the last cut was asked for
        self.cut_count = 0
        self._connections = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000))
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.address = f"127.0.0.1:{self.port}"

    def cut(self, way, after, how):
        """Once, behind so many bytes more."""
        self._call(self._set(Cut(way, after, how), self.each))

    def cut_each(self, way, after, how):
        """Each connection that is made from now on, until heal()."""
        self._call(self._set(self.once, Cut(way, after, how)))

    def heal(self):
        """No cut is to come any more; bytes are counted from here."""
        self._call(self._set(None, None))

    def drop(self, how="fin"):
        """All connections end now."""
        self._call(self._drop(how))

    def close(self):
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _set(self, once, each):
        self.once, self.each, self.passed = once, each, dict.fromkeys(WAYS, 0)

    async def _drop(self, how):
        for connection in list(self._connections):
            connection.end(how)

    async def _end(self):
        self._server.close()
        await self._drop("fin")
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    async def _connect(self):
        if isinstance(self.upstream, int):
            return await asyncio.open_connection("127.0.0.1", self.upstream)
        return await asyncio.open_unix_connection(str(self.upstream))

    async def _serve(self, reader, writer):
        try:
            server = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(self, (reader, writer), server)
        self._connections.add(connection)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await connection.run()
        finally:
            self._connections.discard(connection)
