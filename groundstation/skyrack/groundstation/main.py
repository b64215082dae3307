"""A node that stands still: ground station, point of presence or user terminal.

The zygote runs each with `--main KIND=skyrack.groundstation.main`.
"""

from skyrack.groundstation.entry.station import serve_entry
from skyrack.node import main as node
from skyrack.node.config import ConfigError, NodeConfig


def run(config: NodeConfig, tun_fd: int | None = None) -> int:
    """Be the node until SIGTERM; see `skyrack.node.main.run`. Raises ConfigError for a satellite."""
    if config.kind == "satellite":
        raise ConfigError(f"kind: {config.kind!r}, expected ground, pop or user")
    return node.run(config, tun_fd, also=serve_entry)
