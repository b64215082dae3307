"""What Prometheus asks of a run: who is there, and the metrics of each.

GET /sd/prometheus         targets, all at the address this was asked at:
GET /metrics/run             the orchestrator, the fabric and running loads
GET /nodes/NAME/metrics      one node; 502 while it does not answer, which makes its target down
GET /metrics               all of that as one page, for people
"""

from __future__ import annotations

from typing import Any, Protocol

from aiohttp import web

from skyrack.orchestrator.api.errors import error
from skyrack.orchestrator.api.scrape import merge
from skyrack.v1.families import CONTENT_TYPE


class Exposed(Protocol):
    """What there is to scrape, and what hears of load generators."""

    def targets(self, host: str) -> list[dict[str, Any]]:
        """Targets for http_sd, at `host`."""

    async def run_exposition(self) -> str:
        """Metrics of the run."""

    async def node_exposition(self, name: str) -> str | None:
        """A node's metrics, None when it does not answer. Raises KeyError."""

    async def expositions(self) -> list[str]:
        """Those of the run and of all nodes that answer."""

    def hear_workload(self, news: dict[str, Any]) -> None:
        """What a load has done since it last told. Raises ValueError."""


def routes(exposed: Exposed) -> list[web.RouteDef]:
    """The routes above."""

    async def targets(request: web.Request) -> web.Response:
        return web.json_response(exposed.targets(request.host))

    async def run_metrics(_: web.Request) -> web.Response:
        return _page(await exposed.run_exposition())

    async def node_metrics(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        text = await exposed.node_exposition(name)
        if text is None:
            return error(502, f"{name} does not answer")
        return _page(text)

    async def all_metrics(_: web.Request) -> web.Response:
        return _page(merge(await exposed.expositions()))

    return [
        web.get("/sd/prometheus", targets),
        web.get("/metrics/run", run_metrics),
        web.get("/nodes/{name}/metrics", node_metrics),
        web.get("/metrics", all_metrics),
    ]


def _page(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})
