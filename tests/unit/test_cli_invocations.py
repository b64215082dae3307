"""Wrong command lines: always a usage message and status 2, never a traceback."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.cli import exits
from skyrack.orchestrator.cli.guard import status_of
from skyrack.orchestrator.cli.main import command_tree, main
from skyrack.orchestrator.cli.times import parse_span_s

VERBS = [
    "init",
    "validate",
    "schema",
    "plan",
    "path",
    "environment",
    "up",
    "down",
    "status",
    "logs",
    "ping",
    "exec",
    "forward",
    "load",
    "check",
    "fault",
    "version",
]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No run is up, and nothing is written but here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKYRACK_SOCKET_DIR", str(tmp_path / "s"))
    yield
    assert not (tmp_path / "s").exists()


def run(*arguments: str) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as ended:
        command_tree()(list(arguments), prog_name="skyrack")
    code = ended.value.code
    return code if isinstance(code, int) else 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Commands:"),
        ("frobnicate", "No such command 'frobnicate'"),
        ("statsu", "'status'"),
        ("--frobnicate", "No such option"),
        ("up --detatch", "--detach"),
        ("up a b", "unexpected extra argument"),
        ("up --port", "--port"),
        ("up --port abc", "--port"),
        ("up --port -1", "--port"),
        ("up --port 65536", "--port"),
        ("up no-such-preset", "no such file or preset"),
        ("up ./no-such-file.yaml", "no-such-file.yaml"),
        ("up irdium", "did you mean"),
        ("up --run a/b", "cannot name a run"),
        ("validate no-such-preset", "1 error in the scenario"),
        ("validate .", "error"),
        ("validate iridium extra", "unexpected extra argument"),
        ("init --preset no-such", "no preset is called"),
        ("init a b", "unexpected extra argument"),
        ("schema x", "unexpected extra argument"),
        ("plan iridium --for soon", "not a time span"),
        ("plan iridium --for -5", "not a time span"),
        ("path", "a"),
        ("path london", "b"),
        ("path london tokyo --link london-p3s01 -s iridium", "--link A-B"),
        ("path --link london -s iridium", "expected two nodes as A-B"),
        ("path --link london-p3s1 -s iridium", "no node is called 'p3s1'"),
        ("path --link london-london -s iridium", "not linked to itself"),
        ("path --link london-p3s01 --for 10s -s iridium", "one instant"),
        ("path london tokyo --run x --at 5", "--at does not go with --run"),
        ("path london tokyo --run x -o csv", "-o csv does not go with --run"),
        ("path --link london-p3s01 --size 1GB -s iridium", "--size is about a path"),
        ("path london tokyo --size 1Gb -s iridium", "sizes are bytes"),
        ("path london x --scenario iridium", "no node is called 'x'"),
        ("path lndon tokyo --scenario iridium", "did you mean london"),
        ("path london tokyo --scenario iridium --at noon", "--at"),
        ("path london tokyo --scenario iridium --at 2026-01-01", "time zone"),
        ("path london tokyo --scenario iridium --at nan", "--at"),
        ("path london tokyo --scenario iridium --at inf", "--at"),
        ("path london tokyo --scenario iridium --for ever", "not a time span"),
        ("path london tokyo --scenario iridium --step 0", "--step"),
        ("path london tokyo --scenario iridium --for 30d --step 1ms", "rows"),
        ("path london tokyo --scenario iridium -o xml", "xml"),
        ("drain", "nodes"),
        ("undrain", "nodes"),
        ("upgrade", "service"),
        ("upgrade web", "what is to be new of web?"),
        ("upgrade web --size 200Mb -- x", "sizes are bytes"),
        ("upgrade web --timeout soon -- x", "not a time span"),
        ("upgrade web --at-once 0 -- x", "--at-once"),
        ("status -o yaml", "yaml"),
        ("status extra", "unexpected extra argument"),
        ("logs -n -1", "-n"),
        ("logs --run-dir nowhere", "not the directory of a run"),
        ("ping", "a"),
        ("ping london", "b"),
        ("ping london tokyo -c 0", "-c"),
        ("ping london tokyo -c many", "-c"),
        ("ping london tokyo -s 1", "-s"),
        ("exec", "node"),
        ("exec london", "command"),
        ("load", "echo"),
        ("load echo --rate fast", "--rate"),
        ("load echo --payload 2000000", "--payload"),
        ("load echo --availability 2", "--availability"),
        ("verify a b", "unexpected extra argument"),
        ("verify no-such-preset", "no such file or preset"),
        ("verify irdium", "did you mean"),
        ("verify --for soon", "not a time span"),
        ("verify --for 2s", "--for 2s: expected 5 s to 600 s"),
        ("verify --for 1h", "--for 1h: expected 5 s to 600 s"),
        ("verify --rate 5", "--rate"),
        ("verify --rate 5000", "--rate"),
        ("verify -o yaml", "yaml"),
        ("verify iridium --run x", "a scenario and --run exclude each other"),
        ("check", "Missing argument"),
        ("check no-such-history", "cannot read no-such-history"),
        ("check no-such-history --most-states few", "--most-states"),
        ("fault", "Commands:"),
        ("fault break", "No such command 'break'"),
        ("fault add", "Commands"),
        ("fault add explode", "no kind of fault is called 'explode'"),
        ("fault add latency --link a-b", "latency: delay to add?"),
        ("fault add clock --node a --offset back", "not a time span"),
        ("fault add campaign --name x --fault kil --on all --until 5s", "did you mean 'kill'?"),
        ("fault add latency --link a-b --extra soon", "not a time span"),
        ("fault add latency --link a-b --extra -200ms", "not a time span"),
        ("fault add rate --link a-b --rate 10MB", "not a rate"),
        ("fault add loss --link a-b --ratio half", "not a share"),
        ("fault add down --link a-b --for ever", "not a time span"),
        ("fault add down --link a-b --at noon", "not a time span"),
        ("fault rm", "give the id of a fault, or --all"),
        ("fault rm f1 --all", "give the id of a fault, or --all"),
        ("clock jump -3s", "'-3s': the clock does not go back"),
        ("clock jump -.5 --run x", "'-.5': the clock does not go back"),
        ("clock jump --frobnicate", "No such option"),
        ("clock jump 5x", "not a time span"),
        ("clock jump 3s --to 5", "and not both"),
        ("clock jump --to noon", "neither an instant nor a number of seconds"),
        ("clock speed fast", "ratio"),
        ("launch --now", "of which launch?"),
        ("hunt iridium --workload kvv", "did you mean 'kv'?"),
        ("hunt iridium --adapter gprc", "did you mean grpc?"),
        ("hunt iridium --check linearisable", "did you mean 'linearizable'?"),
        ("fault add campaign --name x --fault latency --on all --until 5s", "what is missing is 200ms"),
        ("fault add campaign --name x --fault kill --on all --until 5s --least 9s --most 5s", "--least 9s"),
        ("down extra", "unexpected extra argument"),
        ("down --run a --all", "exclude each other"),
        ("version 2", "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line.split()) == exits.USAGE
    shown = capsys.readouterr()
    assert said in shown.err + shown.out
    assert "Traceback" not in shown.err
    assert "fault of skyrack" not in shown.err


@pytest.mark.parametrize("verb",
    [
        "status", "logs", "ping london tokyo", "exec london -- true", "load echo",
        "fault list", "fault rm --all", "fault add down --link a-b", "launch", "launch v3-1", "clock", "clock speed -3",
        "clock jump 5m", "drain london", "upgrade web -- true", "load kv --for 5s",
    ],
)  # fmt: skip
def test_without_a_run_it_is_said_what_to_do(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*verb.split()) == exits.FAILED
    assert capsys.readouterr().err == "error: no run is up\nhint: start one: skyrack up\n"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    verb=st.sampled_from([verb for verb in VERBS if verb not in ("up", "init")]),
    rest=st.lists(
        st.sampled_from(
            [
                "-x",
                "--",
                "--for",
                "--run",
                "-o",
                "json",
                "0",
                "-1",
                "",
                "london",
                "\x00",
                "é",
                "../..",
                "--step",
                "1e999",
                ".",
            ]
        ),
        max_size=4,
    ),
)
def test_no_command_line_ends_in_a_traceback(
    verb: str, rest: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(verb, *rest) in (exits.FINE, exits.FAILED, exits.USAGE)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert "fault of skyrack" not in shown.err, (verb, rest)


def options(command: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every option of every verb."""
    for parameter in command.params:
        if any(flag.startswith("--") for flag in parameter.opts) and "--help" not in parameter.opts:
            yield prefix, parameter
    for name, inner in getattr(command, "commands", {}).items():
        yield from options(inner, (*prefix, name))


