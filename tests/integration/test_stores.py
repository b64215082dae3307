"""Adapters of stores against real servers: what they do, and what they say of an operation that was not answered."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from redis.exceptions import ConnectionError

from skyrack.workloads import Failed, Store, UnknownName, find_adapter
from skyrack.workloads.stores.grpc import REFUSED, GrpcStore
from skyrack.workloads.stores.redis import NotReplicatedError, RedisStore

from .ports import free_port
from .store_servers import Server, etcd_cluster, redis_sentinel, redis_server, running

pytestmark = pytest.mark.together

TIMEOUT_S = 60.0  # where an answer is to come
SHORT_S = 0.5  # where none is to come
SERVICE = Path(__file__).with_name("store_service.py")


def needs(program: str, package: str) -> None:
    """Without it these tests are no proof."""
    assert shutil.which(program), f"not installed here: apt-get install {package}"


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    needs("etcd", "etcd-server")
    with etcd_cluster(tmp_path_factory.mktemp("etcd"), 3) as members:
        yield members


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    needs("redis-server", "redis-server")
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@contextlib.contextmanager
def grpc_service(directory: Path) -> Iterator[Server]:
    port = free_port()
    with running([sys.executable, str(SERVICE), str(port)], port, directory) as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with grpc_service(tmp_path_factory.mktemp("grpc")) as server:
        yield server


@contextlib.asynccontextmanager
async def client(adapter: str, *servers: Server, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Store]:
    store = find_adapter(adapter)([server.endpoint for server in servers], timeout_s)
    try:
        yield store
    finally:
        await store.close()


async def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask until it succeeds with something that is true. What it asserts must hold each time."""
    deadline_s = time.monotonic() + seconds
    while True:
        try:
            if found := await condition():
                return found
        except AssertionError:
            raise
        except Exception:
            if time.monotonic() > deadline_s:
                raise
        assert time.monotonic() < deadline_s, "never"
        await asyncio.sleep(0.02)


def again(failure: Failed) -> bool:
    """Not yet, for `eventually`: this process stood still until it was too late to send. Another failure is a wrong one."""
    assert "never sent" in str(failure), failure
    return False


# What every store does


