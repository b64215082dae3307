"""Decides how a satellite runs its services, by battery and temperature. Pure.

             battery < throttle_below, or T > throttle_above      battery < safe_below, or T > critical
    NOMINAL <------------------------------------------> THROTTLED --------------------------> SAFE
       ^                                                     ^                                   |
       '-----------------------------------------------------'--- battery >= safe_until, T cooled '

Throttled, the share is clamp((T_crit - T) / (T_crit - T_thr), s_min, 1), and the same of the battery between its thresholds,
the smaller one, in steps of 5 %. Battery and temperature are followed with play: a way back counts once it is longer than
the hysteresis, so that nothing goes to and fro.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

STEPS = 20  # of 5 %


class Mode(enum.Enum):
    """As in skyrack.v1.FlightMode."""

    NOMINAL = 1
    THROTTLED = 2
    SAFE = 3


@dataclass(frozen=True)
class Limits:
    """`throttle_above_c` and `critical_c` are None where heat is not looked at."""

    throttle_below_ratio: float
    safe_below_ratio: float
    safe_until_ratio: float
    hysteresis_ratio: float
    least_share_ratio: float
    throttle_above_c: float | None
    critical_c: float | None
    hysteresis_k: float


@dataclass(frozen=True)
class Held:
    """What a governor remembers: whether safe mode is for want of charge, or for heat, and where its two plays are."""

    flat: bool = False
    hot: bool = False
    lack_ratio: float | None = None
    heat_c: float | None = None


@dataclass(frozen=True)
class Decision:
    """`share` of the computer that all services together get; `cause` is short, `reason` a sentence."""

    mode: Mode
    share: float
    cause: str
    reason: str


class Play:
    """Follows a value upwards at once, and downwards at a distance."""

    def __init__(self, slack: float, at: float | None = None) -> None:
        self._slack = slack
        self.at = at

    def follow(self, value: float) -> float:
        """What it is taken for: between `value` and `value + slack`."""
        if self.at is None or value > self.at:
            self.at = value
        elif value < self.at - self._slack:
            self.at = value + self._slack
        return self.at


class Governor:
    """`decision` is the last one; it stays the same object until something, or what it is for, is decided anew.

    `held`: of a governor before this one, in another process of the node, which this one goes on for.
    """

    def __init__(self, limits: Limits, held: Held = Held()) -> None:
        self._limits = limits
        self._lack = Play(limits.hysteresis_ratio, held.lack_ratio)  # of charge: 1 - ratio
        self._heat = Play(limits.hysteresis_k, held.heat_c)
        self._flat, self._hot = held.flat, held.hot
        self._for_heat: bool | None = None  # None before the first decision
        self.decision = Decision(Mode.NOMINAL, 1.0, "", "nothing has been looked at yet")

    @property
    def held(self) -> Held:
        """For a governor that goes on for this one."""
        return Held(self._flat, self._hot, self._lack.at, self._heat.at)

    def decide(self, charge_ratio: float, temperature_c: float | None) -> Decision:
        """For the state now."""
        limits = self._limits
        lack = self._lack.follow(1.0 - charge_ratio)
        by_charge = _share(
            lack, 1.0 - limits.throttle_below_ratio, 1.0 - limits.safe_below_ratio, limits.least_share_ratio
        )
        self._flat = charge_ratio < (limits.safe_until_ratio if self._flat else limits.safe_below_ratio)
        by_heat = 1.0
        if (
            temperature_c is not None
            and limits.throttle_above_c is not None
            and limits.critical_c is not None
        ):
            heat_c = self._heat.follow(temperature_c)
            by_heat = _share(heat_c, limits.throttle_above_c, limits.critical_c, limits.least_share_ratio)
            cooled_c = limits.throttle_above_c - limits.hysteresis_k
            self._hot = temperature_c > (cooled_c if self._hot else limits.critical_c)
        share = min(by_charge, by_heat)
        mode = Mode.SAFE if self._flat or self._hot else Mode.THROTTLED if share < 1.0 else Mode.NOMINAL
        if mode is Mode.SAFE:
            share = 0.0
        for_heat = self._hot and not self._flat if mode is Mode.SAFE else by_heat < by_charge
        if (mode, share, for_heat) != (self.decision.mode, self.decision.share, self._for_heat):
            self._for_heat = for_heat
            self.decision = self._said(mode, share, charge_ratio, temperature_c, for_heat=for_heat)
        return self.decision

    def _said(
        self, mode: Mode, share: float, charge_ratio: float, temperature_c: float | None, *, for_heat: bool
    ) -> Decision:
        limits, battery = self._limits, f"battery {math.floor(100 * charge_ratio + 1e-6)} %"
        if mode is Mode.NOMINAL:
            both = battery if temperature_c is None else f"{battery}, {temperature_c:.1f} °C"
            return Decision(mode, share, both, f"{both}: within limits")
        if for_heat and temperature_c is not None and limits.throttle_above_c is not None:
            cause = f"{temperature_c:.1f} °C"
            over_c = limits.critical_c if mode is Mode.SAFE else limits.throttle_above_c
            assert over_c is not None
            why = f"{cause}, above {over_c:g} °C" if temperature_c > over_c else f"{cause}, cooling"
            until = f"it has cooled to {limits.throttle_above_c - limits.hysteresis_k:g} °C"
        else:
            cause = battery
            under = limits.safe_below_ratio if mode is Mode.SAFE else limits.throttle_below_ratio
            why = f"{cause}, below {_percent(under)}" if charge_ratio < under else f"{cause}, charging"
            until = f"the battery has {_percent(limits.safe_until_ratio)}"
        if mode is Mode.SAFE:
            return Decision(mode, share, cause, f"{why}: services are stopped until {until}")
        return Decision(mode, share, cause, f"{why}: services get {_percent(share)} of the computer")


def _share(at: float, first: float, last: float, least: float) -> float:
    """1 up to `first`, `least` at `last` if not before, in steps."""
    if at <= first:
        return 1.0
    ratio = max(0.0, (last - at) / (last - first))
    return max(least, math.floor(ratio * STEPS + 1e-9) / STEPS)


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.0f} %"
