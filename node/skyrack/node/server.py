"""The node's gRPC server: its own services, health and reflection, for the mesh, guests and the host."""

import contextlib
from collections.abc import AsyncIterator

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from skyrack.node.config import PORT, NodeConfig
from skyrack.node.guest.service import GuestService
from skyrack.node.logs import fields, log
from skyrack.node.service import NodeService
from skyrack.node.services.methods import Methods
from skyrack.node.transfers import MeshService
from skyrack.v1 import guest_pb2, guest_pb2_grpc, node_pb2, node_pb2_grpc, transfer_pb2, transfer_pb2_grpc
from skyrack.v1.guest_environment import GRPC_PORT, GUEST_ADDRESS
from skyrack.v1.sockets import owner_only

DRAIN_S = 1.0
# Health service names: the process as a whole, its services, and whether the fabric serves its lasers.
OVERALL = ""
NODE_SERVICE = node_pb2.DESCRIPTOR.services_by_name["NodeService"].full_name
MESH_SERVICE = transfer_pb2.DESCRIPTOR.services_by_name["MeshService"].full_name
GUEST_SERVICE = guest_pb2.DESCRIPTOR.services_by_name["GuestService"].full_name
MESH = "mesh"

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The health service, in the node's words."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()

    async def set_attached(self, attached: bool) -> None:
        """Report whether the lasers are lit."""
        await self.servicer.set(MESH, _SERVING if attached else _NOT_SERVING)

    async def set_serving(self) -> None:
        """Report that calls are answered."""
        for name in (OVERALL, NODE_SERVICE, MESH_SERVICE, GUEST_SERVICE):
            await self.servicer.set(name, _SERVING)


class AddressError(OSError):
    """The server cannot listen where it must."""


@contextlib.asynccontextmanager
async def serve_grpc(
    config: NodeConfig,
    service: NodeService,
    mesh: MeshService,
    guest: GuestService,
    methods: Methods,
    state: Health,
) -> AsyncIterator[None]:
    """Serve while the context lasts, what services add to `methods` meanwhile too.

    At its end report NOT_SERVING and let running calls end within a second.
    """
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    node_pb2_grpc.add_NodeServiceServicer_to_server(service, server)
    transfer_pb2_grpc.add_MeshServiceServicer_to_server(mesh, server)
    guest_pb2_grpc.add_GuestServiceServicer_to_server(guest, server)
    health_pb2_grpc.add_HealthServicer_to_server(state.servicer, server)
    names = (NODE_SERVICE, MESH_SERVICE, GUEST_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    server.add_generic_rpc_handlers((methods,))
    for address in (f"{config.address}:{PORT}", f"unix:{config.grpc_socket}"):
        try:
            server.add_insecure_port(address)
        except RuntimeError as error:
            raise AddressError(f"listen on {address}: {error}") from error
    try:
        server.add_insecure_port(f"{GUEST_ADDRESS}:{GRPC_PORT}")
    except RuntimeError as error:
        log.warning(
            "no gRPC for guests", extra=fields(address=f"{GUEST_ADDRESS}:{GRPC_PORT}", error=str(error))
        )
    await server.start()
    owner_only(config.grpc_socket)
    await state.set_serving()
    try:
        yield
    finally:
        await state.servicer.enter_graceful_shutdown()
        await server.stop(DRAIN_S)
