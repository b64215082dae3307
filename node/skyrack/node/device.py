"""The node's one network device: `mesh0`, a TUN whose other end is the fabric."""

import contextlib
import errno
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

# Settings of a node's network, by name: the values that will do, the best first.
SYSCTLS: dict[str, tuple[str, ...]] = {
    # Paths reach 74 hops.
    "net.ipv4.ip_default_ttl": ("255",),
    # A path of 100 ms at 5 Gbit/s holds 62 MB: with the usual 6 and 4 MB the window, not the mesh, would set the rate.
    "net.ipv4.tcp_rmem": ("4096 131072 67108864",),
    "net.ipv4.tcp_wmem": ("4096 65536 67108864",),
    # A node answers every traceroute probe, not one a second per peer.
    "net.ipv4.icmp_ratelimit": ("0",),
    # Guests without capabilities may serve port 80: there is nobody to protect from them.
    "net.ipv4.ip_unprivileged_port_start": ("0",),
    # Unprivileged ping, for every group that can be named: in a rootless engine these are the 65,536 of its user
    # namespace, and in a user namespace with a single group that one.
    "net.ipv4.ping_group_range": ("0 2147483647", "0 65535", "0 0"),
}
# What a compose file has to set for a node's container, where /proc/sys is read-only. A value here is one that every
# engine can set, because a container whose sysctl is refused does not start. IPv6 is absent for that reason too:
# a kernel may be without it, and mesh0 is kept free of link-local addresses by netlink.
CONTAINER_SYSCTLS: dict[str, str] = {name: values[0] for name, values in SYSCTLS.items()} | {
    "net.ipv4.ping_group_range": "0 65535"
}

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
    missed = [name for name, values in SYSCTLS.items() if not _set_first(name, values)]
    address = IPv4Address(config.address)
    with Netlink() as netlink:
        netlink.set_link_up("lo")
        try:
            # No link-local address, hence no router solicitations into the mesh.
            netlink.without_link_local(DEVICE)
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT:
                missed.append(str(error))
        netlink.set_link_up(
            DEVICE, mtu=config.mtu, queue_packets=QUEUE_PACKETS, gso_max_bytes=config.gso_max_bytes
        )
        netlink.add_address(DEVICE, address)
        netlink.add_route(DEVICE, IPv4Network(config.network), address)
    return missed


def _set_first(name: str, values: tuple[str, ...]) -> bool:
    """Have one of the values: the one that is there already, else the first the kernel takes; False without any."""
    path = Path("/proc/sys", *name.split("."))
    with contextlib.suppress(OSError):
        if " ".join(path.read_text().split()) in values:
            return True
    for value in values:
        with contextlib.suppress(OSError):
            path.write_text(value)
            return True
    return False
