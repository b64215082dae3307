"""amqtt with a Unix socket, with the rules of `roles`, and with acknowledgements that are kept.

    node --- Unix socket --+
                           +--> amqtt (one event loop) --> subscribers
    tool --- 127.0.0.1 ----+

amqtt listens on TCP only, but takes connections that somebody else has accepted. It acknowledges a message of QoS 1 when it
has arrived, and forgets at its end, and when the publisher goes, what it has not looked at by then. Here a message is
acknowledged once it is retained and on its way to every subscriber, and the end waits for what is on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from skyrack.orchestrator.broker.roles import may_publish, may_read

UNIX = "unix"
LAST_DELIVERY_S = 2.0  # for subscribers to take one more message of those that are on their way at the end


class Passwords(BaseAuthPlugin):  # type: ignore[misc]
    """Asks for a role's password."""

    @dataclass
    class Config:
        """Passwords by role."""

        passwords: dict[str, str] = field(default_factory=dict)

    async def authenticate(self, *, session: Session) -> bool:
        """Whether user and password are a role's, and the last will something it could publish itself."""
        expected = self.config.passwords.get(session.username or "")
        if expected is None or not hmac.compare_digest(expected.encode(), (session.password or "").encode()):
            return False
        return not session.will_flag or may_publish(session.username, session.will_topic or "")


class _Arrived(asyncio.Queue[Any]):
    """A client's messages. Whoever puts one, and acknowledges it afterwards, waits until all have been handed over."""

    async def put(self, item: Any) -> None:
        await super().put(item)
        await self.join()


class _Broker(Broker):  # type: ignore[misc]
    """Changes what the library keeps to itself: when a message counts as handed over."""

    def __init__(self, config: BrokerConfig) -> None:
        super().__init__(config)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def deliver(self) -> None:
        """Wait until subscribers have what is on its way to them; no longer when nothing more arrives."""
        while self._under_way:
            before = len(self._under_way)
            await asyncio.wait(self._under_way, timeout=LAST_DELIVERY_S)
            if len(self._under_way) >= before:
                return

    async def _handle_client_session(
        self, reader: Any, writer: Any, client_session: Session, *others: Any
    ) -> None:
        if not isinstance(client_session.delivered_message_queue, _Arrived):
            client_session.delivered_message_queue = _Arrived()
        await super()._handle_client_session(reader, writer, client_session, *others)

    async def _handle_message_delivery(
        self, client_session: Session, handler: Any, wait_deliver: asyncio.Future[Any]
    ) -> bool:
        try:
            return bool(await super()._handle_message_delivery(client_session, handler, wait_deliver))
        finally:
            if wait_deliver.result() is not None:
                client_session.delivered_message_queue.task_done()

    async def _topic_filtering(self, session: Session | None, topic: str | None, action: Action) -> bool:
        """Whether the session's role may do that. Without a wait, in which subscriptions would change under a broadcast."""
        user = session.username if session else None
        return may_publish(user, topic or "") if action is Action.PUBLISH else may_read(user)

    async def _broadcast_message(self, *message: Any) -> None:
        """At once: nothing of this waits, so the queue holds this message only."""
        await super()._broadcast_message(*message)
        started: deque[asyncio.Task[Any]] = deque()
        await self._run_broadcast(started)
        for task in started:
            self._under_way.add(task)
            task.add_done_callback(self._delivered)

    async def _broadcast_loop(self) -> None:
        """Nothing is left to it."""

    def _delivered(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # of a subscriber that went, or did not answer: it is not the publisher's concern


class _UnixWriter(StreamWriterAdapter):  # type: ignore[misc]
    def get_peer_info(self) -> tuple[str, int]:
        """Unix sockets have no peer's address, without which amqtt would refuse the client."""
        return UNIX, 0


@contextlib.asynccontextmanager
async def serve(socket: str, port: int | None, passwords: Mapping[str, str]) -> AsyncIterator[None]:
    """Serve while the context lasts. Raises OSError, BrokerError."""
    # What is left at its default is taken from the listener of that name, so TCP has to be it.
    listeners = {"default": ListenerConfig(type=ListenerType.EXTERNAL)}
    if port is not None:
        listeners["default"] = ListenerConfig(type=ListenerType.TCP, bind=f"127.0.0.1:{port}")
        listeners[UNIX] = ListenerConfig(type=ListenerType.EXTERNAL)
    unix = list(listeners)[-1]
    config = BrokerConfig(
        listeners=listeners, plugins={f"{__name__}.{Passwords.__name__}": {"passwords": dict(passwords)}}
    )
    broker = _Broker(config)
    await broker.start()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broker.external_connected(StreamReaderAdapter(reader), _UnixWriter(writer), unix)

    server = await asyncio.start_unix_server(accept, socket)
    try:
        yield
    finally:
        server.close()
        await broker.deliver()
        await broker.shutdown()