@pytest.mark.parametrize("kind", ["etcd", "redis", "grpc"])
async def test_operations_do_what_they_are_called(kind: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue("service" if kind == "grpc" else kind)
    async with client(kind, *(found if isinstance(found, list) else [found])) as store:
        assert await store.read("x") is None
        assert await store.cas("x", None, 5)
        assert not await store.cas("x", None, 6), "only if absent"
        assert not await store.cas("x", 4, 6)
        assert await store.cas("x", 5, 6)
        await store.write("x", -7)
        assert await store.read("x") == -7
        for _ in range(2):
            await store.delete("x")
        assert await store.read("x") is None
        assert not await store.cas("x", -7, 1)

        assert await store.read_list("l") == []
        for value in (3, 1, 2, 3):
            await store.append("l", value)
        assert await store.read_list("l") == [3, 1, 2, 3]

        assert await store.read_set("s") == []
        for value in (3, 1, 3):
            await store.add("s", value)
        assert sorted(await store.read_set("s")) == [1, 3]

        assert await store.dequeue("q") is None
        for value in (3, 1, 2):
            await store.enqueue("q", value)
        assert [await store.dequeue("q") for _ in range(4)] == [3, 1, 2, None]

        await store.open_accounts({"a": 5, "b": 0})
        await store.open_accounts({"a": 9, "b": 9})
        assert await store.transfer("a", "b", 3)
        assert not await store.transfer("a", "b", 3), "more than there is"
        assert await store.balances(["a", "b"]) == {"a": 2, "b": 3}


async def test_what_nobody_listens_to_failed_and_the_next_endpoint_is_asked(
    redis: Server, etcd: list[Server], service: Server
) -> None:
    for kind, server in (("redis", redis), ("etcd", etcd[0]), ("grpc", service)):
        store = find_adapter(kind)([f"127.0.0.1:{free_port()}", server.endpoint], TIMEOUT_S)
        with pytest.raises(Failed, match="never sent"):
            await store.write("refused", 1)
        await store.write("refused", 2)
        await store.close()


async def test_what_is_sent_and_not_answered_is_unknown(
    redis: Server, etcd: list[Server], service: Server
) -> None:
    for kind, server in (("redis", redis), ("etcd", etcd[0]), ("grpc", service)):
        async with client(kind, server, timeout_s=SHORT_S) as store:

            async def unanswered(store: Store = store, server: Server = server) -> bool:
                await store.write("paused", 1)
                server.pause()
                try:
                    await store.write("paused", 2)
                except TimeoutError:
                    return True
                except Failed as failure:
                    return again(failure)
                finally:
                    server.resume()
                raise AssertionError("answered by a server that stands still")

            await eventually(unanswered)


async def _done(operation: Any) -> bool:
    await operation
    return True


# etcd


async def test_etcd_takers_of_a_queue_and_transfers_at_once_do_each_thing_once(etcd: list[Server]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(client("etcd", m)) for m in etcd * 2]
        for value in range(12):
            await stores[0].enqueue("contested", value)
        taken = await asyncio.gather(*(store.dequeue("contested") for store in stores * 2))
        assert sorted(value for value in taken if value is not None) == list(range(12))
        names = ["c0", "c1", "c2"]
        await stores[0].open_accounts(dict.fromkeys(names, 10))
        await asyncio.gather(*(s.transfer(names[n % 3], names[(n + 1) % 3], 1) for n, s in enumerate(stores)))
        assert sum((await stores[0].balances(names)).values()) == 30


async def test_etcd_without_a_leader_refuses_and_only_serializable_reads_go_on(etcd: list[Server]) -> None:
    async with client("etcd", *etcd) as store:
        await store.write("old", 1)
    lonely, *others = etcd
    async with (
        client("etcd", lonely) as store,
        client("etcd", lonely, timeout_s=SHORT_S) as hasty,
        client("etcd,serializable=true", lonely) as stale,
    ):

        async def has_it() -> bool:
            return await stale.read("old") == 1

        await eventually(has_it)
        for other in others:
            other.pause()
        try:

            async def refused() -> bool:
                try:
                    await hasty.write("refused", 2)
                except TimeoutError:
                    return False  # it has not noticed yet
                except Failed as failure:
                    return str(failure) == "etcdserver: no leader" or again(failure)
                raise AssertionError("acknowledged by a minority")

            await eventually(refused)
            with pytest.raises(Failed, match="no leader"):
                await store.read("old")
            assert await stale.read("old") == 1
        finally:
            for other in others:
                other.resume()

        async def again() -> bool:
            return await store.read("old") is not None

        await eventually(again)


async def test_a_transaction_that_is_not_begun_has_failed(etcd: list[Server]) -> None:
    async with client("etcd", *etcd) as store:
        await store.enqueue("begun", 1)
    async with client("etcd", etcd[0], timeout_s=SHORT_S) as store:
        etcd[0].pause()
        try:

            async def not_begun() -> bool:
                with pytest.raises(Failed) as failure:
                    await store.dequeue("begun")
                return "not begun" in str(failure.value) or again(failure.value)

            await eventually(not_begun)
        finally:
            etcd[0].resume()


# Redis


async def test_redis_refusals_are_definite(tmp_path: Path, redis: Server) -> None:
    with (
        redis_server(tmp_path, "--replicaof", "127.0.0.1", str(redis.port)) as replica,
        redis_server(tmp_path, "--min-replicas-to-write", "1") as alone,
        redis_server(tmp_path, "--maxmemory", "1") as full,
    ):
        refusals = {"read only replica": replica, "Not enough good replicas": alone, "maxmemory": full}
        for words, server in refusals.items():
            async with client("redis", server) as store:
                await store.read("x")
                for operation in (store.write("x", 1), store.cas("x", None, 1), store.enqueue("q", 1)):
                    with pytest.raises(Failed, match=words):
                        await operation


async def test_redis_write_that_too_few_replicas_confirm_is_unknown_and_there(redis: Server) -> None:
    store = RedisStore([redis.endpoint], SHORT_S, wait=1)

    async def unknown() -> bool:
        try:
            await store.write("waited", 1)
        except (NotReplicatedError, TimeoutError):
            return True
        except Failed as failure:
            return again(failure)
        raise AssertionError("nobody confirmed it")

    await eventually(unknown)
    await store.close()
    async with client("redis", redis) as other:

        async def there() -> bool:  # who has waited in vain does not know when Redis reads what he sent
            return await other.read("waited") == 1

        await eventually(there)


async def test_redis_connection_that_breaks_under_a_write_leaves_it_unknown(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with client("redis", server) as store:
            await store.write("x", 1)
            server.pause()
            writing = asyncio.create_task(store.write("x", 2))
            await asyncio.sleep(0)
            server.kill()
            with pytest.raises(ConnectionError):
                await writing
            with pytest.raises(Failed, match="never sent"):
                await store.write("x", 3)


async def test_redis_clients_follow_the_sentinels_to_another_primary(tmp_path: Path) -> None:
    needs("redis-sentinel", "redis-sentinel")
    with (
        redis_server(tmp_path) as first,
        redis_server(tmp_path, "--replicaof", "127.0.0.1", str(first.port)) as second,
        redis_sentinel(tmp_path, "orbit", first, second) as sentinel,
    ):
        dead = Server(first.process, f"127.0.0.1:{free_port()}")
        async with (
            client("redis,sentinel=orbit", dead, sentinel) as store,
            client("redis", second) as replica,
        ):
            # A sentinel that did not get to run takes the primary for dead, and moves it.
            await eventually(lambda: _done(store.write("x", 1)))

            async def replicated() -> bool:
                return await replica.read("x") == 1

            await eventually(replicated)
            first.kill()
            await eventually(lambda: _done(store.write("x", 2)))

            async def there() -> bool:  # a sentinel ends the connections of a server that it promotes
                return await replica.read("x") == 2

            await eventually(there)


# gRPC


async def test_grpc_statuses_say_what_the_proto_says(service: Server) -> None:
    definite = set()
    async with client("grpc", service) as store:
        for code in grpc.StatusCode:
            if code is grpc.StatusCode.OK:
                continue
            try:
                await store.write(f"status/{code.name}", 1)
            except Failed:
                definite.add(code)
            except (grpc.aio.AioRpcError, TimeoutError):
                pass
            else:
                raise AssertionError(f"{code} counts as done")
    assert definite == REFUSED
    text = (Path(__file__).parents[2] / "proto/skyrack/v1/store.proto").read_text()
    head, _, rest = text.partition("unknown, may have happened")
    assert all(code.name in head for code in REFUSED)
    assert all(code.name in rest for code in set(grpc.StatusCode) - REFUSED - {grpc.StatusCode.OK})


async def test_grpc_method_that_a_service_does_not_have_is_named(service: Server) -> None:
    async with client("grpc", service) as store:
        with pytest.raises(Failed, match=r"does not implement it .*Echo"):
            await store.echo("x")


async def test_grpc_service_that_ends_under_a_write_leaves_it_unknown(tmp_path: Path) -> None:
    with grpc_service(tmp_path) as server:
        store = GrpcStore([server.endpoint], TIMEOUT_S)
        await store.write("x", 1)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await store.write("exit", 1)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE

        async def refused() -> bool:  # gRPC may not have seen the end yet
            with contextlib.suppress(Failed):
                await store.write("x", 2)
                raise AssertionError("nobody is there")
            return True

        await eventually(refused)
        await store.close()


async def test_grpc_service_that_is_slow_to_greet_is_waited_for(tmp_path: Path) -> None:
    """gRPC's own patience for a connection is not that of an operation: to a geostationary satellite it takes a second."""
    with grpc_service(tmp_path) as server:
        async with client("grpc", server) as store:
            server.pause()
            writing = asyncio.create_task(store.write("x", 1))
            ended, _ = await asyncio.wait([writing], timeout=1.0)
            assert not ended, "given up, or answered by a server that stands still"
            server.resume()
            await writing


# Names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ectd", "did you mean etcd"),
        ("grpc,wait=1", "grpc has no option 'wait': it has none"),
        ("redis,wiat=1", "redis has no option 'wiat': its options are sentinel, wait"),
        ("redis,wait=one", "wait is 'one', expected of type int"),
        ("etcd,serializable=yes", "serializable is 'yes', expected true or false"),
    ],
)
def test_an_adapter_that_cannot_be_is_refused_with_what_there_is(name: str, words: str) -> None:
    with pytest.raises(UnknownName, match=words):
        find_adapter(name)


def test_options_of_an_adapter_reach_it() -> None:
    made: Callable[[Sequence[str], float], Any] = find_adapter("redis,sentinel=orbit,wait=2")
    store = made(["london:26379"], 1.0)
    assert (store._primary, store._wait) == ("orbit", 2)
