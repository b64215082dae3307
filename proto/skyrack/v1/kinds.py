"""The kinds of nodes: the words that configurations, telemetry and metrics use, and their numbers in messages."""

from collections.abc import Mapping

from skyrack.v1 import mesh_pb2

NODE_KINDS: Mapping[str, mesh_pb2.NodeKind.ValueType] = {
    "satellite": mesh_pb2.NODE_KIND_SATELLITE,
    "ground": mesh_pb2.NODE_KIND_GROUND_STATION,
    "pop": mesh_pb2.NODE_KIND_POINT_OF_PRESENCE,
    "user": mesh_pb2.NODE_KIND_USER_TERMINAL,
}
