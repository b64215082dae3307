"""Placeholders of services are filled in, and what cannot be is said."""

from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.scenario.templates import Member, fill, fill_peer, mistakes

OWN = {
    "node": "b",
    "address": "10.0.0.2",
    "index": "1",
    "data": "/d",
    "service": "etcd",
    "run": "r",
    "path": "/here",
    "python": "/bin/python3",
}
ETCD = tuple(Member(node, f"10.0.0.{i + 1}", i, f"{node}=10.0.0.{i + 1}") for i, node in enumerate("abc"))
MEMBERS = {"etcd": ETCD, "web": (Member("z", "10.0.0.9", 0, "z:80"),), "none": ()}


def test_own_members_are_meant_unless_another_service_is_named() -> None:
    assert fill("{peers}", OWN, MEMBERS) == "a=10.0.0.1,b=10.0.0.2,c=10.0.0.3"
    assert fill("{peers:web} {first:web} {count:web}", OWN, MEMBERS) == "z:80 z:80 1"


def test_others_leave_out_the_node_itself() -> None:
    assert fill("{others}", OWN, MEMBERS) == "a=10.0.0.1,c=10.0.0.3"
    assert fill("{others:web}", OWN, MEMBERS) == "z:80"


def test_a_service_without_members_is_empty_and_not_an_error() -> None:
    assert fill("[{peers:none}{first:none}] {count:none}", OWN, MEMBERS) == "[] 0"


def test_what_is_of_this_node_is_filled_in() -> None:
    text = "{node} {address} {index} {data} {service} {run} {count} {first} {python} {path}"
    assert fill(text, OWN, MEMBERS) == "b 10.0.0.2 1 /d etcd r 3 a=10.0.0.1 /bin/python3 /here"


def test_doubled_braces_are_braces() -> None:
    assert fill('{{"a": "{node}"}}', OWN, MEMBERS) == '{"a": "b"}'


def test_a_peer_is_written_as_the_service_says() -> None:
    assert fill_peer("{node}=http://{address}:2380", "a", "10.0.0.1", 0) == "a=http://10.0.0.1:2380"


def test_what_a_peer_cannot_have_is_a_mistake() -> None:
    assert [text for text, _ in mistakes("{node} {peers}", ["etcd"], one_member=True)] == [
        "unknown placeholder '{peers}'"
    ]


@given(st.text(alphabet="{}:abnode peers!.0", max_size=20))
def test_what_has_no_mistake_can_be_filled_in(text: str) -> None:
    if not list(mistakes(text, list(MEMBERS))):
        fill(text, OWN, MEMBERS)
