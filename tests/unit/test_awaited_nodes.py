"""Nodes that somebody else starts: when they count as gone, as back, and as the same as before."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime.awaited_nodes import AwaitedNodes
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.v1.node_init import Signal, init_socket, pack_done, unpack_request


class Watched:
    """One awaited node."""

    def __init__(self, directory: Path) -> None:
        self.events = EventLog(directory / "events.jsonl", RealClock())
        self.node = NodeState(0, "a", "satellite", "100.64.0.1")
        self.mtu = 1500
        book = NodeBook([self.node], self.events, RealClock())
        self.nodes = AwaitedNodes(book, self.configure, self.events, directory)

    def configure(self, node: NodeState) -> dict[str, Any]:
        """Its file."""
        return {"name": node.name, "mtu": self.mtu}

    def attach(self, attached: bool = True) -> None:
        """The fabric speaks."""
        self.nodes.attached(self.node, attached)

    def join(self, joined: bool = True) -> None:
        """The node speaks, or falls silent."""
        self.nodes.joined(self.node, joined)

    def told(self) -> list[tuple[str, Any]]:
        """Events so far: name and cause."""
        return [(event["event"], event.get("cause")) for event in self.events.since(0)]


@pytest.fixture
def it(tmp_path: Path) -> Watched:
    """A node nobody has seen yet."""
    return Watched(tmp_path)


def test_a_node_that_never_came_is_starting_for_as_long_as_it_takes(it: Watched) -> None:
    assert it.node.state == "starting"
    it.attach()
    assert it.node.state == "starting"
    it.join()
    assert it.node.state == "serving"
    assert it.told() == [("node_serving", "start")]


@pytest.mark.parametrize("first", ["attach", "join"], ids=["lasers first", "stream first"])
def test_a_node_that_ends_and_comes_back_is_one_restart_in_whatever_order_it_is_noticed(
    it: Watched, first: str
) -> None:
    for speak in (it.attach, it.join):
        speak()
    order = (it.attach, it.join) if first == "attach" else (it.join, it.attach)
    for speak in order:
        speak(False)
    assert it.node.state == "dark"
    for speak in order:
        speak()
    assert it.node.restarts == 1
    assert it.told()[1:] == [("node_exited", None), ("node_serving", "restart"), ("all_serving", None)]


def test_neither_another_fabric_nor_a_stream_that_breaks_is_a_restart(it: Watched) -> None:
    it.attach()
    it.join()
    for speak in (it.attach, it.join):
        speak(False)
        assert it.node.state == "starting"
        speak()
        assert it.node.state == "serving"
    assert it.node.restarts == 0
    assert ("node_exited", None) not in it.told()


async def test_when_the_run_stops_no_node_is_said_to_have_ended(it: Watched) -> None:
    it.attach()
    it.join()
    await it.nodes.stop()
    it.join(False)
    it.attach(False)
    assert ("node_exited", None) not in it.told()


async def test_every_node_finds_its_file_and_an_old_one_is_replaced(it: Watched, tmp_path: Path) -> None:
    (tmp_path / "nodes").mkdir()
    file = tmp_path / "nodes" / "a.json"
    for mtu in (1500, 9000):
        it.mtu = mtu
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(it.nodes.run(), 0.05)
        assert json.loads(file.read_text()) == {"name": "a", "mtu": mtu}
        assert file.stat().st_mode & 0o077 == 0, "it holds the password of the bus"
    assert list(file.parent.iterdir()) == [file]


async def test_a_node_that_is_not_there_cannot_be_signalled_and_that_is_said(it: Watched) -> None:
    with pytest.raises(RuntimeError, match=r"^a cannot be signalled: No such file or directory$"):
        await it.nodes.signal("a", 9)


async def test_an_init_that_has_no_time_yet_is_waited_for_and_the_run_goes_on_meanwhile(
    it: Watched, tmp_path: Path
) -> None:
    (tmp_path / "nodes").mkdir()
    path = init_socket(tmp_path, "a")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as listener:
        listener.bind(str(path))
        listener.listen()
        asked = asyncio.create_task(it.nodes.signal("a", 9))
        await asyncio.sleep(0)  # it has asked, and the loop is free
        assert not asked.done()
        connection, _ = listener.accept()
        with connection:
            assert unpack_request(connection.recv(4096)) == Signal(9)
            connection.send(pack_done())
            await asked


async def test_a_node_that_is_off_finds_no_configuration_until_it_is_on(it: Watched, tmp_path: Path) -> None:
    (tmp_path / "nodes").mkdir()
    file = tmp_path / "nodes" / "a.json"
    it.nodes.switch_on(it.node)
    assert json.loads(file.read_text())["name"] == "a"
    await it.nodes.switch_off(it.node)
    assert not file.exists()
    it.nodes.switch_all_on()
    assert file.exists()


async def test_a_node_that_is_not_there_yet_waits_rightly_and_the_end_of_a_run_does_not_start_it(
    it: Watched, tmp_path: Path
) -> None:
    (tmp_path / "nodes").mkdir()
    file, mark = (tmp_path / "nodes" / name for name in ("a.json", "a.sock.absent"))
    it.nodes.switch_on(it.node)  # by an orchestrator before this one
    it.nodes.keep_off(it.node)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(it.nodes.run(), 0.05)
    it.nodes.switch_all_on()
    assert (file.exists(), mark.exists()) == (False, True)
    it.nodes.switch_on(it.node)
    assert (file.exists(), mark.exists()) == (True, False)


async def test_a_node_is_gone_when_nothing_is_heard_of_it(it: Watched) -> None:
    it.attach()
    it.join()
    gone = asyncio.create_task(it.nodes.gone(it.node))
    it.attach(False)
    await asyncio.sleep(0)
    assert not gone.done()
    it.join(False)
    await gone
