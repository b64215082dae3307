"""The node's one network device: `mesh0`, a TUN whose other end is the fabric."""

import contextlib
import fcntl
import os
import struct
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from skyrack.node.config import NodeConfig
from skyrack.node.netlink import Netlink

DEVICE = "mesh0"
# Deep enough that the fabric, not the kernel, is where a burst is queued and counted.
QUEUE_PACKETS = 2000

_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
_TUN_F_CSUM, _TUN_F_TSO4 = 1, 2


def open_tun(gso_max_bytes: int) -> int:
    """Create mesh0 in this network namespace and return its descriptor (close-on-exec).

    Packets carry a virtio_net_hdr of 10 bytes. Raises OSError; EBUSY while another process still holds the device.
    """
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        number = error.errno or 0
        raise OSError(number, f"open /dev/net/tun: {os.strerror(number)}") from error
    try:
        flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), flags))
        if gso_max_bytes:
            fcntl.ioctl(fd, _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4)
    except OSError as error:
        os.close(fd)
        number = error.errno or 0
        raise OSError(number, f"create {DEVICE}: {os.strerror(number)}") from error
    return fd


def configure(config: NodeConfig) -> list[str]:
    """Give mesh0 its address, route and sizes, and this network namespace its settings.

    Returns what could not be set and can be lived without, for the log. Raises OSError for the rest.
    """
    missed = []
    settings = {
        # No link-local address, hence no router solicitations into the mesh.
        f"/proc/sys/net/ipv6/conf/{DEVICE}/addr_gen_mode": ("1",),
        # Paths reach 74 hops.
        "/proc/sys/net/ipv4/ip_default_ttl": ("255",),
        # A path of 100 ms at 5 Gbit/s holds 62 MB: with the usual 6 and 4 MB the window, not the mesh, would set the rate.
        "/proc/sys/net/ipv4/tcp_rmem": ("4096 131072 67108864",),
        "/proc/sys/net/ipv4/tcp_wmem": ("4096 65536 67108864",),
        # A node answers every traceroute probe, not one a second per peer.
        "/proc/sys/net/ipv4/icmp_ratelimit": ("0",),
        # Unprivileged ping; in a user namespace with a single group only that group can be named.
        "/proc/sys/net/ipv4/ping_group_range": ("0 2147483647", "0 0"),
    }
    for path, values in settings.items():
        if not _write_first(path, values):
            missed.append(path)
    address = IPv4Address(config.address)
    with Netlink() as netlink:
        netlink.set_link_up("lo")
        netlink.set_link_up(
            DEVICE, mtu=config.mtu, queue_packets=QUEUE_PACKETS, gso_max_bytes=config.gso_max_bytes
        )
        netlink.add_address(DEVICE, address)
        netlink.add_route(DEVICE, IPv4Network(config.network), address)
    return missed


def _write_first(path: str, values: tuple[str, ...]) -> bool:
    """Write the first value the kernel takes; False when it takes none."""
    for value in values:
        with contextlib.suppress(OSError):
            Path(path).write_text(value)
            return True
    return False
