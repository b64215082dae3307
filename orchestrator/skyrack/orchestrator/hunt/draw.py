"""Schedules from a seed: new ones, and mutations of those that met something new. Same seed, same schedules.

Times are drawn against the orbit: half of the loads begin so that a way between clients and members changes in them, and faults
prefer the instants of such changes and of the faults before.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random

from skyrack.orchestrator.hunt.kinds import KINDS, Kind, acts_on
from skyrack.orchestrator.hunt.schedule import PER_S, Fault, Schedule
from skyrack.orchestrator.hunt.world import World

MOST_FAULTS = 4
ANOTHER_RATIO = 0.4
"""How often a schedule that is drawn has one more fault."""
SAME_RATIO = 0.8
"""How often a fault of a node meets one that is broken already: promises are broken where troubles meet."""
MARGIN_DS = 10
"""No fault begins earlier: the first operations have gone through."""
_LOOK_AHEAD_S = 200
_JITTER_DS = 10
_SEVERE = 2


@dataclass(frozen=True)
class Drawer:
    """Draws schedules of `span_s` of load that begin within `orbit_s` of orbit, with faults of these `kinds`."""

    world: World
    kinds: tuple[str, ...]
    span_s: int
    orbit_s: int

    def fresh(self, random: Random) -> Schedule:
        """A new schedule: of two faults at least, since what one breaks alone two break, too."""
        schedule = Schedule(self._start_s(random), self.span_s, random.randrange(1, 1_000_000))
        count = 2
        while count < MOST_FAULTS and random.random() < ANOTHER_RATIO:
            count += 1
        for _ in range(count):
            schedule = self._with_another(random, schedule)
        return schedule

    def mutated(self, random: Random, parent: Schedule, other: Schedule) -> Schedule:
        """A schedule beside `parent`, that `other` may give faults to; never `parent` itself."""
        schedule = parent
        while schedule == parent or not schedule.faults or random.random() < 0.4:
            schedule = self._step(random, schedule, other)
        return schedule

    def _step(self, random: Random, schedule: Schedule, other: Schedule) -> Schedule:
        faults = schedule.faults
        room = len(faults) < MOST_FAULTS
        steps = ["moment", "seed"]
        steps += ["add"] * 2 * room + ["splice"] * (room and bool(other.faults))
        if faults:
            steps += ["time", "time", "length", "target", "value"] + ["remove"] * (len(faults) > 1)
        step = random.choice(steps)
        if step == "moment":
            return replace(schedule, start_s=self._start_s(random))
        if step == "seed":
            return replace(schedule, seed=random.randrange(1, 1_000_000))
        if step == "add":
            return self._with_another(random, schedule)
        if step == "splice":
            return schedule.with_faults([*faults, random.choice(other.faults)])
        chosen = random.choice(faults)
        rest = [fault for fault in faults if fault is not chosen]
        if step == "remove":
            return schedule.with_faults(rest)
        kind = KINDS[chosen.kind]
        if step == "time":
            chosen = replace(chosen, at_ds=self._at_ds(random, schedule.with_faults(rest)))
        elif step == "length":
            chosen = replace(chosen, for_ds=self._for_ds(random, kind))
        elif step == "target":
            target = self._target(random, schedule, chosen.kind, chosen.at_ds)
            chosen = replace(chosen, target=target or chosen.target)
        else:
            chosen = replace(chosen, value=self._value(random, kind))
        return schedule.with_faults([*rest, self._within(chosen)])

    def _with_another(self, random: Random, schedule: Schedule) -> Schedule:
        used = Counter(fault.kind for fault in schedule.faults)
        fewest = min(used[kind] for kind in self.kinds)
        name = random.choice([kind for kind in self.kinds if used[kind] == fewest])
        kind = KINDS[name]
        at_ds = self._at_ds(random, schedule)
        value = self._value(random, kind)
        target = self._target(random, schedule, name, at_ds)
        if target is None:
            return schedule
        fault = Fault(at_ds, name, target, value, self._for_ds(random, kind))
        return schedule.with_faults([*schedule.faults, self._within(fault)])

    def _start_s(self, random: Random) -> int:
        """Any second of the orbit, or one that has a change of a way in the middle of the load."""
        start_s = random.randrange(self.orbit_s)
        if random.random() < 0.5:
            return start_s
        changes = self.world.changes_s(start_s, start_s + _LOOK_AHEAD_S)
        ahead_s = random.uniform(0.2, 0.7) * self.span_s
        return max(0, round(changes[0] - ahead_s)) if changes else start_s

    def _at_ds(self, random: Random, schedule: Schedule) -> int:
        """Anywhere, beside a change of a way, or soon after the begin or the end of another fault."""
        last_ds = self.span_s * PER_S * 3 // 5
        at_ds = random.randrange(MARGIN_DS, last_ds)
        liking = random.random()
        if liking < 0.3:
            t0_s = schedule.start_s
            changes = self.world.changes_s(t0_s, t0_s + self.span_s)
            if changes:
                at_ds = round((random.choice(changes) - t0_s) * PER_S) + random.randint(
                    -_JITTER_DS, _JITTER_DS
                )
        elif liking < 0.8 and schedule.faults:
            other = random.choice(schedule.faults)
            edge_ds = other.at_ds if random.random() < 0.7 else other.end_ds
            at_ds = edge_ds + random.randint(0, 3 * _JITTER_DS)
        return at_ds if MARGIN_DS <= at_ds < last_ds else random.randrange(MARGIN_DS, last_ds)

    def _for_ds(self, random: Random, kind: Kind) -> int:
        """As long as can be as often as anything else: that meets more, and shrinking makes it short again."""
        longest = random.random() < 0.5
        return kind.longest_ds if longest else random.randint(kind.shortest_ds, kind.longest_ds)

    def _value(self, random: Random, kind: Kind) -> str:
        """Severe as often as anything else, for the same reason."""
        severe = random.random() < 0.5
        return random.choice(kind.values[-_SEVERE if severe else 0 :]) if kind.values else ""

    def _target(self, random: Random, schedule: Schedule, name: str, at_ds: int) -> str | None:
        """Members most of all; who is broken already is likely to be broken again. None: nothing is there for the kind."""
        world, on = self.world, acts_on(name)
        links = world.links(schedule.start_s + at_ds / PER_S)
        if on == "links":
            return "-".join(random.choice(links)) if links else None
        broken = [fault.node for fault in schedule.faults if fault.node in world.members]
        if broken and random.random() < SAME_RATIO:
            node = random.choice(broken)
        elif on == "sides" or random.random() < 0.8:
            node = random.choice(world.members)
        elif on == "nodes" and links and random.random() < 0.5:
            node = random.choice(sorted({end for link in links for end in link}))
        else:
            node = random.choice(world.inhabited)
        if on == "sides":
            others = ",".join(other for other in world.members if other != node)
            # Cut off from the members alone it still answers clients, which is how stale answers are seen.
            sides = [f"{node}|{others}"] * 2 + [f"{node}>{others}", node] if others else [node]
            return random.choice(sides)
        alone = KINDS[name].of_service and node in world.members and random.random() < 0.5
        return f"{node}/{world.service}" if alone else node

    def _within(self, fault: Fault) -> Fault:
        """The fault, cut so that it ends with the load."""
        if not fault.for_ds:
            return fault
        room_ds = self.span_s * PER_S - fault.at_ds
        return replace(fault, for_ds=min(fault.for_ds, room_ds))
