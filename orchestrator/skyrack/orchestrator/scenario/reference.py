"""The reference of every scenario key, made from the models so that it cannot disagree with them."""

import json
from collections.abc import Iterator
from typing import Any

from .loader import load_scenario
from .presets import preset_names
from .reading.source import read_preset
from .satellites import satellite_names
from .schema import json_schema
from .stations import stations

INTRODUCTION = """\
# Scenario reference

Every key of a scenario file, with its unit, its default and where the default comes from: **P** published, **C**
computed, **D** chosen by us for want of a public source. This page is generated from the models.

A scenario is YAML, read by the rules of YAML 1.2: `no`, `12:30` and `2026-01-01` are text, `100e9` is a number. Unknown
keys are errors. Units are in the keys' names. The smallest scenario that runs is

```yaml
extends: iridium
```

`extends` names a preset or a file relative to this one. Mappings merge key by key; lists, words and numbers replace.
`inhabited` is one choice and replaces as a whole. Editors complete keys with this first line:

```yaml
# yaml-language-server: $schema=<path or address of scenario.schema.json>
```
"""
# What the page shows, in this order: heading, name of the definition in the schema.
SECTIONS = (
    ("Top level", ""),
    ("`shells`, kind `walker`", "WalkerShell"),
    ("`shells`, kind `cluster`", "ClusterShell"),
    ("`shells`, kind `geostationary`", "GeostationaryShell"),
    ("`links`", "Links"),
    ("`links.classes`", "Classes"),
    ("`links.extra_delay`", "ExtraDelay"),
    ("`links.geo_relay`", "GeoRelay"),
    ("`routing`", "Routing"),
    ("`routing.load_aware`", "LoadAware"),
    ("`ground`", "GroundStation"),
    ("`pops`", "PointOfPresence"),
    ("`users`", "UserTerminal"),
    ("`fibre`", "Fibre"),
    ("`weather`", "Weather"),
    ("`environment`", "Environment"),
    ("`environment.forecast_error`", "ForecastError"),
    ("`radiation`", "Radiation"),
    ("`radiation.rates`", "RadiationRates"),
    ("`hardening`", "Hardening"),
    ("`hardening.designs`", "DesignOf"),
    ("`background`", "Background"),
    ("`inhabited: {count: N}`", "InhabitedCount"),
    ("`inhabited: {box: ...}`", "InhabitedBox"),
    ("`inhabited.box`", "Box"),
    ("`fabric`", "Fabric"),
    ("`nodes`", "Nodes"),
    ("`power`", "Power"),
    ("`thermal`", "Thermal"),
    ("`telemetry`", "Telemetry"),
    ("`services`", "Service"),
    ("`services.ready`", "Ready"),
    ("`services.limits`", "Limits"),
    ("`workloads`, kind `echo`", "EchoWorkload"),
    ("`workloads`, kinds `kv`, `append`, `queue`, `set`, `bank`", "StoreWorkload"),
    ("`workloads.thresholds`", "Thresholds"),
    ("`faults`", "Faults"),
    ("`faults.schedule`", "ScheduledFault"),
    ("`faults.campaigns`", "Campaign"),
    ("`faults.campaigns.kinds`", "CampaignKind"),
)
DERIVED = {
    "start",
    "inhabited",
    "queue_bytes",
    "compute_share",
    "lasers_per_satellite",
    "laser_rate_bps",
    "ground_rate_bps",
    "array_w",
    "battery_wh",
    "bus_w",
    "compute_idle_w",
    "compute_peak_w",
    "radiator_m2",
    "heat_capacity_j_per_k",
    "epoch",
    "cross_plane_seam",
}  # the source says what the default is


def reference_markdown() -> str:
    """Return the reference page as Markdown."""
    schema = json_schema()
    definitions = {"": schema, **schema["$defs"]}
    assert set(definitions) == {name for _, name in SECTIONS}, "a section is missing from the page"
    parts = [INTRODUCTION]
    for heading, name in SECTIONS:
        parts.append("\n".join([f"## {heading}", "", *_table(name, definitions[name])]) + "\n")
    parts.append("\n".join(_presets()) + "\n")
    parts.append("\n".join(_stations()) + "\n")
    return "\n".join(parts)


def _table(name: str, definition: dict[str, Any]) -> Iterator[str]:
    yield "| key | meaning | unit | range | default | source of the default |"
    yield "|---|---|---|---|---|---|"
    required = {"version", "name"} if not name else set(definition.get("required", ()))
    if name in ("GroundStation", "PointOfPresence", "UserTerminal"):
        required = {"name"} if name == "GroundStation" else set()
    for key, value in definition["properties"].items():
        meaning = value.get("description", "").split(" Unit: ")[0].split(" Default: ")[0].replace("|", "\\|")
        cells = (
            f"`{key}`",
            meaning,
            value.get("x-unit", ""),
            _range(value),
            _default(key, value, required),
            value.get("x-source", ""),
        )
        yield "| " + " | ".join(cells) + " |"


def _default(key: str, value: dict[str, Any], required: set[str]) -> str:
    if key in required:
        return "required"
    if key in DERIVED and value.get("x-source"):
        return "see source"
    default = value.get("default")
    if default is None:
        return "none"
    if isinstance(default, dict) and default:
        return "see below"
    return f"`{json.dumps(default)}`"


def _range(value: dict[str, Any]) -> str:
    """Return the allowed values of a key in words."""
    if "const" in value:
        return f"`{value['const']}`"
    options = [value, *(option for option in value.get("anyOf", ()) if isinstance(option, dict))]
    given = [option for option in options[1:] if option.get("type") != "null"] or options
    if all("enum" in option for option in given):
        return ", ".join(f"`{word}`" for option in given for word in option["enum"])
    bounds = []
    for word, sign in (
        ("minimum", ">="),
        ("exclusiveMinimum", ">"),
        ("maximum", "<="),
        ("exclusiveMaximum", "<"),
    ):
        bounds += [f"{sign} {_bound(option[word])}" for option in options if word in option]
    return ", ".join(bounds)


def _bound(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number}"


def _presets() -> Iterator[str]:
    yield "## Presets"
    yield ""
    yield "| name | satellites | what it is |"
    yield "|---|---|---|"
    for name in preset_names():
        title = read_preset(name).lines[0].removeprefix("# ")
        yield f"| `{name}` | {len(satellite_names(load_scenario(name))):,} | {title} |"


def _stations() -> Iterator[str]:
    yield "## Ground stations known by name"
    yield ""
    yield "Approximate, illustrative: town-level coordinates of well-known places, not positions of real gateways. "
    yield "Population: of the urban area."
    yield ""
    yield "| name | lat_deg | lon_deg | population | country | region |"
    yield "|---|---|---|---|---|---|"
    for name, place in sorted(stations().items()):
        where = f"{place['country']} | {place['region']}"
        yield f"| `{name}` | {place['lat_deg']} | {place['lon_deg']} | {place['population']:,} | {where} |"
