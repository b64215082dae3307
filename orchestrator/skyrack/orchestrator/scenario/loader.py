"""A file or preset becomes a Scenario, or one error that lists everything wrong with it."""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..spelling import closest
from .checks import Draft, Finding, check
from .explain import Rejected, explain, place_of
from .model.scenario import Scenario
from .presets import preset_names
from .problem import Problem, ScenarioError
from .reading.extends import Resolver
from .reading.source import read_file, read_preset
from .reading.tree import Mapping, Source, plain


def load_scenario(source: str | Path) -> Scenario:
    """Return the scenario of a YAML file or of a preset's name; raises ScenarioError with every problem."""
    return scenario_of(_open(source))


def scenario_of(source: Source) -> Scenario:
    """Return the scenario that a text describes; raises ScenarioError with every problem."""
    resolver = Resolver(preset_names())
    tree = resolver.resolve(source)
    problems = resolver.problems
    data = plain(tree)
    assert isinstance(data, dict)
    scenario, rejected = _validate(data)
    rejected = [error for error in rejected if error.type != "too_short" or _is_alone(error, rejected)]
    bad = frozenset(str(error.loc[0]) for error in rejected if error.loc)
    if not resolver.complete:  # what is missing may well be in the part that could not be read
        rejected = [error for error in rejected if error.type != "missing" or len(error.loc) > 1]
        bad |= {"shells", "tle", "omm"}
    problems += [explain(tree, error) for error in rejected]
    if (draft := scenario or _draft(data, bad)) is not None:
        problems += [_place(tree, finding) for finding in check(Draft(data, draft, bad))]
    if problems:
        raise ScenarioError(_in_order(problems, source.label))
    assert scenario is not None
    return scenario


def _open(source: str | Path) -> Source:
    text = os.fspath(source)
    looks_like_path = "/" in text or text.endswith((".yaml", ".yml", ".json"))
    if isinstance(source, str) and source in preset_names():
        return read_preset(source)
    if not looks_like_path and not os.path.lexists(text.replace("\0", "")):
        hint = closest(text, preset_names()) or f"presets: {', '.join(preset_names())}"
        raise ScenarioError((Problem(text, 0, 0, "no such file or preset", hint),))
    return read_file(Path(source), text)


def _validate(data: dict[str, Any]) -> tuple[Scenario | None, list[Rejected]]:
    try:
        return Scenario.model_validate(data), []
    except ValidationError as error:
        return None, [Rejected.of(details) for details in error.errors(include_url=False)]


def _is_alone(error: Rejected, among: list[Rejected]) -> bool:
    """Whether nothing of what a list holds was rejected: items that were do not count."""
    return not any(
        len(other.loc) > len(error.loc) and other.loc[: len(error.loc)] == error.loc for other in among
    )


def _draft(data: dict[str, Any], bad: frozenset[str]) -> Scenario | None:
    """Return a scenario of the keys that are fine alone, so that checks across keys still run; None if hopeless."""
    usable = {key: value for key, value in data.items() if key not in bad and key in Scenario.model_fields}
    return _validate({"version": 1, "name": "draft", **usable})[0]


def _place(tree: Mapping, finding: Finding) -> Problem:
    if finding.elsewhere is not None:
        return finding.elsewhere
    return place_of(tree, finding.path).problem(finding.message, finding.hint)


def _in_order(problems: list[Problem], first: str) -> tuple[Problem, ...]:
    """Return the problems by file and line, the user's own file first, without repetitions."""
    unique = list(dict.fromkeys(problems))
    return tuple(sorted(unique, key=lambda p: (p.file != first, p.file, p.line, p.column)))
