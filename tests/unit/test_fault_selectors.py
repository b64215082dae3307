"""One word selects the nodes that it says, and words that select nothing are refused with what there is."""

import pytest

from skyrack.orchestrator.faults.atlas import Atlas, Ground
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.faults.selectors import select
from skyrack.orchestrator.faults.targets import Selection, nodes_of, places_of, satellites_of
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.geometry import Geometry

NAMES = [
    "p0s00",
    "p0s01",
    "p1s00",
    "p1s01",
    "london",
    "frankfurt",
    "tokyo",
    "lab",
    "user-oslo",
    "pop-ams",
    "users",
]
GROUND = [
    Ground("ground", 51.51, -0.13, "GB", "europe"),
    Ground("ground", 50.11, 8.68, "DE", "europe"),
    Ground("ground", 35.68, 139.69, "JP", "asia"),
    Ground("ground", 0.0, 179.9, "KI", "atoll"),
    Ground("user", 59.9, 10.7),
    Ground("pop", 52.4, 4.9),
    Ground("ground", 0.0, -179.9),
]
ATLAS = Atlas(
    NAMES,
    4,
    len(NAMES) - 5,
    [(0, 1), (0, 2)],
    ground=GROUND,
    batches=[range(3), range(3, 4)],
    services=lambda: {"etcd": [2, 0, 4]},
    inhabited=[0, 2, *range(4, 11)],
)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("p0s01", "p0s01"),
        ("satellite:p0s01", "p0s01"),
        ("satellites", "p0s00 p0s01 p1s00 p1s01"),
        ("gateways", "london frankfurt tokyo lab users"),
        ("pops", "pop-ams"),
        ("all", " ".join(NAMES)),
        ("plane:p1", "p1s00 p1s01"),
        ("batch:0", "p0s00 p0s01 p1s00"),
        ("batch:1", "p1s01"),
        ("region:europe", "london frankfurt"),
        ("country:japan", "tokyo"),
        ("country:jp", "tokyo"),
        ("country:KI", "lab"),
        ("circle:51.5,-0.1,100km", "london"),
        ("circle:51.5,-0.1,800km", "london frankfurt"),
        ("circle:0,180,30km", "lab users"),  # across the date line
        ("users", "users"),  # a node's name comes before the group's
    ],
)
def test_a_word_selects_what_it_says(word: str, names: str) -> None:
    assert [NAMES[node] for node, _ in select(word, ATLAS)] == names.split()


def test_a_service_is_itself_where_what_runs_there_is_meant_and_its_nodes_elsewhere() -> None:
    word = Selection(nodes=("service:etcd",))
    assert places_of(word, ATLAS, bare=False).places == ((2, "etcd"), (0, "etcd"), (4, "etcd"))
    assert nodes_of(word, ATLAS).nodes == (2, 0, 4)


def test_what_comes_to_satellites_alone_leaves_out_the_ground_and_refuses_a_word_for_it() -> None:
    assert satellites_of(Selection(nodes=("service:etcd", "p0s01")), ATLAS).nodes == (2, 0, 1)
    with pytest.raises(FaultProblem, match="gateways: nothing but nodes on the ground"):
        satellites_of(Selection(nodes=("gateways",)), ATLAS)


def test_what_runs_at_a_plane_runs_at_those_with_a_process_and_a_loss_takes_the_others_too() -> None:
    assert places_of(Selection(planes=("p0",)), ATLAS, bare=False).places == ((0, ""),)
    lost = places_of(Selection(nodes=("plane:p0",)), ATLAS, bare=True)
    assert (lost.places, lost.nodes) == (((0, ""),), (0, 1))
    with pytest.raises(FaultProblem, match="p0s01 is a bare satellite: it has no process"):
        places_of(Selection(nodes=("p0s01",)), ATLAS, bare=False)


def test_a_draw_takes_as_many_as_it_says_of_what_the_word_selects_and_the_same_every_time() -> None:
    chosen = Selection(nodes=("random:2:satellites", "tokyo"))
    drawn = chosen.drawn(ATLAS, Lot(1, "schedule", 0), services=False)
    assert len(set(drawn.nodes[:2])) == 2
    assert set(drawn.nodes[:2]) <= set(NAMES[:4])
    assert drawn.nodes[2] == "tokyo"
    assert drawn == chosen.drawn(ATLAS, Lot(1, "schedule", 0), services=False)
    others = {chosen.drawn(ATLAS, Lot(1, "schedule", place), services=False).nodes for place in range(20)}
    assert len(others) > 3, "every place of a plan draws for itself"
    services = Selection(nodes=("random:3:service:etcd",)).drawn(ATLAS, Lot(1), services=True)
    assert services.nodes == ("p1s00/etcd", "p0s00/etcd", "london/etcd")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("satelites", "no node is called 'satelites': did you mean 'satellites'?"),
        ("lodon", "did you mean 'london'?"),
        ("regoin:europe", "no selector is called 'regoin': did you mean 'region'?"),
        ("region:eurpe", "did you mean 'europe'?"),
        ("region:mars", "there are asia, atoll, europe"),
        ("country:jpan", "did you mean 'japan'?"),
        ("plane:p7", "no plane is called 'p7': there are p0 to p1"),
        ("batch:2", "there are batch:0 to batch:1"),
        ("batch:x", "no launch is called 'batch:x'"),
        ("service:ectd", "did you mean 'etcd'?"),
        ("tokyo/etcd", "etcd is not at tokyo: it is at p1s00, p0s00, london"),
        ("satellite:london", "london is on the ground"),
        ("circle:90,0", "expected circle:LATITUDE,LONGITUDE,RADIUS"),
        ("circle:91,0,5km", "a latitude is from -90 to 90 degrees"),
        ("circle:80,0,5km", "the nearest is london"),
    ],
)
def test_a_word_that_selects_nothing_is_refused_with_what_there_is(word: str, said: str) -> None:
    with pytest.raises((FaultProblem, Unknown)) as refused:
        select(word, ATLAS)
    assert said in str(refused.value)


def test_an_atlas_of_a_scenario_knows_launches_regions_and_where_services_are() -> None:
    atlas = atlas_of(Geometry(load_scenario("iridium")))
    assert [len(batch) for batch in atlas.batches] == [60, 6]
    assert [atlas.names[node] for node, _ in select("region:europe", atlas)] == ["london"]