def test_every_option_has_an_environment_variable_that_help_names(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(options(command_tree()))
    assert len(found) > 30
    for verb, parameters in itertools.groupby(found, key=lambda option: option[0]):
        assert run(*verb, "--help") == 0
        help_text = re.sub(r"\s+", "", capsys.readouterr().out)
        for _, parameter in parameters:
            flag = next(flag for flag in parameter.opts if flag.startswith("--"))
            assert (
                parameter.envvar
                == "_".join(["SKYRACK", *verb, flag.removeprefix("--")]).replace("-", "_").upper()
            )
            assert parameter.envvar in help_text


def test_an_environment_variable_sets_its_option_and_the_command_line_wins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SKYRACK_PATH_SCENARIO", "iridium")
    monkeypatch.setenv("SKYRACK_PATH_FOR", "3")
    monkeypatch.setenv("SKYRACK_PATH_OUTPUT", "csv")
    assert run("path", "london", "tokyo") == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert run("path", "london", "tokyo", "--for", "2") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "-h"] for verb in VERBS), ["load", "echo", "-h"]])
def test_help_of_every_verb(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Usage: skyrack")
    assert shown.err == ""


def test_init_writes_a_scenario_that_validates_and_overwrites_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("init") == 0
    assert run("validate") == 0
    assert "my-iridium: 12 of 66 satellites inhabited, 3 ground stations" in capsys.readouterr().out
    assert run("init") == exits.USAGE
    assert "skyrack.yaml exists" in capsys.readouterr().err
    assert run("init", "--force") == 0
    assert run("init", "nowhere/skyrack.yaml") == exits.FAILED
    assert "cannot write nowhere/skyrack.yaml" in capsys.readouterr().err


def test_an_unforeseen_error_is_called_a_fault_and_shows_where_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> int:
        raise KeyError("key")

    monkeypatch.delenv("SKYRACK_DEBUG", raising=False)
    assert status_of(broken) == exits.FAILED
    assert capsys.readouterr().err.startswith(
        "error: KeyError: 'key'\nhint: this is a fault of skyrack itself"
    )
    monkeypatch.setenv("SKYRACK_DEBUG", "1")
    assert status_of(broken) == exits.FAILED
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert status_of(interrupted) == exits.INTERRUPTED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("90s", 90), ("1.5m", 90), (".5h", 1800), ("200ms", 0.2), ("2 min", 120), ("3us", 3e-6),
        ("1D", 86400), ("1e2", 100),
    ],
)  # fmt: skip
def test_time_spans(text: str, seconds: float) -> None:
    assert parse_span_s(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "+1", "1 2", "1x", "1e999", "nan", "inf", "1,5", "1.2.3", "٣"]
)
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(exits.Problem) as refused:
        parse_span_s(text)
    assert refused.value.status == exits.USAGE


@given(st.floats(min_value=1e-6, max_value=1e9, allow_nan=False))
def test_any_number_of_seconds_reads_back(seconds: float) -> None:
    assert parse_span_s(f"{seconds!r}s") == seconds


def test_ctrl_c_is_heard_while_a_verb_is_still_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine that takes seconds; it ended in a traceback."""

    def interrupted(verbs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[main.__module__], "command_tree", interrupted)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == exits.INTERRUPTED
    asks = "import sys, skyrack.orchestrator.cli; print('typer' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", asks], check=True, capture_output=True, text=True).stdout
    assert said == "False\n", "what takes long is imported where Ctrl-C is heard"
