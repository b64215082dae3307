"""What was told ahead of the orbits holds, unless it was recalled before."""

from __future__ import annotations

from skyrack.orchestrator.fabric.ahead import Ahead

from .fabric_mesh import Edge, mesh


def test_a_recall_makes_later_orders_void_and_no_others() -> None:
    engine, done = mesh(2, [Edge(0, 1)], (0, 1)), list[str]()
    ahead = Ahead(engine)

    def order(at_s: float, name: str) -> None:
        ahead.at(at_s, lambda _: done.append(name))

    order(1.0, "before the first")
    order(3.0, "after the first")
    ahead.recall(2.0)
    order(2.0, "at its instant")
    order(2.5, "told since")
    order(5.0, "after the second")
    ahead.recall(4.0)
    order(5.0, "told last")
    engine.at(3.0, lambda _: done.append("a fault"))
    engine.advance(10.0)
    assert done == ["before the first", "at its instant", "told since", "a fault", "told last"]
