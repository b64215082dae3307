"""The version of skyrack, read once, before nodes are forked: looking it up costs milliseconds."""

from importlib.metadata import version

VERSION = version("skyrack")
