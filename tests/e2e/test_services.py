"""User software on the nodes of a real run: what a user sees of it, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .place import Place, eventually, open_place

pytestmark = [pytest.mark.mesh, pytest.mark.together]

WEB = """\
version: 1
name: small
extends: iridium
inhabited: {count: 2}
ground: [london, tokyo]
services:
  - name: web
    nodes: [london, p3s07]
    command: [python3, -m, http.server, 8000, --bind, "{address}"]
    files: {index.html: "{node} is {index} of {count}, others {others}"}
    ready: {http: 8000/}
"""
FETCH = "import urllib.request as u, sys; print(u.urlopen(sys.argv[1]).read().decode())"


def rows(place: Place) -> dict[tuple[str, str], dict[str, Any]]:
    """`skyrack service status`, by service and node."""
    said = place.skyrack("service", "status", "-o", "json").expect().out
    return {(row["service"], row["node"]): row for row in json.loads(said)["services"]}


def test_services_run_where_the_scenario_says_and_go_with_their_node(either: Place) -> None:
    either.scenario.write_text(WEB)
    said = either.up()
    assert "2/2 ready" in said.err
    assert {key: row["phase"] for key, row in rows(either).items()} == {
        ("web", "london"): "ready",
        ("web", "p3s07"): "ready",  # inhabited because a service names it
    }
    address = either.node("london")["address"]
    fetched = either.skyrack("exec", "tokyo", "--", "python3", "-c", FETCH, "http://p3s07:8000").expect()
    assert fetched.out == f"p3s07 is 1 of 2, others {address}\n"
    eventually(lambda: "GET / HTTP/1.1" in either.skyrack("logs", "p3s07", "web").expect().out, "logged")
    os.kill(either.node("p3s07")["pid"], 9)
    either.event("service_ready", node="p3s07", service="web")
    eventually(
        lambda: [e["event"] for e in either.events() if e.get("node") == "p3s07"].count("service_ready") == 2,
        "ready again after the node's restart",
    )
    assert "starts anew" not in either.skyrack("service", "restart", "web", "--node", "london").expect().err
    assert either.skyrack("service", "rm", "web").expect().out == "web stops at london, p3s07\n"
    eventually(lambda: not rows(either), "no service any more")

    def refused() -> bool:
        fetched = either.skyrack("exec", "tokyo", "--", "python3", "-c", FETCH, "http://p3s07:8000")
        return "Connection refused" in fetched.text

    eventually(refused, "nobody answers any more")
    either.skyrack("down").expect()
    either.is_clean()


@pytest.fixture(scope="module")
def small() -> Iterator[Place]:
    """A run without services, to which tests add theirs."""
    with open_place() as found:
        found.up()
        yield found


def test_a_service_that_is_added_finds_its_files(small: Place) -> None:
    (small.directory / "words").write_text("I am {node}\n")
    add(
        small,
        "reads",
        "--file",
        f"mine.conf={small.directory}/words",
        "--restart",
        "never",
        "--",
        "cat",
        "mine.conf",
    )
    eventually(lambda: rows(small)["reads", "london"]["phase"] == "finished", "done")
    assert "I am london" in small.skyrack("logs", "london", "reads").expect().out


def add(place: Place, name: str, *arguments: object, status: int = 0) -> str:
    """`skyrack service add`; what it said."""
    return place.skyrack("service", "add", name, "--node", "london", *arguments).expect(status).text


def test_a_service_that_crashes_says_what_it_said_last_and_is_started_again(small: Place) -> None:
    said = add(small, "crash", "--", "sh", "-c", "echo out of luck >&2; exit 3", status=1)
    assert "crash at london: ended with status 3: out of luck" in said
    eventually(lambda: rows(small)["crash", "london"]["restarts"] >= 1, "started again")


def test_a_service_whose_program_is_missing_fails_at_once(small: Place) -> None:
    assert "missing at london: no-such-program: not found in PATH" in add(
        small, "missing", "--", "no-such-program", status=1
    )
    assert rows(small)["missing", "london"]["phase"] == "failed"


def test_a_service_that_is_never_ready_says_what_its_probe_met(small: Place) -> None:
    add(small, "never", "--no-wait", "--ready", "port:9999", "--", "sleep", "1000")

    def never() -> tuple[str, str]:
        row = rows(small)["never", "london"]
        return row["phase"], row["reason"]

    # The first word of one that has just been started may be that nobody has answered in time.
    eventually(lambda: never() == ("starting", "port 9999: Connection refused"), "its probe's reason")


def test_what_a_service_leaves_behind_is_named_and_ended(small: Place) -> None:
    forks = "setsid sleep 4321 & until [ $(cat /proc/$!/comm) = sleep ]; do :; done; exit 0"
    add(small, "forks", "--no-wait", "--", "sh", "-c", forks)
    row = eventually(lambda: rows(small)["forks", "london"]["phase"] == "failed" and rows(small), "failed")
    assert "left 1 behind: sleep" in row["forks", "london"]["reason"]
    eventually(lambda: "4321" not in small.skyrack("exec", "london", "--", "ps", "ax").out, "ended")


def test_a_service_that_fills_its_disk_meets_a_full_disk_and_nobody_else_does(small: Place) -> None:
    add(small, "disk", "--disk", "2", "--restart", "never", "--no-wait", "--",
        "sh", "-c", "head -c 9000000 /dev/zero > big")  # fmt: skip
    row = eventually(lambda: rows(small)["disk", "london"]["phase"] == "failed" and rows(small), "failed")
    assert "No space left on device" in row["disk", "london"]["reason"]


@pytest.mark.skipif(os.getuid() != 0, reason="control groups are root's")
def test_limits_of_memory_and_cpu_hold_and_say_so(small: Place) -> None:
    add(small, "mem", "--memory", "30", "--restart", "never", "--no-wait", "--",
        "python3", "-c", "x = bytearray(100_000_000); input()")  # fmt: skip
    add(small, "cpu", "--cpu", "0.2", "--", "python3", "-c", "while True: pass")
    row = eventually(lambda: rows(small)["mem", "london"]["phase"] == "failed" and rows(small), "killed")
    assert row["mem", "london"]["reason"].startswith("needed more than its 30 MB of memory; killed by")
    (group,) = [path for path in groups(small) if path.name == "london.cpu"]

    def throttled() -> bool:
        text = (group / "cpu.stat").read_text()
        return int(text.split("nr_throttled ")[1].split()[0]) > 2

    eventually(throttled, "throttled")
    small.skyrack("service", "rm", "cpu").expect()
    eventually(lambda: not group.exists(), "its control group is removed with it")


def groups(place: Place) -> list[Path]:
    """The control groups that the run has made."""
    record = place.sockets / "small" / "cgroups"
    return [Path(line) for line in record.read_text().splitlines()] if record.exists() else []


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_a_service_with_a_user_runs_as_it_and_can_write_its_data(small: Place) -> None:
    user = pwd.getpwnam("nobody")
    script = "import os; open('mine', 'w').write(str(os.getuid())); print(os.getcwd())"
    add(small, "user", "--user", "nobody", "--restart", "never", "--", "python3", "-c", script)
    row = eventually(lambda: rows(small)["user", "london"]["phase"] == "finished" and rows(small), "done")
    data = small.runs / "latest" / "data" / "london" / "user"
    assert (data / "mine").read_text() == str(user.pw_uid)
    assert row["user", "london"]["exit_status"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "x", "--", "sleep", "1"), "say where: --node NAME"),
        (("add", "x", "--node", "nowhere", "--", "sleep"), "nowhere: no node with a process is called so"),
        (("add", "x", "--node", "london"), "takes a command or python, found neither"),
        (("add", "x", "--node", "london", "--ready", "2379", "--", "x"), "expected port:PORT"),
        (("add", "x", "--node", "london", "--env", "A", "--", "x"), "expected NAME=VALUE"),
        (("add", "x", "--node", "london", "--file", "a=/none", "--", "x"), "/none: No such file"),
        (("rm", "absent"), "no service is called 'absent'"),
        (("restart", "absent"), "no service is called 'absent'"),
        (("status", "absent"), "no service is called 'absent'"),
    ],
)
def test_bad_arguments_say_what_was_expected(small: Place, arguments: tuple[str, ...], said: str) -> None:
    assert said in small.skyrack("service", *arguments).expect(2).err


def test_a_start_whose_service_fails_ends_with_its_reason_and_leaves_nothing(place: Place) -> None:
    place.scenario.write_text(WEB.replace("python3", "python-of-nobody"))
    ended = place.skyrack("up", place.scenario, "--detach").expect(1)
    assert "python-of-nobody: not found in PATH" in ended.err
    assert "error: web at " in ended.err
    place.is_clean()
    assert "no run is up" in place.skyrack("service", "status").expect(1).err


def test_a_killed_run_leaves_no_control_group_that_the_next_command_does_not_remove(place: Place) -> None:
    place.up()
    add(place, "cpu", "--cpu", "0.5", "--memory", "50", "--", "sleep", "1000")
    made = groups(place)
    assert made or os.getuid() != 0
    os.kill(json.loads((place.sockets / "small" / "run.json").read_text())["pid"], 9)
    eventually(lambda: "no run is up" in place.skyrack("status").text, "the run is gone")
    place.skyrack("down").expect()
    assert not [path for path in made if path.exists()]
    place.is_clean()
