"""What upsets of memory become, by how the memory is built. Closed forms; tests/unit/test_hardening.py simulates words.

    upsets --+-- one bit ----- code: corrected ------------ two of them in a word between two scrubs: detected, ends a process
             |                 no code: as several bits
             '-- several bits  code: detected, ends a process; a few are taken for something else: flip
                               no code: nobody notices: flip; a few end a process

Of what is not corrected only a share matters: the rest hits what nobody reads again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from skyrack.orchestrator.scenario.model.hardening import Design

SINGLE_RATIO: Final = 0.986  # of upsets, those of one bit. P: Alsat-1, 98.6 %
MATTERS_RATIO: Final = 0.1  # of upsets that nothing corrects, those in what is read again. D
MISTAKEN_RATIO: Final = 0.1  # of several bits with a code, those with more than the two that it detects. D
CRASH_RATIO: Final = (
    0.2  # without a code, of upsets that matter, those that end a process instead of changing a result. D
)

DATA_BITS: Final = 64
CODE_BITS: Final = 8  # C: a Hamming code of 64 bits needs 7, and one more to detect two; 12.5 % more memory
GIB_BITS: Final = 8 * 2**30
RATES_GIB: Final = 64.0  # memory that rates of upsets are given for
READ_J_PER_BYTE: Final = 0.2e-9  # of memory, there and back. D: some 20 to 25 pJ a bit, as DDR4 has

REFERENCE: Final = Design()


@dataclass(frozen=True, slots=True)
class MemoryRates:
    """Per second, for one particle intensity. `pairs` grow with the square of the intensity, all others in proportion."""

    corrected: float
    flips: float
    crashes: float
    pairs: float


def memory_rates(design: Design, upsets_per_s: float) -> MemoryRates:
    """`upsets_per_s`: of RATES_GIB of memory without a code."""
    upsets = upsets_per_s * size_ratio(design)
    if design.ecc == "none":
        matter = upsets * MATTERS_RATIO
        return MemoryRates(0.0, matter * (1.0 - CRASH_RATIO), matter * CRASH_RATIO, 0.0)
    single = upsets * SINGLE_RATIO
    matter = (upsets - single) * MATTERS_RATIO
    pairs = pair_rate(single, words(design), design.scrub_period_s) * MATTERS_RATIO
    return MemoryRates(single, matter * MISTAKEN_RATIO, matter * (1.0 - MISTAKEN_RATIO), pairs)


def size_ratio(design: Design) -> float:
    """Bits that may be hit, of those that rates are given for."""
    bits = DATA_BITS + (CODE_BITS if design.ecc == "secded" else 0)
    return design.memory_gib / RATES_GIB * bits / DATA_BITS


def words(design: Design) -> float:
    """Words of memory."""
    return design.memory_gib * GIB_BITS / DATA_BITS


def pair_rate(upsets_per_s: float, words: float, period_s: float) -> float:
    """Words in which two single bits meet between two scrubs, per second: u^2 T / (2 W), while u T is far below W.

    Each of W words is hit u T / W times in a period T; twice or more in a share of (u T / W)^2 / 2 of the periods.
    """
    return upsets_per_s**2 * period_s / (2.0 * words)


def scrub_bytes_per_s(design: Design) -> float:
    """What scrubbing reads, code and all; nothing to scrub without a code."""
    if design.ecc == "none":
        return 0.0
    return design.memory_gib * 2**30 * (DATA_BITS + CODE_BITS) / DATA_BITS / design.scrub_period_s


def scrub_w(design: Design) -> float:
    """The power that takes."""
    return scrub_bytes_per_s(design) * READ_J_PER_BYTE
