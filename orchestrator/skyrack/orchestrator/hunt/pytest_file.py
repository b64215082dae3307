"""A find as a pytest file: it brings the scenario up at that minute, loads it, breaks it, and asks for the verdict.

It needs what skyrack's pytest plugin gives, and nothing of the hunt.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pprint import pformat
from typing import Any

from skyrack.orchestrator.hunt.outcome import SlowRecovery
from skyrack.orchestrator.hunt.search import Find

_ENOUGH = 0.95
_MOST_TRIES = 20
_WIDTH = 100


def name_of(find: Find) -> str:
    """What the test is called, from what it breaks."""
    what = "recovery" if isinstance(find.goal, SlowRecovery) else "_".join(find.outcome.checks)
    return re.sub(r"[^a-z0-9]+", "_", f"test {what}".lower()).strip("_")


def text_of(
    find: Find,
    *,
    scenario: Mapping[str, Any],
    relative: str | None,
    load: Sequence[str],
    command: str,
    kept: str,
) -> str:
    """The text of the file.

    `scenario`: what was brought up, with `extends`; `relative`: that scenario's path from the file's directory, None for a
    preset. `load`: the words after `skyrack load`, without span, seed and faults. `command`: the hunt's; `kept`: where
    what the trial recorded is.
    """
    schedule = find.smallest
    words = [*load, "--for", f"{schedule.span_s}s", "--seed", str(schedule.seed)]
    changes = {key: value for key, value in scenario.items() if key != "extends"}
    extends = "str(SCENARIO)" if relative is not None else json.dumps(scenario["extends"])
    also = ", slowest_recovery_s" if isinstance(find.goal, SlowRecovery) else ""
    lines = [
        f'"""{_story(find)}',
        "",
        *([] if find.confirmed else [_unstable(find), ""]),
        f"Found by: {command}",
        f"What the last trial recorded: {kept}",
        '"""',
        "",
        *(["from pathlib import Path", ""] if relative is not None else []),
        f"from skyrack.orchestrator.testing import Skyrack{also}",
        "",
    ]
    if relative is not None:
        lines += [f"SCENARIO = (Path(__file__).parent / {json.dumps(relative)}).resolve()"]
    lines += [
        f"CHANGES: dict[str, object] = {_literal(changes)}",
        f"LOAD = {_literal(words)}",
        f"FAULTS = {_literal(list(schedule.words))}",
    ]
    tries = _tries(find)
    up = [
        f'sky = skyrack.up({{"extends": {extends}, **CHANGES}})',
        "result = sky.load(*LOAD, faults=FAULTS)",
    ]
    up += _asserts(find)
    lines += ["", "", f"def {name_of(find)}(skyrack: Skyrack) -> None:"]
    if tries == 1:
        lines += [f"    {line}" for line in up]
    else:
        lines += [f"    for _ in range({tries}):  # it breaks once with {_ENOUGH:.0%}"]
        lines += [f"        {line}" for line in [*up, "skyrack.down(sky)"]]
    return "\n".join(lines) + "\n"


def _asserts(find: Find) -> list[str]:
    if isinstance(find.goal, SlowRecovery):
        return [f"assert slowest_recovery_s(result) < {find.goal.limit_s:.1f}"]
    return [
        'promises = {check["name"]: check["text"] for check in result["history"]["checks"]}',
        'assert result["history"]["verdict"] == "ok", promises',
        'assert result["verdict"] != "bad", result["reasons"]',
    ]


def _story(find: Find) -> str:
    faults = len(find.smallest.faults)
    which = "without any fault" if not faults else f"under {faults} fault{'' if faults == 1 else 's'}"
    return f"{_goal(find)} {which}: broke {find.replays.broke} of {find.replays.conclusive} replays."


def _goal(find: Find) -> str:
    return f"{find.goal.words[0].upper()}{find.goal.words[1:]}"


def _unstable(find: Find) -> str:
    return "NOT CONFIRMED: it does not break each time, and may be none of the system's."


def _tries(find: Find) -> int:
    """How many trials it takes until one breaks with 95 %, from the share of replays that did."""
    replays = find.replays
    if not replays.held:
        return 1
    share = replays.broke / replays.conclusive
    return min(math.ceil(math.log(1 - _ENOUGH) / math.log(1 - share)), _MOST_TRIES) if share else _MOST_TRIES


def _literal(value: Any) -> str:
    return pformat(value, width=_WIDTH, sort_dicts=False)
