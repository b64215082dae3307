"""Transcripts: a test that reads as a session with the code under test.

    # a comment
    command argument key=value
    input, as many lines as it takes
    ----
    output, up to the next blank line

A handler gets each command and returns the output, which must equal what the file says. TRANSCRIPTS=rewrite writes
the outputs into the files instead; read the difference before committing it. The form is that of etcd-raft's
data-driven tests.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(slots=True)
class Command:
    """One step of a transcript; `lead` holds the comments and blank lines before it."""

    lead: list[str]
    line: str
    input: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.line.split()[0]

    @property
    def flags(self) -> set[str]:
        return {word for word in self.line.split()[1:] if "=" not in word}

    @property
    def options(self) -> dict[str, str]:
        return dict(word.split("=", 1) for word in self.line.split()[1:] if "=" in word)

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.input)


Handler = Callable[[Command], str]


def read(text: str) -> tuple[list[Command], list[str]]:
    """Return a transcript's commands, and the comments after the last one."""
    commands: list[Command] = []
    lead: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.startswith("#"):
            lead.append(line)
            continue
        command = Command(lead, line)
        for inner in lines:
            if inner == "----":
                break
            command.input.append(inner)
        else:
            raise ValueError(f"no ---- after: {line}")
        for inner in lines:
            if not inner:
                break
            command.output.append(inner)
        commands.append(command)
        lead = [""]
    return commands, lead


def write(commands: list[Command], tail: list[str]) -> str:
    """Return the text of a transcript, the inverse of `read`."""
    lines = [line for c in commands for line in (*c.lead, c.line, *c.input, "----", *c.output)]
    return "\n".join([*lines, *tail]).rstrip("\n") + "\n"


def check_transcript(path: Path, handler: Handler) -> None:
    """Run every command of a transcript and compare, or rewrite the file when TRANSCRIPTS=rewrite."""
    commands, tail = read(path.read_text("utf-8"))
    assert commands, f"{path.name} has no commands"
    for command in commands:
        got = handler(command).splitlines()
        assert "" not in got, "an output must not have blank lines: they end it"
        if os.environ.get("TRANSCRIPTS") == "rewrite":
            command.output = got
        assert got == command.output, f"{path.name}: {command.line}"
    if os.environ.get("TRANSCRIPTS") == "rewrite":
        path.write_text(write(commands, tail), "utf-8")


@pytest.fixture(name="check_transcript")
def _check_transcript() -> Callable[[Path, Handler], None]:
    return check_transcript
