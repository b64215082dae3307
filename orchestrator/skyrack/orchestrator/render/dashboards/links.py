"""What single links do: delay, use, waiting, loss."""

from __future__ import annotations

from skyrack.orchestrator.render.dashboards.model import Choice, Dashboard, Panel, Query, Row
from skyrack.orchestrator.render.dashboards.phrases import EVERY

_SRC = 'src=~"$src"'
_FROM = f"{{{_SRC}}}"
_WAY = "{{src}} > {{dst}}"

DASHBOARD = Dashboard(
    uid="skyrack-links",
    title="Links and queues",
    about="One series per direction of a link; the busiest ten where there are many.",
    choices=[Choice("src", "skyrack_link_delay_seconds", "src", many=True)],
    panels=[
        Row("Use"),
        Panel(
            "timeseries",
            "Utilisation",
            [
                Query(
                    f"topk(10, 8 * rate(skyrack_link_bytes_total{_FROM}[{EVERY}])"
                    " / skyrack_link_rate_bits_per_second)",
                    _WAY,
                )
            ],
            "percentunit",
            "Bits carried by the rate in force.",
        ),
        Panel(
            "timeseries",
            "Traffic",
            [Query(f"topk(10, 8 * rate(skyrack_link_bytes_total{_FROM}[{EVERY}]))", _WAY)],
            "bps",
        ),
        Row("Rates"),
        Panel(
            "timeseries",
            "Rate of ground links",
            [Query(f'skyrack_link_rate_bits_per_second{{kind="ground", {_SRC}}}', _WAY)],
            "bps",
            "What weather and faults leave of it, each way.",
        ),
        Panel(
            "timeseries",
            "Attenuation by the weather",
            [Query("skyrack_ground_attenuation_db", "{{node}} {{direction}}")],
            "dB",
            "Towards 40 degrees of elevation; nothing is drawn while a cloud blocks a station.",
        ),
        Row("Queues"),
        Panel(
            "timeseries",
            "Wait per packet",
            [
                Query(
                    f"topk(10, rate(skyrack_link_wait_seconds_total{_FROM}[{EVERY}])"
                    f" / (rate(skyrack_link_packets_total{_FROM}[{EVERY}]) > 0))",
                    _WAY,
                )
            ],
            "s",
            "Mean time in the queue of a link, beside its delay.",
        ),
        Panel(
            "timeseries",
            "Packets dropped",
            [
                Query(
                    f"topk(10, rate(skyrack_link_dropped_packets_total{_FROM}[{EVERY}])) > 0",
                    f"{_WAY} {{{{reason}}}}",
                )
            ],
            "pps",
            "`queue`: it was full. `loss`: the scenario's loss ratio.",
        ),
        Row("Delays"),
        Panel(
            "timeseries",
            "Delay of lasers",
            [
                Query('min(skyrack_link_delay_seconds{kind="laser"})', "shortest"),
                Query('avg(skyrack_link_delay_seconds{kind="laser"})', "mean"),
                Query('max(skyrack_link_delay_seconds{kind="laser"})', "longest"),
            ],
            "s",
        ),
        Panel(
            "timeseries",
            "Delay of ground links",
            [Query(f'skyrack_link_delay_seconds{{kind="ground", {_SRC}}}', _WAY)],
            "s",
            "As a satellite passes, its delay falls and rises again.",
        ),
        Panel(
            "table",
            "Delay now",
            [Query(f"skyrack_link_delay_seconds{_FROM}")],
            "s",
            width=24,
            height=10,
        ),
    ],
)
