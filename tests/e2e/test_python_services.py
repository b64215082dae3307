"""Classes of a user's as services, inside the processes of nodes."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from skyrack.orchestrator.testing import Constellation, Skyrack, SkyrackError
from skyrack.v1 import mesh_pb2  # noqa: F401  # an import that the process of a call repeats

pytestmark = pytest.mark.mesh

START = datetime(2026, 1, 1, tzinfo=UTC)
SCENARIO = {
    "version": 1,
    "name": "python",
    "extends": "iridium",
    "inhabited": ["p0s00", "p0s01"],
    "ground": [],
}
# What a service of this file can be asked without generated code: bytes in, bytes out.
ASKED = """
import grpc
from skyrack.service import Node, NotAvailableError, UnknownNodeError

def serve(node, answer):
    async def handle(request, context):
        return await answer(request)
    handlers = {"Ask": grpc.unary_unary_rpc_method_handler(handle)}
    node.grpc_server.add_registered_method_handlers(f"test.{node.service}", handlers)
"""


@pytest.fixture(scope="module")
def sky(skyrack_module: Skyrack) -> Constellation:
    return skyrack_module.up(SCENARIO, "--broker", "none")


def add(sky: Constellation, directory: Path, name: str, text: str, *, wait: bool = True, **keys: Any) -> None:
    """A service of that name at p0s00, whose class is `Mine`."""
    write(directory, name, text)
    sky.service_add(name, ["p0s00"], python=f"{name}:Mine", path=[str(directory)], wait=wait, **keys)


def write(directory: Path, name: str, text: str) -> None:
    (directory / f"{name}.py").write_text(ASKED + textwrap.dedent(text))


def ask(target: str, service: str, request: bytes = b"") -> bytes | str:
    """The answer, or the status."""
    with grpc.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(f"/test.{service}/Ask")
        try:
            return bytes(call(request, timeout=60))
        except grpc.RpcError as error:
            return str(error.code().name)


def why(sky: Constellation, service: str) -> str:
    return next(str(row["reason"]) for row in sky.services() if row["service"] == service)


def test_a_service_knows_its_node_and_calls_others_at_the_speed_of_light(
    sky: Constellation, tmp_path: Path
) -> None:
    add(
        sky,
        tmp_path,
        "knows",
        """
        class Mine:
            async def run(self, node: Node) -> None:
                self.node = node
                serve(node, self.answer)
                node.ready()
                await node.clock.sleep(1000)

            async def answer(self, request):
                node, began_s = self.node, self.node.clock.monotonic_s()
                echo = node.channel("p0s01").unary_unary("/skyrack.v1.NodeService/Echo")
                await echo(b"")
                try:
                    node.channel("nobody")
                except UnknownNodeError as error:
                    nobody = str(error)
                around = sorted(neighbour.name for neighbour in node.neighbours())
                return repr({
                    "is": (node.name, node.kind, node.index, node.address, node.service, node.options),
                    "took_s": node.clock.monotonic_s() - began_s, "nobody": nobody, "around": around,
                    "altitude_km": node.position().altitude_km, "peers": node.peers(),
                    "scenario_s": node.clock.scenario_s(), "utc": node.clock.utc().isoformat(),
                    "file": (node.data_dir / "hello").read_text(), "contacts": len(node.forecast().contacts) > 0,
                    "sunlit": node.environment().sunlit,
                }).encode()
        """,
        env={"PLACE": "{node} of {count}"},
        files={"hello": "you"},
    )
    way = sky.path("p0s00", "p0s01")
    assert way is not None

    def as_quick_as_light() -> dict[str, Any] | None:
        before_s = sky.status()["run_s"]
        told: dict[str, Any] = eval(sky.call("p0s01", ask, "p0s00:50051", "knows"))
        after_s = sky.status()["run_s"]
        assert before_s < told["scenario_s"] < after_s
        began_s = (datetime.fromisoformat(told["utc"]) - START).total_seconds()
        assert before_s < began_s < after_s
        assert told["took_s"] > way.rtt_s
        return told if told["took_s"] < way.rtt_s * 2 + 0.1 else None  # it may connect before

    told = sky.wait_until(as_quick_as_light)
    assert told["is"] == ("p0s00", "satellite", 0, "100.64.0.1", "knows", {"PLACE": "p0s00 of 1"})
    assert told["nobody"] == "no node with a process is called 'nobody'"
    assert "p0s01" in told["around"]
    assert 700 < told["altitude_km"] < 850
    assert told["peers"] == {"p0s00": "100.64.0.1", "p0s01": "100.64.0.2"}
    assert told["sunlit"] in (True, False)
    assert told["file"] == "you"
    assert told["contacts"]


def test_a_service_that_fails_is_started_again_with_the_code_of_then(
    sky: Constellation, tmp_path: Path
) -> None:
    text = """
    class Mine:
        async def run(self, node: Node) -> None:
            serve(node, self.answer)
            node.ready()
            await node.clock.sleep(1000)

        async def answer(self, request):
            return b"old"
    """
    p0s00 = f"unix:{sky.status()['mesh_dir']}/nodes/p0s00.sock"  # where the host may ask it, without the mesh
    add(sky, tmp_path, "fresh", text)
    assert ask(p0s00, "fresh") == b"old"
    write(tmp_path, "fresh", text.replace("old", "new"))
    sky.service_restart("fresh")
    assert ask(p0s00, "fresh") == b"new"
    write(
        tmp_path,
        "fresh",
        'class Mine:\n    async def run(self, node):\n        raise ValueError("too old")\n',
    )
    with pytest.raises(SkyrackError):
        sky.service_restart("fresh", timeout_s=1)
    sky.wait_until(lambda: why(sky, "fresh").endswith("ValueError: too old"))
    sky.wait_until(lambda: "ValueError: too old" in sky.log("p0s00", "fresh"))
    assert ask(p0s00, "fresh") == "UNAVAILABLE"
    write(tmp_path, "fresh", text)
    sky.service_restart("fresh")
    assert ask(p0s00, "fresh") == b"old"
    sky.service_remove("fresh")
    sky.wait_until(lambda: ask(p0s00, "fresh") == "UNAVAILABLE")


def test_a_service_is_ready_when_it_says_so_and_until_it_takes_it_back(
    sky: Constellation, tmp_path: Path
) -> None:
    mark = sky.mark()
    add(
        sky,
        tmp_path,
        "moody",
        """
        class Mine:
            async def run(self, node: Node) -> None:
                await node.clock.sleep(0.4)
                while not (node.data_dir / "go").exists():
                    await node.clock.sleep(0.02)
                node.ready()
                while not (node.data_dir / "dusk").exists():
                    await node.clock.sleep(0.02)
                node.not_ready("in the dark")
                await node.clock.sleep(1000)
        """,
        wait=False,
    )
    sky.wait_until(lambda: why(sky, "moody") == "it has not called node.ready() yet")
    data = sky.run_dir / "data" / "p0s00" / "moody"
    (data / "go").touch()
    assert sky.wait_for("service_ready", service="moody", after=mark)["after_s"] > 0.3
    (data / "dusk").touch()
    assert sky.wait_for("service_unready", service="moody", after=mark)["reason"] == "in the dark"
    sky.service_remove("moody")


def test_what_is_no_service_fails_at_once_and_says_why(sky: Constellation, tmp_path: Path) -> None:
    with pytest.raises(SkyrackError, match=r"shy\.py has no class Mine: did you mean Mines\?"):
        add(sky, tmp_path, "shy", "class Mines:\n    pass\n")


def test_the_satellite_lives_on_with_a_service_that_blocks_exits_or_does_not_end(
    sky: Constellation, tmp_path: Path
) -> None:
    pid = next(node["inner_pid"] for node in sky.status()["nodes"] if node["name"] == "p0s00")
    add(
        sky,
        tmp_path,
        "rude",
        """
        import asyncio
        import time

        class Mine:
            async def run(self, node: Node) -> None:
                node.ready()
                time.sleep(0.3)
                while not (node.data_dir / "enough").exists():
                    try:
                        await node.clock.sleep(0.1)
                    except asyncio.CancelledError:
                        pass
        """,
        stop_timeout_s=0.2,
    )
    sky.wait_until(
        lambda: any("kept the node from everything else" in line for line in sky.log("p0s00", "rude"))
    )
    assert any(line.find("at rude.py:") > 0 and "in run" in line for line in sky.log("p0s00", "rude"))
    sky.service_remove("rude")
    sky.wait_until(lambda: "service does not end" in sky.log("p0s00"))
    (sky.run_dir / "data" / "p0s00" / "rude" / "enough").touch()
    add(
        sky,
        tmp_path,
        "exits",
        "class Mine:\n    async def run(self, node):\n        raise SystemExit(3)\n",
        wait=False,
        restart="never",
    )
    sky.wait_for("service_failed", service="exits")
    assert why(sky, "exits") == "ended with status 3: 3"
    assert pid == next(node["inner_pid"] for node in sky.status()["nodes"] if node["name"] == "p0s00")


def test_a_service_is_told_what_happens_to_its_satellite(sky: Constellation, tmp_path: Path) -> None:
    add(
        sky,
        tmp_path,
        "watch",
        """
        class Mine:
            async def run(self, node: Node) -> None:
                alerts = node.alerts()
                node.ready()
                async for alert in alerts:
                    node.log.info("%s: %s", alert.peer, alert.text)
        """,
    )
    with sky.fault("down", link="p0s00-p0s01"):
        sky.wait_until(
            lambda: any(line.startswith("p0s01: ") for line in sky.log("p0s00", "watch")), "an alert"
        )
