"""CPU time that everything in a node has used: the node's own process, its services and whatever else runs there."""

from __future__ import annotations

import os

from skyrack.node.process import read_stat, read_text


def cpu_s() -> float:
    """Of all processes of the node's PID namespace, those that ended included once somebody has waited for them.

    Where its /proc is another namespace's it is that of the node and of those of its children that have ended.
    """
    if os.readlink("/proc/self") != str(os.getpid()):
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system
    texts = (read_text(f"/proc/{entry}/stat") for entry in os.listdir("/proc") if entry.isdecimal())
    return sum(read_stat(text).cpu_s for text in texts if text)
