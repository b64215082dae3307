"""`python -m skyrack.orchestrator.testing.held WORDS`: `skyrack WORDS` that ends like Ctrl-C when its standard input does.

Whoever started it holds the other end, so that a run ends with the process that tests, however that one ends.
A byte on standard input lets go: it goes on for as long as it would on a terminal.
"""

from __future__ import annotations

import os
import signal
import threading

from skyrack.orchestrator.cli import main


def _watch() -> None:
    if not os.read(0, 1):
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_watch, name="watch", daemon=True).start()
    main()
