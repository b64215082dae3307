"""What storage and clock faults do to services of a real run, as the services themselves see it, and that it is undone."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.runtime.services.clocks import find_library
from skyrack.orchestrator.runtime.services.disks import DEVICE
from skyrack.orchestrator.runtime.services.leftovers import CLOCKS_FILE
from skyrack.orchestrator.runtime.services.records import written_down

from .conftest import SOMEBODY
from .faults_of import FaultsOf
from .place import eventually, open_place, whole_lines

pytestmark = [
    pytest.mark.together,
    pytest.mark.mesh,
    pytest.mark.skipif(not DEVICE.exists(), reason="there is no /dev/fuse here"),
    pytest.mark.skipif(find_library() is None, reason="libfaketime is not installed"),
]

WRITER = """\
import errno, json, os, time

def size(name):
    return os.stat(name).st_size if os.path.exists(name) else None

print(json.dumps(dict(synced=size("synced"), never=size("never"))), flush=True)
never = os.open("never", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
synced = os.open("synced", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while True:
    error, began_s = "", time.monotonic()
    try:
        os.write(never, b"x")
        os.write(synced, b"x")
        os.fsync(synced)
    except OSError as what:
        error = errno.errorcode[what.errno]
    took_s, before_s = time.monotonic() - began_s, time.monotonic()
    time.sleep(0.02)
    slept_s = time.monotonic() - before_s
    length = os.fstat(synced).st_size
    print(json.dumps(dict(error=error, took_s=took_s, size=length, slept_s=slept_s, clock_s=time.time())), flush=True)
"""
SCENARIO = f"""\
version: 1
name: small
extends: iridium
inhabited: {{count: 2}}
ground: [london, tokyo]
services:
  - name: writer
    nodes: [london]
    command: [python3, -u, -c, {json.dumps(WRITER)}]
    restart: always
    faults: [disk, clock]
  - name: plain
    nodes: [tokyo]
    command: [sleep, "1000"]
"""


class Faults(FaultsOf):
    """A run with a service that writes, and the faults of that run."""

    def remove(self, fault: dict[str, Any]) -> None:
        """End one, and wait until it has."""
        super().remove(fault)
        self.place.event("fault_undone", fault=fault["id"])

    def said(self) -> list[dict[str, Any]]:
        """What the writer has printed, each with the time at which its node heard it."""
        records = []
        for line in whole_lines(self.place.runs / "latest/logs/london.writer.jsonl"):
            record = json.loads(line)
            heard_s = datetime.fromisoformat(record["time"]).timestamp()
            if record.get("stream") == "stdout":
                records.append({**json.loads(record["msg"]), "heard_s": heard_s})
        return records

    def next(
        self, condition: Callable[[dict[str, Any]], bool], what: str, *, after: int | None = None
    ) -> dict[str, Any]:
        """What the writer prints from now on, or after so much as it had printed at some time, that is so."""
        already = len(self.said()) if after is None else after
        return eventually(
            lambda: next((record for record in self.said()[already:] if condition(record)), {}), what
        )


def _as_ever(record: dict[str, Any]) -> bool:
    return bool(record.get("error") == "" and record["took_s"] < 0.2 and abs(_skew_s(record)) < 5.0)


def _skew_s(record: dict[str, Any]) -> float:
    """Nothing, where it says no time."""
    return float(record.get("clock_s", math.nan)) - float(record["heard_s"])


@pytest.fixture(scope="module", params=["own", "unprivileged"])
def faults(request: pytest.FixtureRequest) -> Iterator[Faults]:
    """A run of the user who runs the tests, and one of an unprivileged user."""
    uid = None
    if request.param == "unprivileged":
        if os.getuid() != 0:
            pytest.skip("the tests run unprivileged already")
        uid = SOMEBODY
    with open_place(uid) as place:
        place.scenario.write_text(SCENARIO)
        place.up()
        yield Faults(place)


def test_a_power_loss_takes_what_was_not_fsynced_and_nothing_else(faults: Faults) -> None:
    faults.next(_as_ever, "it writes")
    before = len(faults.said())
    fault = faults.add("power", "london", for_s=0.2)
    found = faults.next(lambda record: "synced" in record, "it starts again", after=before)
    acknowledged = max(record.get("size", 0) for record in faults.said()[: faults.said().index(found)])
    assert found["synced"] >= acknowledged, "what it said last may have been lost on the way to its log"
    assert found["never"] == 0, "its name was kept by fsyncs of the other file, its contents by none"
    effect = faults.place.event("fault_effect", fault=fault["id"])["effect"]
    assert any("writer: unsynced contents of" in sentence for sentence in effect)


def test_an_fsync_takes_longer_and_then_as_long_as_ever(faults: Faults) -> None:
    fault = faults.add("fsync-slow", "london/writer", fsync_s=0.3)
    slow = faults.next(lambda record: record.get("took_s", 0.0) >= 0.3, "a slow fsync")
    assert slow["error"] == ""
    faults.remove(fault)
    faults.next(_as_ever, "as ever")


def test_fsync_fails_with_eio_and_then_does_not(faults: Faults) -> None:
    fault = faults.add("fsync-fail", "london")
    faults.next(lambda record: record.get("error") == "EIO", "EIO")
    faults.remove(fault)
    faults.next(_as_ever, "as ever")


def test_a_full_disk_says_enospc_and_then_does_not(faults: Faults) -> None:
    fault = faults.add("disk-full", "london/writer")
    faults.next(lambda record: record.get("error") == "ENOSPC", "ENOSPC")
    faults.remove(fault)
    faults.next(_as_ever, "as ever")


def test_two_faults_of_one_disk_are_undone_one_by_one(faults: Faults) -> None:
    slow = faults.add("fsync-slow", "london", fsync_s=0.2)
    failing = faults.add("fsync-fail", "london/writer")
    faults.next(lambda record: record.get("error") == "EIO" and record["took_s"] >= 0.2, "both")
    faults.remove(failing)
    faults.next(lambda record: record.get("error") == "" and record["took_s"] >= 0.2, "slow alone")
    faults.remove(slow)
    faults.next(_as_ever, "as ever")


@pytest.mark.parametrize("offset_s", [3600.0, -7200.5])
def test_the_wall_clock_is_off_and_sleeps_are_not(faults: Faults, offset_s: float) -> None:
    fault = faults.add("clock", "london/writer", clock_s=offset_s)
    off = faults.next(lambda record: abs(_skew_s(record) - offset_s) < 5.0, "a clock that is off")
    later = faults.next(
        lambda record: abs(_skew_s(record) - offset_s) < 5.0 and record["slept_s"] < 1.0, "one still"
    )
    assert later["clock_s"] > off["clock_s"], "it runs"
    assert later["slept_s"] >= 0.02
    faults.remove(fault)
    faults.next(_as_ever, "as ever")


def test_a_fsync_that_would_take_a_minute_does_not_keep_a_node_alive(faults: Faults) -> None:
    slow = faults.add("fsync-slow", "london", fsync_s=60.0)
    before = len(faults.said())
    faults.add("power", "london", for_s=0.2)
    faults.next(lambda record: "synced" in record, "it starts again", after=before)
    faults.remove(slow)
    faults.next(_as_ever, "as ever")


def test_what_cannot_be_had_is_refused_with_what_to_write(faults: Faults) -> None:
    for kind, values in (("fsync-slow", {"fsync_s": 1.0}), ("fsync-fail", {}), ("disk-full", {})):
        assert "plain at tokyo cannot be acted on: write `faults: [disk]`" in faults.refused(
            kind, "tokyo", **values
        )
    assert "write `faults: [clock]`" in faults.refused("clock", "tokyo/plain", clock_s=1.0)
    assert "plain at tokyo would lose nothing of what it wrote" in faults.refused("power", "tokyo")
    assert "no service is called 'typo'" in faults.refused("disk-full", "london/typo")
    assert "plain is not at london" in faults.refused("disk-full", "london/plain")
    assert "p0s00 runs no service" in faults.refused("disk-full", "p0s00")


@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
def test_programs_without_the_c_library_s_clock_are_refused(faults: Faults) -> None:
    with pytest.raises(ApiError, match=r"etcd is a Go program.*libfaketime cannot act on it"):
        faults.api.post(
            "/v1/services",
            {"name": "e", "nodes": ["tokyo"], "command": ["etcd"], "faults": ["clock"]},
        )


def test_the_end_of_the_file_system_process_is_said_and_what_is_left_is_removed(faults: Faults) -> None:
    place = faults.place
    storage = [pid for pid, command in place.processes().items() if "skyrack.orchestrator.storage" in command]
    assert len(storage) == 1
    os.kill(storage[0], 9)
    place.event("storage_ended", status=-9)
    assert "its files cannot be reached any more" in place.skyrack("service", "status").expect().text
    # Of this run alone: others of its name may be up elsewhere on the machine.
    outside = [path for path in written_down(place.sockets / "small" / CLOCKS_FILE) if path.exists()]
    assert any(path.is_relative_to("/dev/shm") for path in outside)
    place.skyrack("down").expect()
    data = place.runs / "latest" / "data"
    assert (data / "london" / "writer" / "synced").stat().st_size > 0, (
        "what was written is there after the run"
    )
    assert not [path for path in outside if path.exists()]
    assert not (data / ".clocks").exists()
