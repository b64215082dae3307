"""`check`: everything that is to be said about one history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skyrack.check.availability import availability
from skyrack.check.linearizable import linearizable
from skyrack.check.model import OptionsError
from skyrack.check.models import MODELS
from skyrack.check.recovery import recovery
from skyrack.check.report import Check, Report
from skyrack.check.search import MOST_STATES
from skyrack.check.shapes import CheckError, well_formed
from skyrack.check.words import count
from skyrack.history import NO_END, History, Operation


def check(
    history: History | Sequence[Operation],
    model: str | None = None,
    events: Iterable[Mapping[str, Any]] = (),
    *,
    options: Mapping[str, Any] | None = None,
    key: str | None = None,
    most_states: int = MOST_STATES,
) -> Report:
    """Judge a history, or operations that were put together by hand, on a model: by default the header's.

    `events`: records of the run's events.jsonl, for what broke when. `options`: the header's, if there is none.
    `key`: look at this key alone. `most_states`: configurations remembered per key until the answer is `inconclusive`.
    Raises CheckError.
    """
    operations: Sequence[Operation]
    notes: list[str] = []
    if isinstance(history, History):
        operations = history.operations
        model = model or history.header.model
        options = history.header.options if options is None else options
        notes = _notes(history)
    else:
        operations = history
    if model is None:
        raise CheckError(f"on which model? {_models()}")
    if model not in MODELS:
        raise CheckError(f"no model is called {model!r}; {_models()}")
    chosen = MODELS[model]
    if key is not None:
        operations = [operation for operation in operations if operation.key == key]
        if not operations:
            raise CheckError(f"no operation has the key {key!r}")
    operations = well_formed(operations, model, chosen.functions)
    counts = Counter(operation.outcome for operation in operations)
    try:
        checks: list[Check] = [
            linearizable(chosen, operations, options or {}, most_states),
            *chosen.checks(operations, options or {}),
            availability(operations),
        ]
    except OptionsError as error:
        raise CheckError(str(error)) from error
    rows: list[dict[str, Any]] = []
    if events := list(events):
        recovered, rows = recovery(operations, events)
        checks.append(recovered)
    outcomes = {outcome: counts[outcome] for outcome in ("ok", "fail", "unknown")}
    return Report(model, outcomes, checks, rows, notes)


def _models() -> str:
    return f"there are {', '.join(sorted(MODELS))}"


def _notes(history: History) -> list[str]:
    if not history.cut_short:
        return []
    unended = sum(operation.error == NO_END for operation in history.operations)
    torn = "; its last line is incomplete and left out" if history.torn else ""
    return [f"the history was cut short: the end of {count(unended, 'operation')} is not on file{torn}"]
