"""The gRPC service of declared transfers: the orchestrator knows the mesh, so a node passes on what it is asked."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.v1 import control_pb2, transfer_pb2, transfer_pb2_grpc
from skyrack.v1.refusal import REFUSAL

Context = grpc.aio.ServicerContext[Any, Any]
# What a call ends with whose other end has gone; the orchestrator's own refusals say that they are.
_BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class MeshService(transfer_pb2_grpc.MeshServiceServicer):
    """Relays each call over the node's connection to the orchestrator; the end of either is the end of both."""

    def __init__(self, config: NodeConfig, control: ControlLink) -> None:
        self._config = config
        self._control = control

    async def Transfer(
        self, request: transfer_pb2.TransferRequest, context: Context
    ) -> AsyncIterator[transfer_pb2.TransferResponse]:
        stub = self._control.stub
        if stub is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no connection to the orchestrator yet")
            return
        config = self._config
        asked = control_pb2.RelayTransferRequest(name=config.name, run=config.run, transfer=request)
        newest = transfer_pb2.TransferProgress()
        # The deadline is the caller's: gRPC cancels this call with the one it came from.
        call = stub.RelayTransfer(asked)
        try:
            async for response in call:
                newest = response.progress
                yield transfer_pb2.TransferResponse(progress=response.progress)
        except grpc.aio.AioRpcError as error:
            if error.code() in _BROKEN and REFUSAL not in dict(error.trailing_metadata() or ()):
                await context.abort(grpc.StatusCode.UNAVAILABLE, _broken(asked.transfer, newest))
            await context.abort(error.code(), error.details() or "")
        finally:
            call.cancel()


def _broken(asked: transfer_pb2.TransferRequest, newest: transfer_pb2.TransferProgress) -> str:
    """What is left of a transfer whose orchestrator has gone: no other one knows of it."""
    if newest.HasField("custody"):
        return (
            f"the orchestrator ended, and with it the bundle: {asked.bytes} bytes were stored at "
            f"{newest.custody.node}; ask again"
        )
    return f"the orchestrator ended: {newest.delivered_bytes} of {asked.bytes} bytes had arrived; ask for the rest"
