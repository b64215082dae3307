"""Python services inside a node: how their class is found, what they may register, and who blocks the loop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from skyrack.node.clock import RealClock
from skyrack.node.services import modules
from skyrack.node.services.methods import Methods
from skyrack.node.services.modules import load, said
from skyrack.node.services.pace import Pace
from skyrack.node.services.python import PythonRunner
from skyrack.node.services.runner import CannotStartError
from skyrack.node.services.tasks import Tasks
from skyrack.node.services.watchdog import LIMIT_S, Watchdog
from skyrack.v1 import service_pb2

GOOD = "class Good:\n    async def run(self, node):\n        pass\n"


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's directory; what was imported of it is forgotten."""
    path, before = list(sys.path), set(sys.modules)
    monkeypatch.setattr(modules, "_directories", set())
    monkeypatch.setattr(modules, "_modules_before", 0)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(code: Path, python: str, text: str = GOOD) -> str:
    (code / "mine.py").write_text(text)
    with pytest.raises(CannotStartError) as caught:
        load(python, [str(code)])
    return str(caught.value).replace(str(code), "DIR")


def test_what_cannot_be_a_service_is_said_with_its_place(code: Path) -> None:
    assert refusal(code, "mime:Good") == "no module mime in DIR: did you mean mine?"
    assert refusal(code, "mine:Goood") == "mine.py has no class Goood: did you mean Good?"
    assert refusal(code, "mine:Good", "Good = 3") == "mine.py: Good is no class"
    needs = "mine.py: Good needs a method `async def run(self, node)`"
    assert refusal(code, "mine:Good", "class Good:\n  pass") == needs
    assert refusal(code, "mine:Good", "class Good:\n  def run(self, node): pass") == needs
    assert refusal(code, "mine:Good", "class Good:\n  async def run(self): pass") == (
        "mine.py: Good is used as run(self, node): too many positional arguments"
    )
    assert refusal(
        code, "mine:Good", "class Good:\n  def __init__(self, x): pass\n  async def run(self, node): pass"
    ) == ("mine.py: Good is used as Good(): missing a required argument: 'x'")


def test_a_module_that_cannot_be_imported_is_said_with_its_line(code: Path) -> None:
    assert refusal(code, "mine:Good", "x = 1\nimport nothing_of_this_name") == (
        "mine.py:2: ModuleNotFoundError: No module named 'nothing_of_this_name'"
    )
    assert refusal(code, "mine:Good", "x = 1\nx.y = 2") == (
        "mine.py:2: AttributeError: 'int' object has no attribute 'y'"
    )
    assert refusal(code, "mine:Good", "\nclass Good\n").startswith("mine.py:2: SyntaxError: ")
    assert refusal(code, "mine:Good", "raise SystemExit(3)") == "mine.py:1: SystemExit: 3"


def test_every_start_runs_what_is_on_disk_then_its_helpers_too(code: Path) -> None:
    (code / "helper.py").write_text("WORD = 'old'\n")
    (code / "mine.py").write_text(f"from helper import WORD\n{GOOD}    word = WORD\n")
    assert load("mine:Good", [str(code)]).word == "old"
    (code / "helper.py").write_text("WORD = 'new'\n")
    assert load("mine:Good", [str(code)]).word == "new"
    assert not (code / "__pycache__").exists()


async def test_who_is_killed_has_its_turns_to_end_however_long_the_host_stands_still() -> None:
    seconds = iter(range(0, 1000, 2))
    around = SimpleNamespace(
        clock=SimpleNamespace(monotonic_ns=lambda: next(seconds) * 1_000_000_000),
        methods=SimpleNamespace(end=lambda name: None),
        pace=None,
    )
    runner = PythonRunner(service_pb2.ServiceSpec(name="mine"), cast(Any, None), cast(Any, around))
    ended: list[bool] = []

    async def run() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(True)

    runner._tasks.start(run(), "mine")
    await asyncio.sleep(0)
    await runner.kill()
    assert ended


def test_two_services_may_have_modules_of_one_name(code: Path) -> None:
    for name in ("a", "b"):
        (code / name).mkdir()
        (code / name / "mine.py").write_text(f"{GOOD}    word = {name!r}\n")
    assert [load("mine:Good", [str(code / name)]).word for name in ("a", "b", "a")] == ["a", "b", "a"]


def test_a_directory_above_skyrack_itself_takes_nothing_of_it_away(code: Path) -> None:
    (code / "mine.py").write_text(GOOD)
    root = Path(__file__).parents[2]
    before = sys.modules["skyrack.node.services.modules"]
    load("mine:Good", [str(code), str(root)])
    assert sys.modules["skyrack.node.services.modules"] is before


def test_an_error_in_a_library_is_placed_where_the_users_own_code_called_it(code: Path) -> None:
    (code / "mine.py").write_text("import json\n\ndef read():\n    json.loads('{')\n")
    sys.path.insert(0, str(code))
    import mine  # type: ignore[import-not-found]

    with pytest.raises(ValueError, match="Expecting") as caught:
        mine.read()
    assert said(caught.value, [str(code)]).startswith("mine.py:4: json.decoder.JSONDecodeError: Expecting")


