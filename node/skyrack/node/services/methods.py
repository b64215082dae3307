"""gRPC methods of Python services, served by the node's own server for as long as their service runs.

A server keeps every handler that it was given, so it gets one that looks methods up in a table.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

import grpc

if TYPE_CHECKING:
    from skyrack.node.services.pace import Pace

_OWN = ("/skyrack.v1.", "/grpc.health.", "/grpc.reflection.")


class Methods(grpc.GenericRpcHandler):
    """What each method is answered by. Methods of a service that ended are UNAVAILABLE, and others UNIMPLEMENTED."""

    def __init__(self) -> None:
        self._handlers: dict[str, tuple[str, grpc.RpcMethodHandler[Any, Any] | None]] = {}

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        service, handler = self._handlers.get(handler_call_details.method, ("", None))
        return _refusal(service) if service and handler is None else handler

    def of(self, service: str, pace: Pace | None = None) -> grpc.aio.Server:
        """A server to register methods of that service on, which keep to a pace.

        Registering raises ValueError for what another one serves.
        """
        return cast(grpc.aio.Server, _Registered(self, service, pace))

    def add(self, service: str, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        """Have a method, `/package.Service/Method`, answered. Raises ValueError."""
        if method.startswith(_OWN):
            raise ValueError(f"{method} is the node's own")
        owner, old = self._handlers.get(method, (service, None))
        if owner != service and old is not None:
            raise ValueError(f"{method} is served by service {owner} already")
        self._handlers[method] = service, handler

    def end(self, service: str) -> None:
        """The methods of a service are answered no more."""
        for method, (owner, _) in self._handlers.items():
            if owner == service:
                self._handlers[method] = owner, None


class _Registered:
    """The part of `grpc.aio.Server` that generated code calls."""

    def __init__(self, methods: Methods, service: str, pace: Pace | None) -> None:
        self._methods = methods
        self._service = service
        self._pace = pace

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        for name, handler in method_handlers.items():
            if self._pace is not None:
                handler = _paced(handler, self._pace)
            self._methods.add(self._service, f"/{service_name}/{name}", handler)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Generated code calls this as well, with the same methods."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"grpc_server.{name}: the server is the node's; a service may only register methods, "
            "with the generated add_...Servicer_to_server"
        )


def _paced(handler: grpc.RpcMethodHandler[Any, Any], pace: Pace) -> grpc.RpcMethodHandler[Any, Any]:
    """The same handler; the answer to one request keeps to the pace. Streams and plain functions are as they were."""
    answer = handler.unary_unary
    if answer is None or not inspect.iscoroutinefunction(answer):
        return handler

    async def paced(request: Any, context: Any) -> Any:
        return await asyncio.create_task(pace.keeping(answer(request, context)))

    return grpc.unary_unary_rpc_method_handler(
        paced, handler.request_deserializer, handler.response_serializer
    )


def _refusal(service: str) -> grpc.RpcMethodHandler[Any, Any]:
    """Of any method, whether its requests and responses are streams or not: on the wire all are."""

    async def refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, f"service {service} does not run here now")

    return grpc.stream_stream_rpc_method_handler(refuse)
