"""A rejected value becomes a problem at its place, in words that say what was expected."""

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from ..spelling import closest
from .model import ground, services
from .model.scenario import Scenario
from .model.workloads import PAIR_PATTERN
from .problem import Problem
from .reading import tree as trees
from .reading.scalars import FLOAT
from .reading.tree import Node, Place, locate

Path = tuple[str | int, ...]
COMPARISONS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}


PATTERNS = {
    ground.COUNTRY_PATTERN: "expected a country code of two capital letters, as JP",
    PAIR_PATTERN: "expected two node names as a>b",
    services.MODULE_PATTERN: "expected module:Class",
    services.FILE_PATTERN: "expected the name of a file, without a directory",
    services.VARIABLE_PATTERN: "expected the name of a variable",
    services.USER_PATTERN: "expected the name of a user",
    services.HTTP_PATTERN: "expected PORT/path",
}
WITH_UNIT = re.compile(r"[-+]?[0-9][0-9.,_]*(e[-+]?[0-9]+)?\s*[a-zµ%°/]+[a-z0-9/ ]*")


@dataclass(frozen=True, slots=True)
class Rejected:
    """One complaint of the models: its kind, the path of keys to it, and what the kind needs to know."""

    type: str
    loc: Path
    message: str
    context: Mapping[str, Any]

    @classmethod
    def of(cls, details: ErrorDetails) -> "Rejected":
        return cls(details["type"], details["loc"], details["msg"], details.get("ctx", {}))


def place_of(tree: Node, path: Path) -> Place:
    """Return where to point for a path: the value if it is a word, else the key that introduces it."""
    place, node, _ = locate(tree, path)
    return node.place if isinstance(node, trees.Scalar) and node.value is not None else place


def explain(tree: Node, error: Rejected) -> Problem:
    """Return the problem that tells a rejected value's author where it is, what was expected, and a likely fix."""
    path = error.loc + ((str(error.context["key"]),) if "key" in error.context else ())
    key_place, node, taken = locate(tree, path)
    name = next((str(step) for step in reversed(taken) if isinstance(step, str)), "the scenario")
    place = place_of(tree, path)
    hint = error.context.get("hint")
    if error.type == "extra_forbidden":
        unknown = str(error.loc[-1])
        return key_place.problem(f"unknown key '{unknown}'", _unknown_key_hint(unknown, error.loc[:-1]))
    if error.loc and error.loc[-1] == "[key]" and "pattern" in error.context:
        return key_place.problem(f"{_pattern(error.context['pattern'])}, found '{error.loc[-2]}'")
    if error.type == "too_short":
        return place.problem(f"{name}: expected one item at least, found an empty list", hint)
    if error.type == "missing":
        item = f"item {taken[-1] + 1} of " if taken and isinstance(taken[-1], int) else ""
        owner = f" in {item}{name}" if taken else ""
        return key_place.problem(f"missing key '{error.loc[-1]}'{owner}")
    if error.type in COMPARISONS:
        words, bound = COMPARISONS[error.type]
        limit = _number(error.context[bound])
        return place.problem(f"{name} must be {words} {limit}{_unit(error.loc)}, found {_found(node)}")
    if error.type in KINDS:
        wanted = KINDS[error.type] + (_unit(error.loc) if "number" in KINDS[error.type] else "")
        return place.problem(
            f"{name}: expected {wanted}, found {_found(node)}", hint or _type_hint(node, error.type)
        )
    if error.type in ("literal_error", "choice"):
        choices = error.context.get("choices") or _words(str(error.context["expected"]))
        listed = error.context.get("listed") or error.context["expected"]
        return place.problem(f"{name}: expected {listed}, found {_found(node)}", _closest_to(node, choices))
    if error.type == "string_pattern_mismatch":
        return place.problem(f"{name}: {_pattern(error.context['pattern'])}, found {_found(node)}")
    if "known" in error.context:
        return place.problem(error.message, _closest_to(node, error.context["known"]))
    if error.type in ("one_of", "phasing", "perigee", "box"):
        return place.problem(error.message, hint)
    return place.problem(f"{name}: {error.message[0].lower()}{error.message[1:]}, found {_found(node)}", hint)


def _found(node: Node) -> str:
    match node:
        case trees.Mapping():
            return "a mapping"
        case trees.Sequence():
            return "a list"
        case trees.Scalar(value=None):
            return "nothing"
        case trees.Scalar(value=bool(value)):
            return str(value).lower()
        case trees.Scalar(value=str(value)):
            return f"'{value if len(value) <= 60 else value[:57] + '...'}'"
        case trees.Scalar(value=value):
            return _number(value)


