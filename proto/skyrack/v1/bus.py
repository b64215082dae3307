"""A client of the telemetry bus that publishes and never makes its caller wait.

    publish() --> pending: the newest messages of each topic --> one connection --> broker
                  retained: the newest of each topic, sent again to a broker that has come back

The broker being away costs what is overwritten meanwhile, and is counted; connecting is tried again for ever. The MQTT
library is used here only, so that another one would change this file alone.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 - asyncio would import it in every node after the fork, for 1 MB each
import contextlib
import errno
import json
import logging
import os
import random
import secrets
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 5.0
# With a broker that is connected and does not answer. It is nice, and on a busy host it stands still for seconds; to drop the
# connection and to make it anew would cost such a host more.
PATIENCE_S = 30.0
GOODBYE_S = 1.0  # for the end of a connection, which needs no answer
KEEPALIVE_S = 60
MOST_TOPICS = 20_000

_log = logging.getLogger("skyrack.bus")


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the broker is, a Unix socket or host and port, and who asks."""

    socket: str | None = None
    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Message:
    """One message; the payload is JSON, or empty to clear what is retained on the topic."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    keep: int = 1
    """How many of the topic wait at most for a broker; the newest win."""

    @classmethod
    def of(
        cls, topic: str, payload: Mapping[str, object], *, qos: int = 0, retain: bool = False, keep: int = 1
    ) -> "Message":
        """With a payload as JSON."""
        return cls(topic, json.dumps(payload, separators=(",", ":")).encode(), qos, retain, keep)


class Pending:
    """Messages that wait: of each topic the newest ones, oldest first."""

    def __init__(self) -> None:
        self.dropped = 0
        self._topics: dict[str, deque[Message]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._topics.values()))

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def add(self, message: Message) -> None:
        """Append; older messages of the topic beyond `message.keep` are dropped and counted."""
        if message.topic not in self._topics and len(self._topics) >= MOST_TOPICS:
            self.dropped += 1
            return
        waiting = self._topics.setdefault(message.topic, deque())
        waiting.append(message)
        while len(waiting) > message.keep:
            waiting.popleft()
            self.dropped += 1

    def put_back(self, message: Message) -> None:
        """Return a message that could not be sent to its place, unless newer ones fill the topic by now."""
        waiting = self._topics.setdefault(message.topic, deque())
        if len(waiting) < message.keep:
            waiting.appendleft(message)
        else:
            self.dropped += 1

    def pop(self) -> Message | None:
        """The next message to send; None when nothing waits."""
        for topic, waiting in self._topics.items():
            message = waiting.popleft()
            if not waiting:
                del self._topics[topic]
            return message
        return None


def backoff_s(rng: random.Random) -> Iterator[float]:
    """Waits between attempts: doubling from FIRST_BACKOFF_S to LAST_BACKOFF_S, each drawn from its upper half."""
    ceiling_s = FIRST_BACKOFF_S
    while True:
        yield ceiling_s * rng.uniform(0.5, 1.0)
        ceiling_s = min(2 * ceiling_s, LAST_BACKOFF_S)


class Bus:
    """One publisher. `run` keeps it connected; everything else is immediate."""

    def __init__(
        self,
        address: Address,
        name: str,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
        rng: random.Random,
        *,
        will: Message | None = None,
    ) -> None:
        """`name` tells clients apart in the broker's log; `will` is what the broker says when this process dies."""
        self.connected = False
        self.published = 0
        self.connects = 0
        self._running = False
        self._address = address
        self._name = name
        self._sleep = sleep
        self._rng = rng
        self._will = will
        self._pending = Pending()
        self._retained: dict[str, Message] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()
        self._alone = asyncio.Event()  # nobody listens, or nobody tries to connect
        self._alone.set()

    @property
    def reconnects(self) -> int:
        """Connections after the first one."""
        return max(0, self.connects - 1)

    @property
    def dropped(self) -> int:
        """Messages that newer ones replaced before a broker took them."""
        return self._pending.dropped

    @property
    def waiting(self) -> int:
        """Messages not sent yet."""
        return len(self._pending)

    def publish(self, message: Message) -> None:
        """Send as soon as a broker takes it. Returns at once."""
        if message.retain:
            self._retained[message.topic] = message
        self._pending.add(message)
        self._idle.clear()
        self._wake.set()

    async def flush(self, patience_s: float) -> bool:
        """Wait until everything is sent. False when nobody listens, and when none is taken for `patience_s`."""
        if self._running and not self.connected:
            self._alone.clear()  # until the next attempt, which is made at once
            self._hurry.set()
        published = -1
        while not self._idle.is_set() and not self._alone.is_set() and published != self.published:
            published = self.published
            await _first(self._idle.wait(), self._alone.wait(), timeout_s=patience_s)
        return self._idle.is_set()

    async def run(self) -> None:
        """Connect and publish for ever."""
        self._running = True
        try:
            await self._run()
        finally:
            self._running = False
            self._alone.set()

    async def _run(self) -> None:
        waits = backoff_s(self._rng)
        complaint = ""
        while True:
            try:
                with _way_in(self._address) as way_in:
                    self._alone.clear()
                    async with _connection(self._client(way_in), self._has_more_to_say) as client:
                        waits = backoff_s(self._rng)
                        complaint = ""
                        self._connected()
                        await self._serve(client)
            except _Crowded:
                self._alone.clear()
            except aiomqtt.MqttError as error:
                if isinstance(error, _Absent):
                    self._alone.set()
                if str(error) != complaint:
                    complaint = str(error)
                    _log.warning("no broker: %s", complaint)
            finally:
                self.connected = False
            _stop_if_cancelled()
            if self._hurry.is_set():
                waits = backoff_s(self._rng)
                self._hurry.clear()
            await _first(self._sleep(next(waits)), self._hurry.wait())

    def _has_more_to_say(self) -> bool:
        return not self._idle.is_set()

    def _client(self, way_in: socket.socket | None) -> "_Client":
        address = self._address
        will = self._will
        return _Client(
            way_in,
            address.socket or address.host,
            address.port,
            username=address.username,
            password=address.password,
            # Unguessable, because a second client of the same name would end this one.
            identifier=f"{self._name}-{secrets.token_hex(4)}",
            # The embedded broker does not answer clients of MQTT 5.
            protocol=aiomqtt.ProtocolVersion.V311,
            transport="tcp" if address.socket is None else "unix",
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            timeout=PATIENCE_S,
            keepalive=KEEPALIVE_S,
            logger=_log,
        )

    def _connected(self) -> None:
        """What the broker should retain it may have forgotten: first of all it is told again."""
        self.connected = True
        self.connects += 1
        self._hurry.clear()
        _log.info("connected")
        for message in self._retained.values():
            if message.topic not in self._pending:
                self._pending.add(message)
        self._idle.clear()
        self._wake.set()

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Publish until the connection ends. Raises MqttError."""
        watching = asyncio.create_task(_end_of(client), name="bus connection")
        sending = asyncio.create_task(self._send(client), name="bus publisher")
        try:
            await asyncio.wait({watching, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, sending):
                task.cancel()
            results = await asyncio.gather(watching, sending, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            while (message := self._pending.pop()) is not None:
                try:
                    await client.publish(message.topic, message.payload, message.qos, message.retain)
                except BaseException:
                    self._pending.put_back(message)
                    raise
                _stop_if_cancelled()
                self.published += 1
                if message.retain and not message.payload:
                    self._retained.pop(message.topic, None)
            self._idle.set()
            self._wake.clear()
            await self._wake.wait()


class _Absent(aiomqtt.MqttError):
    """Nobody listens."""


class _Crowded(aiomqtt.MqttError):
    """Others are connecting: it will be our turn."""


@contextlib.contextmanager
def _way_in(address: Address) -> Iterator[socket.socket | None]:
    """A socket that is connected to the Unix socket; None for a broker by host and port, where the library connects.

    Raises _Absent when nobody takes connections, _Crowded when too many wait there: mosquitto lets ten wait, and the library
    would block a thread until it is its turn.
    """
    if address.socket is None:
        yield None
        return
    with socket.socket(socket.AF_UNIX) as way_in:
        way_in.setblocking(False)
        reason = way_in.connect_ex(address.socket)
        if reason == errno.EAGAIN:
            raise _Crowded
        if reason:
            raise _Absent(f"{address.socket}: {os.strerror(reason)}")
        yield way_in


class _Client(aiomqtt.Client):
    """Touches what the library keeps to itself: to bring a socket along, and for what it leaves behind."""

    def __init__(self, way_in: socket.socket | None, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if way_in is not None:
            self._client._create_unix_socket_connection = lambda: way_in  # type: ignore[method-assign]

    def cut_short(self) -> None:
        """Let an attempt to connect end now; in the middle of it the library would leave a socket behind."""
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("cut short"))
            self._connected.exception()  # whether or not it is waited for

    def abandon(self) -> None:
        """Close the socket of a connection that was not completed, and hear why another one ended."""
        self._client.disconnect()
        self.drop()
        if self._disconnected.done():
            self._disconnected.exception()

    def drop(self) -> None:
        """Close the socket without a word: the broker says the last will."""
        self._client._sock_close()


@contextlib.asynccontextmanager
async def _connection(client: _Client, more_to_say: Callable[[], bool]) -> AsyncIterator[aiomqtt.Client]:
    """A connected client. One that is cancelled while it has more to say leaves that to its last will."""
    attempt = asyncio.create_task(client.__aenter__(), name="bus connecting")
    try:
        await asyncio.shield(attempt)
    except BaseException:
        if not attempt.done():
            client.cut_short()
        with contextlib.suppress(aiomqtt.MqttError):
            await attempt
        client.abandon()
        raise
    cut_off = False
    try:
        yield client
    except asyncio.CancelledError:
        cut_off = more_to_say()
        raise
    finally:
        if cut_off:
            client.drop()
        else:
            client.timeout = GOODBYE_S
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
        client.abandon()


async def _first(*waits: Coroutine[Any, Any, object], timeout_s: float | None = None) -> None:
    """Wait until one of them ends; the others are cancelled."""
    tasks = [asyncio.create_task(one) for one in waits]
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _stop_if_cancelled() -> None:
    """Raise CancelledError where the library has swallowed one: before Python 3.12 `asyncio.wait_for`, which it calls, does
    that when what it waits for comes at the same moment."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _end_of(client: aiomqtt.Client) -> None:
    """Wait for the end of the connection, which the library tells to those who read. Raises MqttError."""
    async for _ in client.messages:
        pass
