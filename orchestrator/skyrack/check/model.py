"""What a service promises to do with one operation at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from skyrack.check.call import Call
from skyrack.check.judgement import Judgement
from skyrack.check.report import Check
from skyrack.history import Operation

State = Hashable


class Illegal:
    """What `step` returns where the call cannot have had this result in this state."""


ILLEGAL = Illegal()


class Cut:
    """Among choices: that there are others which were not looked for, so that nothing is proven by trying these."""


CUT = Cut()


class Choice(NamedTuple):
    """A call that may come next, its place among the calls, and the state that it leaves."""

    place: int
    call: Call
    after: Any


class OptionsError(ValueError):
    """The history's options lack what a model has to know; the message says what."""


class Model(Protocol):
    """A sequential object. `functions`: what may be asked of it. `per_key`: each key is an object of its own.

    States are values, equal when the object would behave alike. `step` returns the very `state` it was given where a
    call changes nothing, which the search relies on; an observation that fits a state without changing it does so in all.
    """

    name: str
    functions: frozenset[str]
    per_key: bool

    def initial(self, options: Mapping[str, Any]) -> State:
        """The state before the first operation. Raises OptionsError."""

    def seen(self, result: Any) -> Any:
        """What an observation answered, as a value that can be compared with states and kept."""

    def step(self, state: Any, call: Call) -> State | Illegal:
        """The state after `call`, ILLEGAL if it cannot have answered what it did. An unknown answer fits any state."""

    def weight(self, state: Any) -> int:
        """How much of the bound on states this one takes: 1 for a small value."""

    def distance(self, state: Any, call: Call) -> float:
        """How far `state` is from one in which `call` fits: 0 where it does. The search tries what is near first."""

    def needed(self, calls: Sequence[Call]) -> list[Call]:
        """Without the unknown calls whose effect nobody can have seen: they may as well never have happened."""

    def shortcut(self, initial: Any, calls: Sequence[Call]) -> Judgement | None:
        """An exact answer without a search, where this history has one; None where it has not."""

    def candidates(self, initial: Any, calls: Sequence[Call]) -> list[Any]:
        """What an observation might have seen, the most recent first."""

    def answer(self, state: Any, call: Call) -> Any:
        """What `call` would have answered in this state, as `seen` has it."""

    def told(self, answer: Any) -> Any:
        """What `seen` made a value that can be kept, as JSON has it again."""

    def checks(self, operations: Sequence[Operation], options: Mapping[str, Any]) -> list[Check]:
        """What else the model promises, checked apart from linearizability."""


@runtime_checkable
class Guided(Protocol):
    """A model that knows which calls are worth trying."""

    def to_try(
        self, state: Any, urgent: Call, waiting: Sequence[Call], able: Sequence[Choice]
    ) -> Iterator[Choice | Cut]:
        """Of `able`, those that may have to come next; `waiting` might, too, but cannot in this state.

        `urgent`, one of them, has to be placed before any other call may be. Among calls that are alike one is enough.
        """
