"""`skyrack load bulk`: sizes, pairs, and the verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.sizes import parse_size_bytes, size_text
from skyrack.orchestrator.measure.bulk import Bulk, Sent, judge

PLAN = Bulk((("a", "b"),), 40_000_000_000, 1, 1, None)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("40GB", 40 * 10**9), ("512MiB", 512 << 20), ("1.5 TB", 1_500_000_000_000), ("1e9", 10**9), ("7", 7),
        ("1kB", 1000), ("1KB", 1000), ("1KiB", 1024), ("0.1GB", 10**8), ("1EiB", 1 << 60),
    ],
)  # fmt: skip
def test_a_size_is_exact_in_si_and_iec_units(text: str, size: int) -> None:
    assert parse_size_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a size"), ("-1GB", "is not a size"), ("GB", "is not a size"), ("1e999999GB", "is not a size"),
        ("40Gb", "unknown unit 'Gb'"), ("40gb", "unknown unit"), ("0", "expected 1 byte to 1 EiB"),
        ("2EiB", "expected 1 byte to 1 EiB"), ("0.5", "not a whole number of bytes"), ("nan", "is not a size"),
    ],
)  # fmt: skip
def test_what_is_no_size_is_a_usage_error(text: str, words: str) -> None:
    with pytest.raises(Problem) as found:
        parse_size_bytes(text)
    assert words in str(found.value)
    assert found.value.status == USAGE


def test_bits_are_pointed_out() -> None:
    with pytest.raises(Problem) as found:
        parse_size_bytes("10Gbit")
    assert "capital B" in found.value.hint


@given(st.integers(1, 10**18))
def test_every_size_reads_back(size: int) -> None:
    assert parse_size_bytes(f"{size}B") == size
    assert parse_size_bytes(size_text(size)) == pytest.approx(size, rel=1e-3)


def sent(took_s: float, error: str | None = None) -> Sent:
    return Sent("a>b", PLAN.size_bytes, PLAN.size_bytes, 0, 1.0, took_s, 0.324, ("a", "b"), error)


def test_the_verdict_is_ok_only_when_all_were_done_and_fast_enough() -> None:
    assert judge(PLAN, [sent(0.324)], 0.999)["verdict"] == "ok"
    slow = judge(PLAN, [sent(0.324), sent(0.648)], 0.9)
    assert slow["verdict"] == "bad"
    assert slow["reasons"] == ["ratio >= 0.9 does not hold"]
    assert slow["transfers"][1]["ratio"] == pytest.approx(0.5)
    failed = judge(PLAN, [sent(0.1, "UNAVAILABLE: the fabric ended")], None)
    assert (failed["verdict"], failed["reasons"]) == ("bad", ["a>b: UNAVAILABLE: the fabric ended"])
    assert failed["transfers"][0]["ratio"] is None
