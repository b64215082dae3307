"""What radiation does to which satellite when: decided by scenario and seed, weighted by where it is and by storms. Pure.

A node's rate of an outcome is its mean rate times the intensity at that instant,

    intensity(t) = (1 - s) / (1 - f) x (m over the anomaly) x (every storm's factor),   m = s (1 - f) / (f (1 - s))

for a share `s` of all events that come over the anomaly, where the node is for a share `f` of the time: 1 in the mean.

Storms may come that nobody knows of when the dice are thrown. So candidates are drawn in layers, each a Poisson process of
its own over (time, mark): layer 0 has marks in [0, 1), layer k has [2^(k-1), 2^k), each at the mean rate times its width. A
candidate happens if its mark is below the intensity in force then. So a storm adds outcomes and takes none away, and layers
that no intensity reaches are never drawn.

    mark 4 |   .      .   .  | layer 2
         2 |__.____.____.____|
           |  .     ______.  | layer 1     ___ intensity: what is below happens
         1 |_______|__.___|__|
           | .  .    .   . . | layer 0
         0 +-----------------+ t

Draws depend on seed, node, outcome, layer and block of time alone, not on how time is cut or on other nodes. Blocks of higher
layers are shorter, so that each has about as many candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.absences import Absences
from skyrack.orchestrator.environment.outcomes import OUTCOMES, Exposed, Stream, entry_of_outcome
from skyrack.orchestrator.environment.spells import Spells
from skyrack.orchestrator.environment.stays import Stay
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.occurrence import Occurrence

LONGEST_BLOCK_S: Final = 2.0**18  # three days, of layer 0
SHORTEST_BLOCK_S: Final = 2.0**6
HIGHEST_MARK: Final = (
    2.0**24
)  # what grows with the square stops at 4,096 times its mean: no memory is left by then
_MOST_BLOCKS: Final = 20_000  # that are kept


class Candidate(NamedTuple):
    """`t_s` in whole ms. `share` and `draw` decide what else there is to decide, in [0, 1) and from 1 to 999,999."""

    t_s: float
    mark: float
    share: float
    draw: int


class Over(Protocol):
    """When satellites are over the anomaly, as `passes.Passes` knows it."""

    def of(self, node: int, first_t_s: float, last_t_s: float) -> Sequence[Stay]:
        """Stays that have a part in [first_t_s, last_t_s)."""

    def inside(self, node: int, t_s: float) -> bool:
        """Whether it is at an instant."""

    def insides(self, node: int, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The same at instants (m,)."""


