"""`python -m skyrack.node --config FILE`: one node in this very process."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from skyrack.node.config import ConfigError, NodeConfig
from skyrack.node.main import run


def main(program: str, run: Callable[[NodeConfig], int]) -> int:
    """Exit status: 0 after SIGTERM, 1 after a failure, 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(prog=program, description="Run one node.")
    parser.add_argument("--config", required=True, help="JSON file, or - for standard input")
    path = parser.parse_args().config
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
        config = NodeConfig.from_json(text)
    except (OSError, ConfigError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    return run(config)


if __name__ == "__main__":
    sys.exit(main("python -m skyrack.node", run))
