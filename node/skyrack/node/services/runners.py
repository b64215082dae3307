"""Which runner a service has."""

from __future__ import annotations

from skyrack.node.services.runner import Place, Runner, Surroundings
from skyrack.v1 import service_pb2


def make_runner(spec: service_pb2.ServiceSpec, place: Place, around: Surroundings) -> Runner:
    """The next start of a service, not yet started. What only some nodes need is imported here."""
    if spec.python:
        from skyrack.node.services.python import PythonRunner

        return PythonRunner(spec, place, around)
    if not spec.command:
        from skyrack.node.services.beside import BesideRunner

        return BesideRunner()
    from skyrack.node.services.command import CommandRunner

    return CommandRunner(spec, place, around)
