"""What waits for a broker is bounded, and the newest wins."""

from __future__ import annotations

import asyncio
import random

from skyrack.v1.bus import LAST_BACKOFF_S, Address, Bus, Message, Pending, backoff_s


def message(topic: str, text: str, keep: int = 1) -> Message:
    return Message(topic, text.encode(), keep=keep)


def drain(pending: Pending) -> list[str]:
    texts = []
    while (one := pending.pop()) is not None:
        texts.append(one.payload.decode())
    return texts


def test_of_a_topic_the_newest_messages_wait_in_their_order() -> None:
    pending = Pending()
    for number in range(5):
        pending.add(message("report", f"r{number}"))
        pending.add(message("event", f"e{number}", keep=3))
    assert len(pending) == 4
    assert pending.dropped == 6
    assert drain(pending) == ["r4", "e2", "e3", "e4"]
    assert len(pending) == 0


def test_what_could_not_be_sent_comes_first_again() -> None:
    pending = Pending()
    for number in range(3):
        pending.add(message("event", f"e{number}", keep=3))
    sent = pending.pop()
    assert sent is not None
    pending.put_back(sent)
    assert drain(pending) == ["e0", "e1", "e2"]
    assert pending.dropped == 0


def test_what_could_not_be_sent_is_dropped_when_a_newer_one_is_there() -> None:
    pending = Pending()
    pending.add(message("report", "old"))
    sent = pending.pop()
    assert sent is not None
    pending.add(message("report", "new"))
    pending.put_back(sent)
    assert drain(pending) == ["new"]
    assert pending.dropped == 1


def test_attempts_get_rarer_up_to_a_limit() -> None:
    waits = backoff_s(random.Random(1))
    drawn = [next(waits) for _ in range(20)]
    assert drawn[0] <= 0.1
    assert max(drawn) <= LAST_BACKOFF_S
    assert min(drawn[10:]) >= LAST_BACKOFF_S / 2


def test_a_password_is_in_no_traceback() -> None:
    assert "secret" not in repr(Address(socket="/x", username="node", password="secret"))


async def test_without_any_broker_a_bus_costs_attempts_only() -> None:
    attempts: list[float] = []
    tenth = asyncio.Event()

    async def sleep(wait_s: float) -> None:
        attempts.append(wait_s)
        if len(attempts) == 10:
            tenth.set()
        await asyncio.sleep(0)

    bus = Bus(Address(socket="/nowhere/mqtt.sock"), "x", sleep, random.Random(1))
    running = asyncio.create_task(bus.run())
    for number in range(1000):
        bus.publish(message("report", str(number)))
    assert not await bus.flush(3600.0), "nobody waits for a broker that is not there"
    await tenth.wait()
    assert (bus.waiting, bus.dropped, bus.published, bus.reconnects) == (1, 999, 0, 0)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
