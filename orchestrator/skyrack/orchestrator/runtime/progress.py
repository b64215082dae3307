"""What a run shows while it starts: messages, for `skyrack up` as JSON lines over a pipe, for a container's log as text.

{"step": "nodes", "text": "15/15 serving", "seconds": 1.1, "state": "ok"|"running"}
{"ready": {...}}   {"error": "..."}   {"note": "..."}   {"event": {...}}
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol


class Sink(Protocol):
    """Where messages go."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Take one message."""

    def never_wait(self) -> None:
        """From now on a message is dropped where it would have to wait."""


class PipeSink:
    """Writes JSON lines to a pipe; a reader that has gone (detached) is no error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line."""
        if self._descriptor is None:
            return
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            return
        except OSError:
            os.close(self._descriptor)
            self._descriptor = None

    def never_wait(self) -> None:
        """From now on a message is dropped where it would have to wait: a reader that is suspended must not stop the run.

        Messages of up to PIPE_BUF bytes are written whole or not at all.
        """
        if self._descriptor is not None:
            os.set_blocking(self._descriptor, False)


class Progress:
    """What a run says about itself, to whoever started it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def send(self, **message: Any) -> None:
        """Send one message."""
        self._sink.send(message)

    def never_wait(self) -> None:
        """From now on the run does not wait for the reader."""
        self._sink.never_wait()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step that takes time: reported as running at once, as ok with what `Step.text` says at the end."""
        step = Step(self, name)
        step.update("")
        yield step
        self.send(step=name, text=step.text, seconds=round(time.perf_counter() - step.began, 2), state="ok")


class Step:
    """A running step."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self.began = time.perf_counter()
        self.text = ""

    def update(self, text: str) -> None:
        """Say how far it is."""
        self.text = text
        self._progress.send(step=self._name, text=text, state="running")
