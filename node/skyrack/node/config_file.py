"""The configuration that somebody else writes, whole or not at all, before a container's node starts or meanwhile."""

import os
from pathlib import Path

from skyrack.node.clock import Clock
from skyrack.node.config import ConfigError, NodeConfig
from skyrack.node.logs import fields, log

POLL_S = 0.15


class ConfigFile:
    """One node's file; `config` is what it said first."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._seen: tuple[int, int, int] | None = None
        self.config: NodeConfig | None = None

    async def wait(self, clock: Clock) -> NodeConfig:
        """What the file says, as soon as there is one. Raises ConfigError, and OSError when it may not be read."""
        said = False
        while (config := self._read()) is None:
            if not said:
                log.info("waiting for the configuration", extra=fields(path=str(self._path)))
                said = True
            await clock.sleep(POLL_S)
        self.config = config
        return config

    def changed(self) -> bool:
        """Whether it says something else now. A file that is gone, or of no use, changes nothing."""
        try:
            if self._stamp() == self._seen:
                return False
            return self._read() not in (None, self.config)
        except (OSError, ConfigError) as error:
            log.warning("new configuration ignored", extra=fields(path=str(self._path), error=str(error)))
            return False

    def _read(self) -> NodeConfig | None:
        self._seen = self._stamp()
        if self._seen is None:
            return None
        config = NodeConfig.from_json(self._path.read_bytes())
        if config.name != self._name:
            raise ConfigError(f"name: {config.name!r}, this is {self._name}")
        return config

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns
