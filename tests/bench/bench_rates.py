"""`iperf3` at lasers of 10, 100 and 300 Mbit/s, against rate x payload / IP bytes of a full packet."""

from __future__ import annotations

from pathlib import Path

from .command_run import CommandRun, command_run
from .iperf import Measured, available, iperf

MTU = 1500
RATES_BPS = (10e6, 100e6, 300e6)
ENDS = {1: "p0s01", 5: "p0s05"}
CLIENT = "p0s00"
UDP_PAYLOAD_BYTES = MTU - 20 - 8
TCP_PAYLOAD_BYTES = MTU - 20 - 20 - 12  # with the option of time stamps
OFFERED = 1.1
"""What UDP sends, of what fits."""
BUFFER_BYTES = 4 << 20
OMITTED_S = {"UDP": 2, "cubic": 5, "bbr": 3}
"""Until the queue of 100 ms is full, or a window that slow start overshot is big enough again."""
MEASURED_S = {"UDP": 4, "cubic": 10, "bbr": 5}
"""CUBIC's last loss before may hold back a window of bytes, or give it away. BBR stops for 200 ms and a round trip every 10 s,
to measure that: the first time after what is looked at."""
SCENARIO = (
    "version: 1\nname: bench\nextends: iridium\nground: []\n"
    "inhabited: [p0s00, p0s01, p0s05]\nlinks: {laser_rate_bps: %g}\n"
)


async def main() -> None:
    """UDP and TCP at lasers of 10, 100, 300 Mbit/s over 1 and 5 hops, MTU 1500, received against computed."""
    if not available():
        print("  skipped: iperf3 is needed")
        return
    print(
        "   Mbit/s  hops  sender      computed      sent  received Mbit/s  received : computed  retransmits"
    )
    for rate_bps in RATES_BPS:
        async with command_run(SCENARIO % rate_bps) as run:
            await run.up()
            for hops in ENDS:
                for sender in ("UDP", *_controls()):
                    payload_bytes = UDP_PAYLOAD_BYTES if sender == "UDP" else TCP_PAYLOAD_BYTES
                    computed_bps = rate_bps * payload_bytes / MTU
                    got = await _measure(run, hops, sender, computed_bps)
                    print(
                        f"  {rate_bps / 1e6:7.0f} {hops:5}  {sender:9} {computed_bps / 1e6:10.2f}"
                        f" {got.sent_bps / 1e6:9.2f} {got.bps / 1e6:16.2f} {got.bps / computed_bps:20.4f} {got.retransmits:12}",
                        flush=True,
                    )


def _controls() -> list[str]:
    """TCP's congestion controls that are looked at, as far as this kernel has them."""
    there = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    return [control for control in ("cubic", "bbr") if control in there]


def _buffer_bytes() -> int:
    """For a receiver who does not run for a while: the default holds 4 ms of 300 Mbit/s."""
    return min(BUFFER_BYTES, int(Path("/proc/sys/net/core/rmem_max").read_text()))


async def _measure(run: CommandRun, hops: int, sender: str, computed_bps: float) -> Measured:
    options = ["-t", str(MEASURED_S[sender]), "-O", str(OMITTED_S[sender])]
    if sender == "UDP":
        options += ["-u", "-l", str(UDP_PAYLOAD_BYTES), "-b", f"{computed_bps * OFFERED:.0f}"]
        options += ["-w", str(_buffer_bytes())]
    else:
        options += ["-C", sender]
    return await iperf(run.inside(ENDS[hops]), run.inside(CLIENT), ENDS[hops], *options)
