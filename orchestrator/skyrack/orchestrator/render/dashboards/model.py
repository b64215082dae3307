"""A dashboard in few words: what it shows, not how Grafana writes it. Units are Grafana's: s, bps, percentunit, short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and how its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading; what follows begins below it."""

    title: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `steps`: colours from these values on, for stats and states; `names`: words for values."""

    kind: Literal["timeseries", "stat", "state-timeline", "heatmap", "table"]
    title: str
    queries: Sequence[Query]
    unit: str
    about: str = ""
    width: int = 12
    height: int = 8
    steps: Sequence[tuple[float | None, str]] = ()
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable: the values that `label` has in `metric`. `many`: several at once, or all."""

    name: str
    metric: str
    label: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard; `uid` never changes, because links and bookmarks hold it."""

    uid: str
    title: str
    about: str
    panels: Sequence[Panel | Row]
    choices: Sequence[Choice] = ()
