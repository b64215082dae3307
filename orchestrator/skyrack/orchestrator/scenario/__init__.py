"""Scenarios: what to emulate, read from YAML, checked, with every default resolved.

from skyrack.orchestrator.scenario import load_scenario
scenario = load_scenario("iridium")        # a preset, or the path of a YAML file
"""

from .catalogue import CatalogueError, Record, read_catalogue
from .dump import dump_scenario
from .loader import load_scenario
from .model.entries import entry_nodes
from .model.fibre import Fibre, PointOfPresence
from .model.ground import GroundStation
from .model.inhabited import Box, InhabitedBox, InhabitedCount
from .model.links import ExtraDelay, Links
from .model.scenario import Fabric, Nodes, Scenario
from .model.services import Limits, Ready, Service
from .model.shells import ClusterShell, GeostationaryShell, Shell, WalkerShell
from .model.users import UserTerminal
from .model.weather import Weather
from .model.workloads import EchoWorkload, StoreWorkload, Thresholds, Workload
from .presets import preset_names
from .problem import Problem, ScenarioError
from .satellites import catalogue, satellite_names
from .schema import json_schema
from .stations import station_names

__all__ = [
    "Box",
    "CatalogueError",
    "ClusterShell",
    "EchoWorkload",
    "ExtraDelay",
    "Fabric",
    "Fibre",
    "GeostationaryShell",
    "GroundStation",
    "InhabitedBox",
    "InhabitedCount",
    "Limits",
    "Links",
    "Nodes",
    "PointOfPresence",
    "Problem",
    "Ready",
    "Record",
    "Scenario",
    "ScenarioError",
    "Service",
    "Shell",
    "StoreWorkload",
    "Thresholds",
    "UserTerminal",
    "WalkerShell",
    "Weather",
    "Workload",
    "catalogue",
    "dump_scenario",
    "entry_nodes",
    "json_schema",
    "load_scenario",
    "preset_names",
    "read_catalogue",
    "satellite_names",
    "station_names",
]