def _number(value: Any) -> str:
    if isinstance(value, int | float):
        text = (
            f"{value:g}"
            if abs(value) < 1e15
            else f"{float(value):.3g}"
            if abs(value) < 1e300
            else "a huge number"
        )
        return text if len(text) <= 12 and float(text) == value else str(value)[:40]
    return str(value)


def _words(expected: str) -> tuple[str, ...]:
    return tuple(part.strip(" '") for part in expected.replace(" or ", ",").split(","))


def _closest_to(node: Node, known: tuple[str, ...]) -> str | None:
    return closest(str(node.value), known) if isinstance(node, trees.Scalar) else None


def _type_hint(node: Node, kind: str) -> str | None:
    """Return what a value of the wrong type was probably meant to be."""
    if not isinstance(node, trees.Scalar):
        return None
    if kind == "tuple_type":
        return f"write [{'' if node.value is None else node.value}]"
    if kind in ("model_type", "model_attributes_type") and node.value is None:
        return "write {}, or leave the key out"
    if not isinstance(node.value, str):
        return "write it in quotes" if kind == "string_type" and node.value is not None else None
    word = node.value.strip().lower()
    if kind == "bool_type" and word in ("yes", "on", "no", "off"):
        return f"did you mean {'true' if word in ('yes', 'on') else 'false'}?"
    if kind in ("float_type", "int_type"):
        bare = word.replace("_", "").replace(",", "")
        if FLOAT.fullmatch(bare):
            return f"write {bare}, without quotes or separators"
        if kind == "float_type" and FLOAT.fullmatch(percent := bare.removesuffix("%").strip()):
            return f"write {float(percent) / 100:g} for {percent} %"
        return "the unit is in the key's name: write the number alone" if WITH_UNIT.fullmatch(word) else None
    return None


def _pattern(pattern: str) -> str:
    return PATTERNS.get(pattern, "expected a name of lower case letters, digits and '-', 32 at most")


def _unknown_key_hint(unknown: str, parent: Path) -> str | None:
    """Return what an unknown key may have meant: a key of the same mapping, or one that lives elsewhere."""
    known = sorted({name for model in _models_at(parent) for name in model.model_fields})
    if unknown == "<<":
        return "merge keys are not supported: use extends"
    if not parent:
        for section in ("links", "weather", "fabric", "nodes", "faults"):
            model = Scenario.model_fields[section].annotation
            if isinstance(model, type) and issubclass(model, BaseModel) and unknown in model.model_fields:
                return f"it belongs under {section}:"
        known.append("extends")
    elif unknown in Scenario.model_fields or unknown == "extends":
        return "it belongs at the top level"
    return closest(unknown, known) or f"known keys: {', '.join(known)}"


def _unit(path: Path) -> str:
    """Return ' (km)' for the key at a path that has a unit."""
    if not path or not isinstance(path[-1], str):
        return ""
    for model in _models_at(path[:-1]):
        field = model.model_fields.get(path[-1])
        extra = field.json_schema_extra if field else None
        if isinstance(extra, dict) and extra.get("x-unit", "count") not in ("count", "ratio"):
            return f" ({extra['x-unit']})"
    return ""


def _models_at(path: Path) -> list[type[BaseModel]]:
    """Return the models that the mapping at a path of keys may be."""
    kinds: list[Any] = [Scenario]
    for step in path:
        kinds = [inner for kind in kinds for inner in _step(kind, step)]
    return [model for kind in kinds for model in _step(kind, None) if isinstance(model, type)]


def _step(kind: Any, step: str | int | None) -> Iterator[Any]:
    """Yield the types one step into `kind`: a field, a list's item, or the member of a union with that tag."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *extras = get_args(kind)
        tags = [extra.tag for extra in extras if isinstance(extra, Tag)]
        if tags and isinstance(step, str) and step.startswith("<"):
            if step in tags:
                yield inner
            return
        yield from _step(inner, step)
    elif origin in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _step(member, step)
    elif origin is tuple:
        if isinstance(step, int):
            yield get_args(kind)[0]
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        if step is None:
            yield kind
        elif isinstance(step, str) and step in kind.model_fields:
            yield kind.model_fields[step].annotation
