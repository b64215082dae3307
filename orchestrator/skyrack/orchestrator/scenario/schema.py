"""The JSON schema of scenario files, for editors and other tools.

# yaml-language-server: $schema=scenario.schema.json
"""

import json
from typing import Any

from skyrack.orchestrator.faults.kinds import KINDS

from .model.scenario import Scenario
from .presets import preset_names
from .stations import station_names

EXTENDS = "Preset or relative path of a scenario file this one builds on: mappings merge, lists and scalars replace."


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that describes what a user may write, every key with its unit."""
    schema = Scenario.model_json_schema(by_alias=False, mode="validation")
    properties = schema.pop("properties")
    extends = {
        "anyOf": [{"enum": list(preset_names())}, {"type": "string", "pattern": r"/|\.(ya?ml|json)$"}],
        "description": EXTENDS,
    }
    properties = {
        "version": properties.pop("version"),
        "name": properties.pop("name"),
        "extends": extends,
        **properties,
    }
    schema.pop("required")
    definitions = schema.pop("$defs")
    station = definitions["GroundStation"]
    station.pop("required")
    station["anyOf"] = [
        {"required": ["name", "lat_deg", "lon_deg"]},
        {"required": ["name"], "properties": {"name": {"enum": list(station_names())}}},
    ]
    properties["ground"]["items"] = {
        "anyOf": [{"enum": list(station_names())}, {"$ref": "#/$defs/GroundStation"}],
        "description": "A known station's name, or a station with coordinates.",
    }
    for section, definition, what in (
        ("pops", "PointOfPresence", "a point of presence"),
        ("users", "UserTerminal", "a user terminal"),
    ):
        definitions[definition].pop("required")
        definitions[definition]["anyOf"] = [
            {"required": ["name", "lat_deg", "lon_deg"]},
            {"required": ["city", "lat_deg", "lon_deg"]},
            {"required": ["city"], "properties": {"city": {"enum": list(station_names())}}},
        ]
        properties[section]["items"] = {
            "anyOf": [{"enum": list(station_names())}, {"$ref": f"#/$defs/{definition}"}],
            "description": f"A known city's name, or {what} with coordinates.",
        }
    kinds = definitions["Campaign"]["properties"]["kinds"]
    kinds["items"] = {"anyOf": [{"enum": list(KINDS)}, {"$ref": "#/$defs/CampaignKind"}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Skyrack scenario",
        "anyOf": [{"required": ["extends"]}, {"required": ["version", "name"]}],
        "properties": properties,
        "$defs": definitions,
    }


def schema_text() -> str:
    """Return the schema as the committed file has it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
