"""What the start of a node's container decides: another configuration, privileges that are left, files to write."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.node import etc_files, mains
from skyrack.node.clock import RealClock
from skyrack.node.config import ConfigError
from skyrack.node.config_file import ConfigFile
from skyrack.v1 import node_init
from skyrack.v1.privileges import still_held

CONFIG: dict[str, object] = {
    "name": "p3s07",
    "kind": "satellite",
    "index": 40,
    "run": "demo",
    "address": "100.64.0.41",
    "network": "100.64.0.0/10",
    "socket_dir": "/run/mesh",
}
NONE = "0000000000000000"
DROPPED = f"""Name:	sky init
Uid:	1000	1000	1000	1000
Gid:	1000	1000	1000	1000
Groups:
CapInh:	{NONE}
CapPrm:	{NONE}
CapEff:	{NONE}
CapBnd:	00000000000010c0
CapAmb:	{NONE}
NoNewPrivs:	1
"""


def write(path: Path, **changes: object) -> None:
    """Whole or not at all, as the orchestrator does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(CONFIG | changes))
    fresh.rename(path)


class NoWaiting(RealClock):
    """Every wait is an occasion for somebody else to act."""

    def __init__(self, path: Path) -> None:
        self.waits = 0
        self._path = path

    async def sleep(self, delay_s: float) -> None:
        assert 0.1 <= delay_s <= 0.2
        self.waits += 1
        if self.waits == 3:
            write(self._path)


async def test_a_configuration_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "p3s07.json"
    clock = NoWaiting(path)
    config = await ConfigFile(path, "p3s07").wait(clock)
    assert (config.name, clock.waits) == ("p3s07", 3)


async def test_only_a_configuration_that_says_something_else_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "p3s07.json"
    write(path)
    file = ConfigFile(path, "p3s07")
    await file.wait(RealClock())
    assert not file.changed()
    write(path)
    assert not file.changed(), "an orchestrator that continues a run would restart every satellite"
    path.write_text("{")
    assert not file.changed()
    path.unlink()
    assert not file.changed()
    write(path, run="another")
    assert file.changed()


async def test_the_configuration_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p3s08.json"
    write(path)
    with pytest.raises(ConfigError, match="this is p3s08"):
        await ConfigFile(path, "p3s08").wait(RealClock())


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("Uid:	1000	1000	1000	1000", "Uid:	1000	1000	0	1000"),
        ("Gid:	1000	1000	1000	1000", "Gid:	1000	0	0	0"),
        (f"CapInh:	{NONE}", "CapInh:	0000000000001000"),
        (f"CapPrm:	{NONE}", "CapPrm:	0000000000001000"),
        (f"CapEff:	{NONE}", "CapEff:	0000000000001000"),
        (f"CapAmb:	{NONE}", "CapAmb:	0000000000001000"),
        ("NoNewPrivs:	1", "NoNewPrivs:	0"),
        ("NoNewPrivs:	1\n", ""),
    ],
)
def test_any_privilege_that_is_left_is_noticed(line: str, other: str) -> None:
    assert still_held(DROPPED, 1000, 1000) == []
    (left,) = still_held(DROPPED.replace(line, other), 1000, 1000)
    assert left.startswith(line.partition(":")[0])


def test_a_file_that_is_no_mount_is_left_alone_and_one_with_the_right_text_is_not_touched(
    tmp_path: Path,
) -> None:
    hosts, resolver, missing = (os.fspath(tmp_path / name) for name in ("hosts", "resolv.conf", "missing"))
    Path(hosts).write_text("the host's")
    Path(resolver).write_text("right")
    missed = etc_files.write_mounted({hosts: "a node's", resolver: "right", missing: "x"})
    assert Path(hosts).read_text() == "the host's"
    assert missed == [
        f"{hosts}: left as it is, since it is not a mount of its own",
        f"{missing}: No such file or directory",
    ]


def test_mount_points_are_read_from_mountinfo() -> None:
    text = "632 611 254:1 /var/lib/docker/containers/1/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n"
    assert etc_files.mount_points(text) == {"/etc/hosts"}


@pytest.mark.parametrize("argument", ["echo", "=skyrack.node", "echo="])
def test_a_worker_that_makes_no_sense_is_named(argument: str) -> None:
    with pytest.raises(ValueError, match="expected KIND=MODULE"):
        mains.load_workers([argument])


@given(st.integers(1, 64))
def test_a_signal_comes_out_as_it_went_in(signum: int) -> None:
    request = node_init.Signal(signum)
    assert node_init.unpack_request(node_init.pack_request(request)) == request


def test_a_holder_comes_out_as_it_went_in() -> None:
    request = node_init.StartHolder()
    assert node_init.unpack_request(node_init.pack_request(request)) == request


@given(
    st.text(max_size=50),
    st.dictionaries(st.text(max_size=9), st.integers() | st.text(max_size=9), max_size=9),
)
def test_a_worker_comes_out_as_it_went_in(kind: str, arguments: dict[str, int | str]) -> None:
    request = node_init.StartWorker(kind, arguments)
    assert node_init.unpack_request(node_init.pack_request(request)) == request


@given(st.integers(-64, 255))
def test_an_end_comes_out_as_it_went_in(code: int) -> None:
    ended = node_init.Ended(code)
    assert node_init.unpack_answer(node_init.pack_ended(ended)) == ended


def test_answers_are_the_documented_bytes() -> None:
    assert node_init.pack_done() == b'{"ok":true}'
    assert node_init.unpack_answer(node_init.pack_done()) is None
    assert node_init.pack_refused("no") == b'{"ok":false,"error":"no"}'
    assert node_init.pack_ended(node_init.Ended(-9)) == b'{"ended":{"signal":9}}'
    with pytest.raises(node_init.NodeInitError, match="no"):
        node_init.unpack_answer(node_init.pack_refused("no"))


@given(st.binary(max_size=300))
def test_no_bytes_break_either_side(data: bytes) -> None:
    for unpack in (node_init.unpack_request, node_init.unpack_answer):
        with pytest.raises(node_init.NodeInitError):
            unpack(data)