class RadiationSource:
    """`spells`: the storms that are known of now, also those that are over, which count for the dose. `absences`: who is
    known to be not in service when: what would hit it then does not come, and nothing else changes.

    What `between` says of times that no storm changes any more stays so. May be asked from any thread.
    """

    name = "radiation"

    def __init__(
        self,
        exposed: Sequence[Exposed],
        passes: Over,
        spells: Callable[[], Spells],
        seed: int,
        absences: Callable[[], Absences] = Absences,
    ) -> None:
        self._exposed = exposed
        self._passes = passes
        self._spells = spells
        self._seed = seed
        self._absences = absences
        self._known: dict[tuple[int, str, int, int], list[Candidate]] = {}

    def between(self, first_t_s: float, last_t_s: float) -> list[Occurrence]:
        """What happens in [first_t_s, last_t_s), in order of time."""
        known, absences = self._spells(), self._absences()
        spells = known.during(first_t_s, last_t_s)
        found: list[tuple[float, int, Occurrence]] = []
        for one in self._exposed:
            storms = known.storms(one.node)
            for begin_t_s, end_t_s in self._pieces(one, spells, absences, first_t_s, last_t_s):
                intensity = self._intensity(one, spells, (begin_t_s + end_t_s) / 2.0)
                for stream in one.streams:
                    times = intensity**stream.power
                    most = min(HIGHEST_MARK, times * stream.growth(one.design, storms, end_t_s))
                    for candidate in self._candidates(one, stream, most, begin_t_s, end_t_s):
                        t_s = candidate.t_s
                        if candidate.mark < times * stream.growth(one.design, storms, t_s):
                            found.append((t_s, one.node, _occurrence(one, stream, candidate)))
        return [occurrence for _, _, occurrence in sorted(found, key=lambda row: row[:2])]

    def count(self, first_t_s: float, last_t_s: float) -> Counter[str]:
        """How many `between` has, by kind, but for those within 0.03 s of the anomaly's border: no stay is worked out."""
        spells = self._spells().during(first_t_s, last_t_s)
        edges = {edge for one in self._exposed for edge in spells.edges(one.node)}
        inner = sorted(edge for edge in edges if first_t_s < edge < last_t_s)
        found: Counter[str] = Counter()
        for begin_t_s, end_t_s in pairwise([first_t_s, *inner, last_t_s]):
            if spells.during(begin_t_s, end_t_s).calm:
                for one in self._exposed:
                    found.update(self._kinds(one, begin_t_s, end_t_s))
            else:
                found.update(one.entry["kind"] for one in self.between(begin_t_s, end_t_s))
        return found

    def _kinds(self, one: Exposed, first_t_s: float, last_t_s: float) -> Iterator[str]:
        """What happens to a satellite where there is no storm."""
        storms, absences, highest = (
            self._spells().storms(one.node), self._absences(), max(one.inside, one.outside)
        )  # fmt: skip
        drawn = [
            (stream, candidate)
            for stream in one.streams
            for candidate in self._candidates(
                one,
                stream,
                min(HIGHEST_MARK, highest**stream.power * stream.growth(one.design, storms, last_t_s)),
                first_t_s,
                last_t_s,
            )
        ]
        insides = self._passes.insides(one.node, np.array([candidate.t_s for _, candidate in drawn]))
        for (stream, candidate), inside in zip(drawn, insides.tolist(), strict=True):
            usual, t_s = one.inside if inside else one.outside, candidate.t_s
            times = usual**stream.power * stream.growth(one.design, storms, t_s)
            if candidate.mark < times and not absences.at(one.node, t_s):
                yield _occurrence(one, stream, candidate).entry["kind"]

    def expected(self, first_t_s: float, last_t_s: float) -> dict[str, float]:
        """Mean numbers of each outcome over [first_t_s, last_t_s); `upset`: those that are corrected."""
        known = self._spells()
        return {
            outcome: sum(self.expected_of(one, outcome, first_t_s, last_t_s, known) for one in self._exposed)
            for outcome in ("upset", *OUTCOMES)
        }

    def expected_of(
        self, one: Exposed, outcome: str, first_t_s: float, last_t_s: float, known: Spells
    ) -> float:
        """The same of one outcome and satellite."""
        streams = [one.upsets] if outcome == "upset" else [s for s in one.streams if s.outcome == outcome]
        total, storms = 0.0, known.storms(one.node)
        for begin_t_s, end_t_s in self._pieces(one, known, self._absences(), first_t_s, last_t_s):
            middle_t_s = (begin_t_s + end_t_s) / 2.0
            intensity = self._intensity(one, known, middle_t_s)
            for stream in streams:
                growth = stream.growth(one.design, storms, middle_t_s)
                times = min(HIGHEST_MARK, intensity**stream.power * growth)
                total += stream.per_s * times * (end_t_s - begin_t_s)
        return total

    def is_inside(self, one: Exposed, ordered: Container[int], t_s: float) -> bool:
        """Whether a satellite counts as over the anomaly; `ordered`: those that do wherever they are."""
        return one.node in ordered or self._passes.inside(one.node, t_s)

    def there(self, t_s: float) -> list[Exposed]:
        """Who is exposed then, in node order: those in service, as far as is known."""
        absences = self._absences()
        return [one for one in self._exposed if not absences.at(one.node, t_s)]

    @property
    def exposed(self) -> Sequence[Exposed]:
        """Who is exposed while it is in service, in node order."""
        return self._exposed

    def _intensity(self, one: Exposed, spells: Spells, t_s: float) -> float:
        usual = one.inside if self.is_inside(one, spells.inside(t_s), t_s) else one.outside
        return usual * spells.factor(one.node, t_s)

    def _pieces(
        self, one: Exposed, spells: Spells, absences: Absences, first_t_s: float, last_t_s: float
    ) -> Iterator[Stay]:
        """Spans in which nothing changes, of those in which it is there."""
        edges = {edge for stay in self._passes.of(one.node, first_t_s, last_t_s) for edge in stay}
        edges |= {*spells.edges(one.node), *(edge for stay in absences.of(one.node) for edge in stay)}
        inner = sorted(edge for edge in edges if first_t_s < edge < last_t_s)
        for begin_t_s, end_t_s in pairwise([first_t_s, *inner, last_t_s]):
            if not absences.at(one.node, begin_t_s):
                yield begin_t_s, end_t_s

    def _candidates(
        self, one: Exposed, stream: Stream, most: float, first_t_s: float, last_t_s: float
    ) -> Iterator[Candidate]:
        """Those of all layers that reach below `most`."""
        layer = 0
        while stream.per_s and most > (2.0 ** (layer - 1) if layer else 0.0):
            block_s = max(LONGEST_BLOCK_S / 2.0**layer, SHORTEST_BLOCK_S)
            for block in range(int(first_t_s // block_s), int(last_t_s // block_s) + 1):
                for candidate in self._block(one, stream, layer, block, block_s):
                    if first_t_s <= candidate.t_s < last_t_s:
                        yield candidate
            layer += 1

    def _block(self, one: Exposed, stream: Stream, layer: int, block: int, block_s: float) -> list[Candidate]:
        key = one.node, stream.name, layer, block
        if (known := self._known.get(key)) is not None:
            return known
        if len(self._known) >= _MOST_BLOCKS:
            self._known.clear()
        lot = Lot(self._seed, "radiation", one.name, stream.name, layer, block)
        drawn = self._known[key] = list(_drawn(lot, stream, layer, block * block_s, block_s))
        return drawn


def _drawn(lot: Lot, stream: Stream, layer: int, begin_t_s: float, block_s: float) -> Iterator[Candidate]:
    low, high = (2.0 ** (layer - 1), 2.0**layer) if layer else (0.0, 1.0)
    mean_s = 1.0 / (stream.per_s * (high - low))
    t_s = lot.gap(mean_s)
    while t_s < block_s:
        mark, share = lot.between(low, high), lot.between(0.0, 1.0)
        yield Candidate(begin_t_s + int(t_s * 1e3) / 1e3, mark, share, 1 + lot.one(range(999_999)))
        t_s += lot.gap(mean_s)


def _occurrence(one: Exposed, stream: Stream, candidate: Candidate) -> Occurrence:
    entry, for_t_s = entry_of_outcome(one, stream.outcome, candidate.share, candidate.draw)
    return Occurrence(candidate.t_s, entry, for_t_s)
