"""Small parts of a run: advice on namespaces, events, progress, last words, sentences, readable logs."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.cli.happenings import is_news, level, sentence
from skyrack.orchestrator.cli.show import readable
from skyrack.orchestrator.cli.up import check_tun
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime import errors
from skyrack.orchestrator.runtime.errors import RunFailed, last_line
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.isolate import advice, missing_capabilities
from skyrack.orchestrator.runtime.progress import PipeSink, Progress
from skyrack.orchestrator.runtime.spawned_nodes import last_words

# Advice


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({"kernel/unprivileged_userns_clone": "0"}, "sysctl kernel.unprivileged_userns_clone=1"),
        ({"user/max_user_namespaces": "0"}, "sysctl user.max_user_namespaces=15000"),
        (
            {"kernel/apparmor_restrict_unprivileged_userns": "0", "user/max_user_namespaces": "100"},
            "Run as root, or where unprivileged user namespaces are allowed.",
        ),
        ({}, "Run as root, or where unprivileged user namespaces are allowed."),
    ],
)
def test_the_advice_names_the_setting_that_forbids(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    for name, value in settings.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(value + "\n")
    assert said in advice(1000, tmp_path)
    assert "--privileged" in advice(0, tmp_path)


def test_a_user_namespace_without_capabilities_is_noticed() -> None:
    assert missing_capabilities("CapPrm:\t0\nCapEff:\t000001ffffffffff\n") == []
    assert missing_capabilities("CapEff:\t0000000000000000\n") == ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]
    assert missing_capabilities(f"CapEff:\t{1 << 12:016x}\n") == ["CAP_SYS_ADMIN"]


def test_a_missing_or_forbidden_tun_device_names_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem, match="is missing") as missing:
        check_tun(tmp_path / "tun")
    assert "modprobe tun" in missing.value.hint
    assert "--device" in missing.value.hint
    device = tmp_path / "tun"
    device.touch()
    check_tun(device)

    def forbidden(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(Problem, match=r"cannot open .*tun: Permission denied") as refused:
        check_tun(device)
    assert "chmod 666" in refused.value.hint


# Events


def test_events_are_numbered_kept_and_told(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", RealClock())
    told: list[dict[str, Any]] = []
    log.listen(told.append)
    log.add("first", node="a")
    log.add("second", run_s=1.5)
    log.close()
    log.add("after the end")
    written = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(event["seq"], event["event"]) for event in written] == [(1, "first"), (2, "second")]
    assert written[1]["run_s"] == 1.5
    assert told[:2] == written
    assert [event["seq"] for event in log.since(1)] == [2, 3]


def test_a_full_disk_loses_whole_lines_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "events.jsonl", RealClock())
    log.add("kept")
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
        for _ in range(3):
            log.add("lost")
    assert log.lost == 4  # and the one that says so
    assert [event["event"] for event in log.since(0)].count("events_lost") == 1
    log.add("kept again")
    log.close()
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["kept", "kept again"]


# Progress


def test_a_reader_that_is_suspended_or_gone_does_not_stop_the_run() -> None:
    read_end, write_end = os.pipe()
    progress = Progress(PipeSink(write_end))
    progress.never_wait()
    for number in range(2000):  # far more than a pipe holds
        progress.send(event={"number": number, "text": "x" * 100})
    data = os.read(read_end, 1 << 20)
    assert all(json.loads(line) for line in data.splitlines())
    os.close(read_end)
    progress.send(note="nobody reads")
    progress.send(note="still nobody")


# Words


def test_what_ends_a_run_is_one_sentence() -> None:
    assert errors.sentence(RuntimeError("no port")) == "no port"
    assert (
        errors.sentence(OSError(errno.ENOSPC, "No space left on device", "/x"))
        == "/x: No space left on device"
    )
    assert errors.sentence(KeyError("a")) == "KeyError: 'a'"
    assert errors.sentence(TimeoutError()) == "TimeoutError"
    group = ExceptionGroup("two", [ExceptionGroup("one", [RunFailed("first")]), ValueError("second")])
    assert errors.sentence(group) == "first"


def test_last_words_are_the_nodes_own_else_what_was_printed_for_it(tmp_path: Path) -> None:
    zygote, node = tmp_path / "zygote.log", tmp_path / "a.jsonl"
    assert last_words(zygote, node, "a") == ""
    zygote.write_text("b: other\na: OSError(28)\nb: other\n")
    assert last_words(zygote, node, "a") == "OSError(28)"
    lines = [
        {"level": "info", "msg": "attached"},
        {"level": "error", "msg": "node failed", "fields": {"exception": "Traceback\n  x\nOSError: full\n"}},
        {"level": "info", "msg": "bye"},
    ]
    node.write_text("\n".join(map(json.dumps, lines)) + "\nno json\n[]\n")
    assert last_words(zygote, node, "a") == "node failed: OSError: full"
    assert last_line(zygote) == "b: other"
    assert last_line(tmp_path / "missing") == ""


def test_events_read_as_sentences() -> None:
    exited = {"seq": 1, "run_s": 2.0, "event": "node_exited", "node": "a", "signal": 9}
    routed = {"event": "bundle_routed", "transfer": 1, "node": "a", "why": "no way now", "arrives_s": 9.5,
              "legs": [{"to": "b"}, {"to": "c"}]}  # fmt: skip
    assert sentence(routed) == "transfer 1 goes a > b > c, arrives at 9.5 s (no way now)"
    assert sentence({"event": "bundle_stored", "transfer": 1, "node": "b"}) == "transfer 1 is stored at b"
    missed = {"event": "contact_missed", "transfer": 1, "node": "b", "to": "c"}
    assert sentence(missed) == "transfer 1 is still at b: no contact with c"
    assert sentence(exited) == "a ended: killed by SIGKILL"
    assert sentence({"event": "node_exited", "node": "a", "code": 1}) == "a ended with status 1"
    assert sentence({"event": "fabric_down", "status": -11}).startswith(
        "the fabric ended (killed by SIGSEGV)"
    )
    assert sentence({"event": "new_kind", "seq": 1, "run_s": 0, "node": "a", "x": 1}) == "new_kind a x=1"
    assert sentence({"event": "node_exited", "node": "a", "signal": 99}) == "a ended: killed by signal 99"
    assert is_news(exited)
    assert level(exited) == "warning"
    assert not is_news({"event": "node_serving", "cause": "start"})
    assert is_news({"event": "node_serving", "cause": "restart"})
    began = {"event": "fault_began", "fault": "f1", "kind": "down", "on": ["a-b", "b-c", "c-d", "d-e"]}
    assert sentence(began) == "fault f1 begins: down on a-b, b-c, c-d and 1 more"
    assert is_news(began)
    assert level(began) == "warning"
    sides = {"event": "fault_ended", "fault": "f2", "kind": "partition", "on": ["a", "b", "to", "c"]}
    assert sentence(sides) == "fault f2 ends: partition on a, b to c"
    assert sentence(sides | {"on": [*"abcd", "to", *"efgh"]}).endswith(
        "on a, b, c and 1 more to e, f, g and 1 more"
    )
    assert (
        sentence({"event": "fault_ended", "fault": "f1", "kind": "dark", "on": ["a"]})
        == "fault f1 ends: dark on a"
    )


def test_log_lines_are_for_people_and_odd_ones_stay() -> None:
    line = {"time": "T", "level": "info", "node": "a", "msg": "attached", "fields": {"index": 3}}
    assert readable(json.dumps(line)) == "T  INFO     attached index=3"
    assert readable("Traceback (most recent call last):\n") == "Traceback (most recent call last):"
    for odd in ("[]", "3", '"x"', "null", '{"a": 1}', "{"):
        assert odd in readable(odd) or readable(odd)
    event = {"seq": 1, "run_s": 1.0, "event": "ready", "nodes": 2}
    assert readable(json.dumps(event)) == "     1.000 s  INFO     ready: all 2 nodes serve"