# gRPC


async def answer(request: bytes, context: object) -> bytes:
    return b"answer to " + request


def register(server: grpc.aio.Server, name: str = "Ask") -> None:
    """As generated code does."""
    handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(answer)}
    generic = grpc.method_handlers_generic_handler("users.Own", handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers("users.Own", handlers)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Methods, grpc.aio.Channel]]:
    """A server that is running already, as a node's is when its services start."""
    server, methods = grpc.aio.server(), Methods()
    server.add_generic_rpc_handlers((methods,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield methods, channel
    await server.stop(0)


async def asked(channel: grpc.aio.Channel, *, stream: bool = False) -> bytes | grpc.StatusCode:
    ask: Any = channel.unary_stream("/users.Own/Ask") if stream else channel.unary_unary("/users.Own/Ask")
    try:
        return b"".join([part async for part in ask(b"me")]) if stream else bytes(await ask(b"me"))
    except grpc.aio.AioRpcError as error:
        return error.code()


async def test_methods_are_served_while_the_service_runs_and_unavailable_after_it(
    served: tuple[Methods, grpc.aio.Channel],
) -> None:
    methods, channel = served
    assert await asked(channel) is grpc.StatusCode.UNIMPLEMENTED
    register(methods.of("mine"))
    assert await asked(channel) == b"answer to me"
    methods.end("mine")
    assert await asked(channel) is grpc.StatusCode.UNAVAILABLE
    assert await asked(channel, stream=True) is grpc.StatusCode.UNAVAILABLE
    register(methods.of("mine"))
    assert await asked(channel) == b"answer to me"


async def test_answers_of_a_service_keep_to_its_pace(
    served: tuple[Methods, grpc.aio.Channel],
) -> None:
    methods, channel = served
    pace = Pace(RealClock())
    register(methods.of("a", pace))
    assert await asked(channel) == b"answer to me"
    used_s = pace.used_s
    assert used_s > 0.0, "what the answer takes is counted"
    pace.ratio = 0.5
    assert await asked(channel) == b"answer to me"
    assert pace.used_s > used_s


def test_methods_of_others_and_of_the_node_are_refused() -> None:
    methods = Methods()
    register(methods.of("mine"))
    with pytest.raises(ValueError, match=r"/users\.Own/Ask is served by service mine already"):
        register(methods.of("yours"))
    methods.end("mine")
    register(methods.of("yours"))
    with pytest.raises(ValueError, match="the node's own"):
        methods.add("mine", "/skyrack.v1.NodeService/Echo", grpc.unary_unary_rpc_method_handler(answer))
    with pytest.raises(AttributeError, match="may only register methods"):
        _ = methods.of("mine").start


# Tasks


async def test_tasks_that_a_service_starts_are_its_own_and_others_are_not() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    started: list[asyncio.Task[None]] = []
    all_started = asyncio.Event()

    async def service() -> None:
        started.append(asyncio.create_task(forever()))
        async with asyncio.TaskGroup() as group:
            started.append(group.create_task(forever()))
            all_started.set()

    tasks = Tasks()
    first = tasks.start(service(), "service")
    other = asyncio.create_task(forever())
    await all_started.wait()
    assert set(tasks.running()) == {first, *started}
    for task in (*tasks.running(), other):
        task.cancel()
    await asyncio.wait([first, other, *started])
    assert tasks.running() == []


# Blocking


async def test_who_blocks_the_loop_is_named_with_file_and_line(code: Path) -> None:
    (code / "slow.py").write_text("import time\n\ndef block():\n    time.sleep(0.4)\n")
    sys.path.insert(0, str(code))
    import slow  # type: ignore[import-not-found]

    found: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
    watchdog = Watchdog(RealClock())
    watchdog.watch("mine", [str(code)], lambda late_s, where: found.put_nowait((late_s, where)))
    try:
        time.sleep(0.3)  # noqa: ASYNC251  # not the service: nobody is blamed
        began_s = time.monotonic()
        await asyncio.sleep(0.06)
        slow.block()
        late_s, where = await asyncio.wait_for(found.get(), 60)
        assert where == "slow.py:4 in block"
        assert 0.25 < late_s < time.monotonic() - began_s
    finally:
        watchdog.leave("mine")
    assert found.empty()


async def test_who_blocks_after_the_host_has_kept_the_loop_is_named_as_well(code: Path) -> None:
    (code / "slower.py").write_text("import time\n\ndef block():\n    time.sleep(0.4)\n")
    sys.path.insert(0, str(code))
    import slower  # type: ignore[import-not-found]

    found: asyncio.Queue[str] = asyncio.Queue()
    watchdog = Watchdog(RealClock())
    watchdog.watch("mine", [str(code)], lambda _, where: found.put_nowait(where))
    try:
        await asyncio.sleep(0)
        time.sleep(2 * LIMIT_S)  # noqa: ASYNC251  # stands for the host, in the same turn of the loop
        slower.block()
        assert await asyncio.wait_for(found.get(), 60) == "slower.py:4 in block"
    finally:
        watchdog.leave("mine")
