"""A full disk below --runs: before the start, and during the run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyrack.orchestrator.api.client import ApiClient

from .place import Place, eventually

pytestmark = [
    pytest.mark.together,
    pytest.mark.mesh,
    pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root"),
]


@pytest.fixture
def small_disk(place: Place) -> Iterator[Path]:
    """A file system of 256 KiB at the place's runs."""
    place.runs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place.runs], check=True)
    try:
        yield place.runs
    finally:
        subprocess.run(["umount", "--lazy", place.runs], check=True)


def fill(directory: Path) -> None:
    """Leave no byte free."""
    with (directory / "filler").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_full_disk_at_the_start_is_said_and_nothing_is_left(place: Place, small_disk: Path) -> None:
    fill(small_disk)
    ended = place.skyrack("up", place.scenario, "--detach").expect(1)
    assert f"cannot write below {small_disk}: No space left on device" in ended.err
    assert "make room" in ended.err
    assert not place.sockets.exists()
    assert not place.processes()
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_disk_that_fills_up_costs_records_not_the_run(place: Place, small_disk: Path) -> None:
    run = place.foreground("up", place.scenario)
    run.says("Ctrl-C stops it")
    eventually((small_disk / "latest" / "plan.jsonl").exists, "the plan")
    fill(small_disk)
    api = ApiClient(place.sockets / "small")
    for _ in range(100):  # more than the file's last block holds
        api.post("/v1/nodes/london/kill", {"signal": signal.SIGCONT})
    run.says("events are being lost")
    assert "No space left on device" in run.said
    assert "events could not be written" in place.skyrack("status").expect().err
    place.ping("london", "tokyo")
    (small_disk / "filler").unlink()
    place.kill("tokyo")
    place.event("node_serving", node="tokyo", restarts=1)
    place.skyrack("down").expect()
    run.ends(0)
    place.is_clean()


def test_a_directory_that_cannot_be_written_is_said(place: Place) -> None:
    place.runs.write_text("a file")
    ended = place.skyrack("up", place.scenario).expect(1)
    assert f"cannot write below {place.runs}" in ended.err
    assert "--runs" in ended.err
    assert not place.sockets.exists()
