"""Over TCP a change needs the token, a page from elsewhere gets nothing, and a rebound name is not answered."""

import pytest

from skyrack.orchestrator.api.access import Guard, refusal
from skyrack.orchestrator.api.listen import Listen

TOKEN = "t0ken"
LOCAL = Guard(TOKEN)


def status(
    method: str, path: str, *, guard: Guard = LOCAL, host: str = "127.0.0.1:8080", **headers: str
) -> int:
    refused = refusal(guard, method, path, {"Host": host} | headers)
    return refused.status if refused else 200


@pytest.mark.parametrize("path", ["/v1/status", "/metrics", "/sd/prometheus", "/v1/events", "/healthz"])
def test_reading_needs_no_token(path: str) -> None:
    assert status("GET", path) == 200


def test_computing_needs_no_token() -> None:
    assert status("POST", "/v1/computed") == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/v1/down", "/v1/nodes/london/kill", "/v1/status", "/v1/computed/", "/new"])
def test_whatever_is_not_known_to_change_nothing_needs_the_token(method: str, path: str) -> None:
    assert status(method, path) == 401
    assert status(method, path, Authorization="Bearer wrong") == 403
    assert status(method, path, Authorization=f"Bearer {TOKEN}") == 200


@pytest.mark.parametrize(
    "shown", ["Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \udcff\u2603"]
)
def test_almost_the_token_is_not_the_token(shown: str) -> None:
    assert status("POST", "/v1/down", Authorization=shown) == 403


@pytest.mark.parametrize("shown", [f"Basic {TOKEN}", TOKEN, f"Token {TOKEN}"])
def test_another_way_to_show_it_is_told_the_right_one(shown: str) -> None:
    refused = refusal(LOCAL, "POST", "/v1/down", {"Host": "localhost", "Authorization": shown})
    assert refused is not None
    assert refused.status == 401
    assert "Authorization: Bearer TOKEN" in refused.text
    assert "'token' beside the run's api.sock" in refused.text


def test_no_refusal_says_the_token() -> None:
    for method in ("GET", "POST"):
        for headers in ({}, {"Authorization": "Bearer x"}, {"Origin": "http://evil.example"}):
            for host in ("localhost", "evil.example"):
                guard = Guard(TOKEN, protect_reads=True)
                refused = refusal(guard, method, "/v1/down", {"Host": host} | headers)
                assert refused is not None
                assert TOKEN not in refused.text


def test_protected_readings_need_the_token_and_health_does_not() -> None:
    guard = Guard(TOKEN, protect_reads=True)
    assert status("GET", "/v1/status", guard=guard) == 401
    assert status("POST", "/v1/computed", guard=guard) == 401
    assert status("GET", "/v1/status", guard=guard, Authorization=f"bearer {TOKEN}") == 200
    assert status("GET", "/healthz", guard=guard) == 200


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "localhost",
        "LOCALHOST.:1",
        "[::1]:8080",
        "[::1]",
        "10.1.2.3:80",
        "172.18.0.5",
    ],
)
def test_addresses_and_localhost_are_this_service(host: str) -> None:
    assert status("GET", "/v1/status", host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[evil]",
        "orchestrator",
    ],
)
def test_a_rebound_name_is_not_answered_even_with_the_token(host: str) -> None:
    assert status("GET", "/v1/status", host=host) == 421
    assert status("POST", "/v1/down", host=host, Authorization=f"Bearer {TOKEN}") == 421


def test_a_compose_network_adds_the_service_name_and_the_setting_adds_others() -> None:
    inside = Guard(TOKEN, Listen.parse("0.0.0.0:8080", allow_hosts=("Sky.Example",)).names)
    for host in ("orchestrator:8080", "sky.example", "localhost"):
        assert status("GET", "/metrics", guard=inside, host=host) == 200
    assert status("GET", "/metrics", guard=inside, host="other.example") == 421
    assert "orchestrator" not in Listen.parse("127.0.0.1:8080").names


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:3000",
        "http://localhost:8080",
        "file://",
        "http://[",
        "",
    ],
)
def test_a_page_from_elsewhere_gets_nothing(origin: str) -> None:
    assert status("POST", "/v1/computed", Origin=origin) == 403
    assert status("POST", "/v1/down", Origin=origin, Authorization=f"Bearer {TOKEN}") == 403
    assert status("GET", "/v1/status", Origin=origin) == 403


def test_the_services_own_pages_may_use_it() -> None:
    assert status("GET", "/v1/status", Origin="http://127.0.0.1:8080") == 200
    assert status("POST", "/v1/down", Origin="http://127.0.0.1:8080") == 401


@pytest.mark.parametrize("text", ["8080", ":8080", "host:", "host:0", "host:65536", "host:-1", "host:٣", ""])
def test_a_listen_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        Listen.parse(text)


def test_a_listen_address_with_colons_is_ipv6() -> None:
    assert Listen.parse("[::1]:8080") == Listen("::1", 8080)
    assert Listen("::1", 8080).url(8081) == "http://[::1]:8081"
    assert Listen("0.0.0.0", 8080).url(8080) == "http://127.0.0.1:8080"
