"""What `skyrack forward` is told, read against what a run says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from skyrack.orchestrator.cli.entered import entries_line, require_entry
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem
from skyrack.orchestrator.cli.forward import Target, parse_target
from skyrack.orchestrator.cli.main import application
from skyrack.orchestrator.runtime.entries import PublishedEntries

NODES = [
    {"name": "p0s00", "kind": "satellite", "inhabited": False},
    {"name": "p0s03", "kind": "satellite", "inhabited": True},
    {"name": "london", "kind": "ground", "inhabited": True},
    {"name": "tokyo", "kind": "ground", "inhabited": True},
]
SERVICES = [
    {"service": "etcd", "node": "p0s03", "port": 2379},
    {"service": "job", "node": "p0s03", "port": None},
    {"service": "redis", "node": "london", "port": 6379},
]
STATUS: dict[str, Any] = {
    "run": "r",
    "nodes": NODES,
    "entries": [{"node": "london", "proxy": "127.0.0.1:8801"}],
    "services": SERVICES,
}


@pytest.mark.parametrize(
    ("text", "port"),
    [("p0s03:8080", 8080), ("etcd@p0s03", 2379), ("etcd@p0s03:2380", 2380), ("any@p0s03:1", 1)],
)
def test_a_target_is_a_port_of_a_node_or_that_of_a_service(text: str, port: int) -> None:
    assert parse_target(text, STATUS) == Target("p0s03", port)


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("nowhere:1", USAGE, "no node is called 'nowhere'"),
        ("p0s03", USAGE, "to which port?"),
        ("p0s03:", USAGE, "'' is no port"),
        ("p0s03:0", USAGE, "'0' is no port"),
        ("p0s03:65536", USAGE, "'65536' is no port"),
        ("p0s03:٣", USAGE, "is no port"),
        ("redis@p0s03", USAGE, "no service called 'redis'"),
        ("job@p0s03", FAILED, "no port of job is known"),
        ("p0s00:1", FAILED, "has no process"),
    ],
)
def test_a_target_that_cannot_be_meant_is_a_problem_in_words(text: str, status: int, said: str) -> None:
    with pytest.raises(Problem, match=said) as problem:
        parse_target(text, STATUS)
    assert problem.value.status == status
    assert problem.value.hint


def test_a_service_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(Problem) as problem:
        parse_target("ectd@p0s03", STATUS)
    assert problem.value.hint == "there are etcd, job"
    with pytest.raises(Problem) as problem:  # of a run that knows no services
        parse_target("etcd@p0s03", STATUS | {"services": []})
    assert problem.value.hint == "p0s03:PORT does too"


def test_a_station_is_found_by_its_name() -> None:
    assert require_entry("london", STATUS) == ("127.0.0.1", 8801)


@pytest.mark.parametrize(
    ("station", "entries", "hint"),
    [
        ("londn", STATUS["entries"], "did you mean london?"),
        ("tokyo", STATUS["entries"], "one comes in through london"),
        ("p0s03", STATUS["entries"], "one comes in through london"),
        ("london", [], "up --entry-port 0"),
    ],
)
def test_a_station_that_lets_nobody_in_is_told_with_those_that_do(
    station: str, entries: list[Any], hint: str
) -> None:
    with pytest.raises(Problem) as problem:
        require_entry(station, STATUS | {"entries": entries})
    assert hint in problem.value.hint


def test_many_entries_are_shown_as_few() -> None:
    entries = PublishedEntries(8801, [f"s{i}" for i in range(9)]).status()
    assert entries[8] == {"node": "s8", "proxy": "127.0.0.1:8809"}
    line = entries_line(entries)
    assert line.startswith("s0 http://127.0.0.1:8801   s1 http://127.0.0.1:8802   ")
    assert line.endswith("and 5 more")
    assert PublishedEntries(None, ["s0"]).status() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["london"], "Missing argument"),
        (["london", "p0s03:1", "--port", "70000"], "65535"),
        (["london", "p0s03:1", "--port", "1", "--port", "2"], "2 times --port for 1 targets"),
    ],
)
def test_words_that_do_not_fit_are_refused_whatever_is_up(words: list[str], said: str) -> None:
    result = CliRunner().invoke(application(), ["forward", *words])
    assert result.exit_code == USAGE
    assert said in result.output
