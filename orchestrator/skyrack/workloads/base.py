"""What a workload is: its options, what it asks for, how a store is asked, and how the history is judged.

    generator(seed) --Request--> coordinator --> client in a node: invoke(store, request) --> ok with a value
                                      |                                   raises Failed      --> fail (Refused: with no error)
                                      v                                   anything else      --> unknown
                                   history ----------------------------------------------------> checks

A workload is a frozen dataclass whose fields are its options:

    @dataclass(frozen=True)
    class Counter(Workload):
        name = "counter"
        model = "counter"
        keys: int = option(5, "How many counters.", at_least=1)

kv.py is the one to copy; docs/12-workloads.md writes another.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_type_hints

from skyrack.history import Outcome
from skyrack.workloads.stores.failed import Failed, Refused

if TYPE_CHECKING:
    from skyrack.check import Report
    from skyrack.history import History
    from skyrack.workloads.stores import Store


class OptionError(ValueError):
    """An `option` that does not exist or has a value that it cannot have; the message is for the user."""

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class Request:
    """Do `f` to `key` with `value`: what the invocation of an operation says in a history. JSON values."""

    f: str
    key: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a request: `value` is what an `ok` answered, `error` what the others said."""

    outcome: Outcome
    value: Any = None
    error: str = ""

    @classmethod
    def failed(cls, error: Failed) -> Result:
        """Of an operation that definitely did not happen."""
        return cls("fail", error="" if isinstance(error, Refused) else str(error) or type(error).__name__)


Task = Generator[Request, Result, None]
"""Requests one after the other, each sent back what came of the one before."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a workload. `kind` is int, float or str."""

    name: str
    kind: type[int] | type[float] | type[str]
    default: Any
    help: str
    at_least: float | None
    at_most: float | None


def option(default: Any, help: str, *, at_least: float | None = None, at_most: float | None = None) -> Any:
    """The field of a workload that is one of its options; its type is the annotation: int, float or str."""
    return dataclasses.field(
        default=default, metadata={"help": help, "at_least": at_least, "at_most": at_most}
    )


@dataclass(frozen=True)
class Workload(ABC):
    """Base of every workload. Its instances are values: the same options and seed ask the same, byte for byte."""

    name: ClassVar[str]
    """As commands, scenarios and histories call it."""
    model: ClassVar[str]
    """What `skyrack check --model` judges its histories by."""

    @abstractmethod
    def generator(self, seed: int) -> Iterator[Request]:
        """Requests without end, drawn from the seed alone. Values that are written are unique."""

    @abstractmethod
    async def invoke(self, store: Store, request: Request) -> Any:
        """Carry a request out; what the operation answered. Raises stores.Failed when it definitely did not happen."""

    def final(self, keys: Sequence[str], clients: int) -> Iterable[Task]:
        """What to ask when the load is over, so that what is missing shows: each task is carried on by whoever is free.

        `keys`: those that were asked for, in order; `clients`: how many ask at once.
        """
        return ()

    async def open(self, store: Store) -> None:
        """Once before anything is asked, again until it succeeds: what there must be first. Not in the history."""
        return

    async def prepare(self, store: Store) -> None:
        """Once for each client before its first operation, to have a connection. A failure is nobody's. Not in the history."""
        return

    def facts(self) -> dict[str, Any]:
        """`options` of the history's header: what a checker has to know."""
        return dataclasses.asdict(self)

    def checks(self, history: History, events: Sequence[Mapping[str, Any]] = ()) -> Report:
        """Judge a history of this workload, with what happened to the run meanwhile."""
        from skyrack.check import check

        return check(history, model=self.model, events=events)

    @classmethod
    def options(cls) -> list[Option]:
        """Its options, in the order in which they are written."""
        kinds = get_type_hints(cls)
        return [
            Option(field.name, kinds[field.name], field.default, **field.metadata)
            for field in dataclasses.fields(cls)
        ]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The workload with these options, defaults for the others. Raises OptionError."""
        known = {option.name: option for option in cls.options()}
        if unknown := sorted(given.keys() - known.keys()):
            listed = f"its options are {', '.join(known)}" if known else "it has none"
            raise OptionError(f"{cls.name} has no option {unknown[0]!r}: {listed}", unknown[0])
        return cls(**{name: _value(cls.name, known[name], value) for name, value in given.items()})


def until_ok(request: Request) -> Task:
    """Ask the same until it is answered."""
    while (yield request).outcome != "ok":
        pass


def _value(workload: str, option: Option, value: Any) -> Any:
    kind: Any = (int, float) if option.kind is float else option.kind
    wrong = ""
    if isinstance(value, bool) or not isinstance(value, kind):
        wrong = f"expected {option.kind.__name__}"
    elif option.at_least is not None and value < option.at_least:
        wrong = f"at least {option.at_least:g} is needed"
    elif option.at_most is not None and value > option.at_most:
        wrong = f"at most {option.at_most:g} is possible"
    if wrong:
        raise OptionError(f"{workload}: {option.name} is {value!r}, {wrong}", option.name)
    return value
