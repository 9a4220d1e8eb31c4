"""The network between the platform's parts, a process of its own: it passes on, delays, freezes, swallows and cuts.

`python -m chaos.proxy CONFIG` reads ports from a JSON file and takes commands, a JSON object a line, on a control port.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

Mode = Literal["pass", "refuse", "delay", "freeze", "black-hole", "commit"]

LOOPBACK: Final = "127.0.0.1"
CHUNK: Final = 65_536  # bytes
COMMIT: Final = b"COMMIT"
AT_ONCE: Final = struct.pack("ii", 1, 0)  # of SO_LINGER: a close is a reset
ELSEWHERE: Final = 0.05  # of the share of COMMITs: how often a line is cut at something that is no COMMIT


class Line:
    """One connection through the proxy, with both its ends."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = writers
        self.harmed = False
        self.cut_at_answer = False

    def cut(self) -> None:
        """Cut it the hard way: both sides see a reset."""
        for end in self.writers:
            with suppress(OSError):
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            end.transport.abort()


class Upstream:
    """One server behind the proxy, and what is done to its connections at the moment."""

    def __init__(self, listen: int, port: int, chance: random.Random) -> None:
        self._listen, self._port, self._chance = listen, port, chance
        self._lines: set[Line] = set()
        self._listener: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._mode: Mode = "pass"
        self._seconds = 0.0
        self._share = 0.0
        self.cuts = 0

    async def set_mode(self, mode: Mode, seconds: float, share: float) -> None:
        """Change what is done: `seconds` is the delay of each piece, `share` the part of COMMITs that is cut."""
        self._mode, self._seconds, self._share = mode, seconds, share
        if mode == "freeze":
            self._flows.clear()
        else:
            self._flows.set()
        if mode != "black-hole":
            self._cut([line for line in self._lines if line.harmed])  # bytes are missing in them
        if mode == "refuse" and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif mode != "refuse" and self._listener is None:
            self._listener = await asyncio.start_server(self._serve, LOOPBACK, self._listen, limit=CHUNK)

    def cut(self, share: float) -> int:
        """Cut this share of the connections; returns how many."""
        chosen = [line for line in self._lines if self._chance.random() < share]
        self._cut(chosen)
        return len(chosen)

    def _cut(self, lines: list[Line]) -> None:
        self.cuts += len(lines)
        for line in lines:
            self._lines.discard(line)
            line.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(writer)
        self._lines.add(line)
        try:
            while self._mode == "black-hole":
                line.harmed = True
                if not await reader.read(CHUNK):
                    return
            upstream_reader, upstream = await asyncio.open_connection(LOOPBACK, self._port, limit=CHUNK)
            line.writers = (writer, upstream)
            up = asyncio.create_task(self._pump(line, reader, upstream, upwards=True))
            down = asyncio.create_task(self._pump(line, upstream_reader, writer, upwards=False))
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({up, down}, timeout=1)  # the rest of what the other side was saying
            for pump in (up, down):
                pump.cancel()
        except OSError:
            return
        finally:
            self._lines.discard(line)
            line.cut()

    async def _pump(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flows.wait()
                if self._mode == "black-hole":
                    line.harmed = True
                    continue
                if self._mode == "delay":
                    await asyncio.sleep(self._seconds)
                if self._is_cut_by(data, line, upwards=upwards):
                    self._cut([line])
                    return
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    def _is_cut_by(self, data: bytes, line: Line, *, upwards: bool) -> bool:
        """Decide whether the line is cut now: before a request arrives, or after it was done and before the answer."""
        if self._mode != "commit":
            return False
        if not upwards:
            return line.cut_at_answer
        if self._chance.random() >= self._share * (1 if COMMIT in data else ELSEWHERE):
            return False
        line.cut_at_answer = self._chance.random() < 0.5  # noqa: PLR2004  both are as interesting
        return not line.cut_at_answer


class Proxy:
    """All upstreams, and the port on which they are commanded."""

    def __init__(self, config: dict[str, Any]) -> None:
        chance = random.Random(config["seed"])
        self._control: int = config["control"]
        self._upstreams = {
            name: Upstream(ports["listen"], ports["port"], chance) for name, ports in config["upstreams"].items()
        }

    async def serve(self) -> None:
        """Run for ever."""
        for upstream in self._upstreams.values():
            await upstream.set_mode("pass", 0, 0)
        server = await asyncio.start_server(self._obey, LOOPBACK, self._control)
        async with server:
            await server.serve_forever()

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while text := await reader.readline():
                command = json.loads(text)
                upstream = self._upstreams[command["upstream"]]
                if command["mode"] == "cut":
                    upstream.cut(command["share"])
                else:
                    await upstream.set_mode(command["mode"], command["seconds"], command["share"])
                writer.write(json.dumps({"cuts": upstream.cuts}).encode() + b"\n")
                await writer.drain()
        writer.close()


if __name__ == "__main__":
    asyncio.run(Proxy(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))).serve())
