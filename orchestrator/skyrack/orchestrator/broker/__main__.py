"""`python -m skyrack.orchestrator.broker`: the embedded broker, for machines without mosquitto.

Reads {"socket": path, "port": n or null, "passwords": {role: password}} from standard input, serves MQTT 3.1.1 on the
Unix socket and on 127.0.0.1:port, and ends when standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys

from skyrack.orchestrator.broker.embedded import serve


def main() -> int:
    """Exit status 0 after the end of standard input, SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    # The library reports on this level what clients do wrong, such as going away.
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    config = json.loads(sys.stdin.buffer.readline())
    asyncio.run(_serve(config))
    return 0


async def _serve(config: dict[str, object]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def heard() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            stop.set()

    loop.add_reader(sys.stdin.fileno(), heard)
    port = config["port"]
    passwords = config["passwords"]
    assert isinstance(passwords, dict)
    async with serve(str(config["socket"]), port if isinstance(port, int) else None, passwords):
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
