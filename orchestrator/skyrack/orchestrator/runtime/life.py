"""How far a run is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class Life:
    """`ready`: everything serves. `stop`: somebody has asked for the end. `http`: the API over TCP, "" where it is not."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    http: str = ""
