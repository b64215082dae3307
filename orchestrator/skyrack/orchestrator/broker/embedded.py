"""amqtt with a Unix socket, and with the rules of `roles` as its plug-in.

    node --- Unix socket --+
                           +--> amqtt (one event loop) --> subscribers
    tool --- 127.0.0.1 ----+

amqtt listens on TCP only, but takes connections that somebody else has accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from skyrack.orchestrator.broker.roles import may_publish, may_read

UNIX = "unix"


class Rules(BaseAuthPlugin, BaseTopicPlugin):  # type: ignore[misc]
    """Asks for a role's password, and lets each role do what it may."""

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

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Whether the session's role may do that."""
        user = session.username if session else None
        return may_publish(user, topic or "") if action is Action.PUBLISH else may_read(user)


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
        listeners=listeners, plugins={f"{__name__}.{Rules.__name__}": {"passwords": dict(passwords)}}
    )
    broker = Broker(config)
    await broker.start()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broker.external_connected(StreamReaderAdapter(reader), _UnixWriter(writer), unix)

    server = await asyncio.start_unix_server(accept, socket)
    try:
        yield
    finally:
        server.close()
        await broker.shutdown()
