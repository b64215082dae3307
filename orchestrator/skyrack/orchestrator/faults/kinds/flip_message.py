"""flip-message: a bit of the payload of the next packet is turned over that a node sends or forwards.

With the checksum kept, the receiver's kernel drops the packet: TCP sends it again, UDP loses it. With the checksum fixed, the
program gets what was never sent. What a link does to a share of its packets is kind `corrupt`.
"""

from skyrack.orchestrator.faults.effect import Effect, Slip
from skyrack.orchestrator.faults.kinds.kind import DRAW, Kind, Parameter

KIND = Kind(
    name="flip-message",
    text="a bit of the next packet that it sends or forwards is turned over",
    acts_on="nodes",
    one_way=False,
    parameters=(
        Parameter(
            "fixed_ratio",
            "chance that its checksum is made right again, and nobody but the program can find it",
            above=0.0,
            most=1.0,
            default=0.0,
            inclusive=True,
            example="100%",
        ),
        DRAW,
    ),
    effect=lambda values, target: Effect(
        slips=dict.fromkeys(target.nodes, Slip(values["fixed_ratio"], int(values["draw"])))
    ),
    at_once=True,
)
