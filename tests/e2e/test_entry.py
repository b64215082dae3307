"""In from outside: what comes in at a gateway waits as long as packets take from there, and nothing is left afterwards."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from skyrack.orchestrator.api.client import ApiClient

from .place import PATIENCE_S, Place, eventually, open_place, port

pytestmark = [pytest.mark.mesh, pytest.mark.together]

FIRST_PORT = port(18870)
TRIES = 5
HOST_MS = 20.0  # what a busy host may add to a round trip, as in the other tests of delays
SERVER = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = (self.headers["Via"] or "no gateway").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
http.server.ThreadingHTTPServer(("", 8000), Answer).serve_forever()
"""


@pytest.fixture(scope="module")
def entered() -> Iterator[Place]:
    """A run with entries, and a web server in its satellites."""
    with open_place() as place:
        web = {"name": "web", "nodes": "satellites", "ready": {"port": 8000}}
        with place.scenario.open("a") as file:
            file.write(f"services: [{json.dumps(web | {'command': ['python3', '-c', SERVER]})}]\n")
        place.up("--entry-port", FIRST_PORT)
        yield place


def api(place: Place) -> ApiClient:
    return ApiClient(place.sockets / "small")


def satellite(place: Place) -> str:
    """The first one with a process."""
    nodes = api(place).get("/v1/status")["nodes"]
    return str(next(node["name"] for node in nodes if node["inhabited"] and node["kind"] == "satellite"))


def proxy(place: Place, station: str) -> tuple[str, int]:
    found = {entry["node"]: entry["proxy"] for entry in api(place).get("/v1/status")["entries"]}
    host, _, port = found[station].partition(":")
    return host, int(port)


def get(place: Place, station: str, url: str = "") -> tuple[int, str]:
    """Status and content, or reason, of a page got in the way of `curl -x`."""
    connection = http.client.HTTPConnection(*proxy(place, station), timeout=PATIENCE_S)
    try:
        connection.request("GET", url or f"http://{satellite(place)}:8000/")
        response = connection.getresponse()
        text = response.read().decode()
        return response.status, text if response.status == 200 else response.reason
    finally:
        connection.close()


def tunnel(address: tuple[str, int], target: str) -> socket.socket:
    """A connection that was let through."""
    sock = socket.create_connection(address, timeout=PATIENCE_S)
    sock.sendall(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
    head = sock.recv(4096)
    assert head.startswith(b"HTTP/1.1 200 "), head
    return sock


def rtt_ms(place: Place, a: str, b: str) -> float:
    """The computed round trip of the path in force now."""
    return float(api(place).get(f"/v1/path?from={a}&to={b}")["in_force"]["rtt_ms"])


def connected_ms(address: tuple[str, int], node: str) -> float:
    """What a connection took to be let through."""
    began = time.perf_counter()
    tunnel(address, f"{node}:8000").close()
    return (time.perf_counter() - began) * 1e3


def test_a_connection_takes_the_round_trip_from_the_gateway_it_comes_in_at(entered: Place) -> None:
    node = satellite(entered)
    found = {}
    for station in ("london", "tokyo"):
        address = proxy(entered, station)
        before = rtt_ms(entered, station, node)
        # A host that is busy makes some late, and none early.
        quickest_ms = min(connected_ms(address, node) for _ in range(TRIES))
        deadline_s = time.monotonic() + PATIENCE_S
        while quickest_ms > before + HOST_MS and time.monotonic() < deadline_s:
            quickest_ms = min(quickest_ms, connected_ms(address, node))
        computed = sorted((before, rtt_ms(entered, station, node)))
        assert computed[0] - 1.0 < quickest_ms < computed[1] + HOST_MS
        found[station] = computed[0]
    assert abs(found["london"] - found["tokyo"]) > 1.0, "this test tells nothing: both gateways are as far"


def test_a_server_is_told_through_which_gateway_a_request_came(entered: Place) -> None:
    assert [get(entered, station) for station in ("london", "tokyo")] == [
        (200, "1.1 london"),
        (200, "1.1 tokyo"),
    ]


def test_what_cannot_be_reached_is_told_in_a_sentence(entered: Place) -> None:
    node, bare = satellite(entered), entered.bare()
    assert get(entered, "london", "http://nowhere/") == (502, "nowhere: no such node")
    assert get(entered, "london", f"http://{node}:9/") == (502, f"{node}:9: connection refused")
    assert get(entered, "london", f"http://{bare}:80/") == (502, f"{bare}:80: connection refused")
    status, reason = get(entered, "london", "http://127.0.0.1:50051/")
    assert status == 502
    assert "not an address of the mesh" in reason, "a station's own loopback is nobody's outside of it"


def test_forward_listens_tells_the_way_carries_and_ends_with_ctrl_c(entered: Place) -> None:
    node = satellite(entered)
    command = entered.foreground(
        "forward", "london", f"web@{node}", f"{node}:9", "--port", 0, "--port", 0, "-v"
    )
    command.says("Ctrl-C ends it")
    first, second = (line for line in command.said.splitlines() if " -> london -> " in line)
    assert f"-> {node}:8000   " in first
    assert "ms there and back now: london > " in first
    ports = [int(line.split(" ")[0].rpartition(":")[2]) for line in (first, second)]
    connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=PATIENCE_S)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"no gateway"
    connection.close()
    command.says("ended: ")
    with (
        socket.create_connection(("127.0.0.1", ports[1]), timeout=PATIENCE_S) as refused,
        pytest.raises(ConnectionResetError),
    ):
        refused.recv(1)
    command.says(f"{node}:9: connection refused")
    command.process.send_signal(signal.SIGINT)
    command.ends(0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]))


def test_a_proxy_that_is_killed_is_started_again_on_its_port(entered: Place) -> None:
    address = proxy(entered, "tokyo")
    broken = tunnel(address, f"{satellite(entered)}:8000")
    entered.kill("entry")
    with broken:
        assert broken.recv(1) == b""
    assert get(entered, "tokyo")[0] == 200, "who comes meanwhile waits"
    assert entered.event("entry_down")["status"] == -signal.SIGKILL
    entered.event("entry_up")
    assert proxy(entered, "tokyo") == address


def test_a_gateway_that_is_killed_breaks_its_connections_and_lets_in_again_when_it_is_back(
    entered: Place,
) -> None:
    node = satellite(entered)
    broken = tunnel(proxy(entered, "london"), f"{node}:8000")
    entered.kill("london")
    with broken, pytest.raises(ConnectionResetError):
        broken.recv(1)
    entered.event("node_serving", node="london", cause="restart")
    eventually(lambda: get(entered, "london")[0] == 200, "london lets in again")


def test_forward_ends_when_the_run_does_and_nothing_listens_any_more(entered: Place) -> None:
    address = proxy(entered, "london")
    command = entered.foreground("forward", "london", f"{satellite(entered)}:50051", "--port", 0)
    command.says("Ctrl-C ends it")
    entered.down()
    assert "small has ended" in command.ends(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    entered.is_clean()
