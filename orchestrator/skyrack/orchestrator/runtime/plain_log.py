"""A run's progress as lines of text: what `docker logs` shows of the orchestrator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from skyrack.orchestrator.cli.happenings import is_news, sentence
from skyrack.orchestrator.clock import Clock

QUIET_S = 10.0  # how often a step that takes long says how far it is


class PlainLog:
    """A `Sink` that writes to a file, usually standard output."""

    def __init__(self, file: TextIO, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._said: dict[str, tuple[float, str]] = {}  # step -> when and what it said last

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line, or none for what nobody wants to see."""
        match message:
            case {"step": str(name), "state": "ok"}:
                self._write(f"ok {name:<10} {message['text']} ({message['seconds']:g} s)")
            case {"step": str(name), "text": str(text)}:
                self._running(name, text)
            case {"event": {"event": str()} as event} if is_news(event):
                self._write(f"{event['run_s']:.3f} s  {sentence(event)}")
            case {"note": str(text)}:
                self._write(f"note: {text}")
            case {"ready": {"run": str(run)}}:
                self._write(f"ready: every node of {run} serves")

    def never_wait(self) -> None:
        """The engine reads for ever."""

    def _running(self, name: str, text: str) -> None:
        said_s, said = self._said.get(name, (-QUIET_S, ""))
        if text != said and self._clock.run_s() - said_s >= QUIET_S:
            self._said[name] = self._clock.run_s(), text
            self._write(f".. {name:<10} {text}")

    def _write(self, line: str) -> None:
        print(line, file=self._file, flush=True)
