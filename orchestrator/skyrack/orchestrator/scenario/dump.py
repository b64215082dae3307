"""A scenario as YAML: resolved, complete, loads back equal."""

from typing import Any

import yaml

from .model.scenario import Scenario
from .reading.scalars import plain_value


class _Dumper(yaml.SafeDumper):
    """Quotes whatever either YAML 1.1 or our own reading would not take as text; lists of words in one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(plain_value(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump_scenario(scenario: Scenario) -> str:
    """Return YAML with every default written out, `extends` resolved and orbit files as absolute paths."""
    data = scenario.model_dump(mode="json", exclude_none=True)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
