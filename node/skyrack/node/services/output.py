"""What services print, as JSON lines: {"time","level","node","service","stream","msg"}."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from skyrack.node.clock import Clock
    from skyrack.node.logs import LogFile

Stream = Literal["stdout", "stderr"]

MAX_LINE_BYTES = 16 * 1024
# A service that floods its pipe shares the node's loop with everything else: this much at a time, and after so many
# lines a pause that keeps it below MOST_LINES_PER_S, 4 % of a core.
READ_BYTES = 8 * 1024
PAUSE_LINES = 400
MOST_LINES_PER_S = 20_000
_PIPE_BYTES = 64 * 1024


class Output:
    """Where one service's lines go. What a full disk takes is counted in the file's `errors`."""

    def __init__(self, node: str, service: str, file: LogFile, clock: Clock) -> None:
        self._tail = f',"level":"info","node":{json.dumps(node)},"service":{json.dumps(service)},"stream":"'
        self._file = file
        self._clock = clock
        self.count = 0
        """Lines so far."""

    def line(self, stream: Stream, text: str) -> None:
        """Write one line."""
        self.lines(stream, [text])

    def lines(self, stream: Stream, texts: list[str]) -> None:
        """Write lines in one go."""
        self.count += len(texts)
        time = self._clock.utc_now().isoformat(timespec="milliseconds")
        head = f'{{"time":"{time}"{self._tail}{stream}","msg":'
        data = "".join([f"{head}{json.dumps(text, ensure_ascii=False)}}}\n" for text in texts])
        self._file.append(data.encode(errors="replace"), len(texts))


class LineSplitter:
    """Bytes in, lines out; a line longer than MAX_LINE_BYTES comes in pieces of that size."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are whole now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = [piece for line in whole for piece in _pieces(line)]
        while len(self._rest) >= MAX_LINE_BYTES:
            lines.append(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        return [line.decode(errors="replace") for line in lines]

    def end(self) -> list[str]:
        """The last line, if it does not end."""
        rest, self._rest = self._rest, b""
        return [rest.decode(errors="replace")] if rest else []


def _pieces(line: bytes) -> list[bytes]:
    line = line.removesuffix(b"\r")
    return [line[at : at + MAX_LINE_BYTES] for at in range(0, len(line), MAX_LINE_BYTES)] or [b""]


class Pipe:
    """The node's end of one stream of a process. `output` None: only the last line is kept."""

    def __init__(self, stream: Stream, output: Output | None) -> None:
        """Opens the pipe; `write_fd` is for the process and closed by `opened`."""
        self._stream: Stream = stream
        self._output = output
        self._splitter = LineSplitter()
        self._unpaused_lines = 0
        self._pause: asyncio.TimerHandle | None = None
        self.last = ""
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)

    def opened(self) -> None:
        """The process has its end, or never will: close it here and read."""
        os.close(self.write_fd)
        self._listen()

    @property
    def open(self) -> bool:
        """Whether more may come."""
        return self._read_fd >= 0

    def drain(self) -> None:
        """Take what is there now."""
        for _ in range(_PIPE_BYTES // READ_BYTES + 1):
            if self._read_fd < 0 or not self._read():
                return

    def close(self) -> None:
        """Take what is there still, and no more."""
        self.drain()
        self._finish()

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._read_fd, self._heard)

    def _heard(self) -> None:
        self._read()
        if self._unpaused_lines >= PAUSE_LINES and self._read_fd >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._read_fd)
            self._pause = loop.call_later(self._unpaused_lines / MOST_LINES_PER_S, self._listen)
            self._unpaused_lines = 0

    def _read(self) -> bool:
        """Whether there may be more at once."""
        try:
            data = os.read(self._read_fd, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._finish()
            return False
        self._take(self._splitter.feed(data))
        return True

    def _take(self, lines: list[str]) -> None:
        self._unpaused_lines += len(lines)
        if lines:
            self.last = next((line for line in reversed(lines) if line.strip()), self.last)
            if self._output is not None:
                self._output.lines(self._stream, lines)

    def _finish(self) -> None:
        if self._read_fd >= 0:
            self._take(self._splitter.end())
            if self._pause is not None:
                self._pause.cancel()
            asyncio.get_running_loop().remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = -1
