"""A ground station: a node that stands still. The zygote runs it with `--main ground=skyrack.groundstation.main`."""

from skyrack.node import main as node
from skyrack.node.config import ConfigError, NodeConfig


def run(config: NodeConfig, tun_fd: int | None = None) -> int:
    """Be the ground station until SIGTERM; see `skyrack.node.main.run`. Raises ConfigError for a satellite."""
    if config.kind != "ground":
        raise ConfigError(f"kind: {config.kind!r}, a ground station is 'ground'")
    return node.run(config, tun_fd)
