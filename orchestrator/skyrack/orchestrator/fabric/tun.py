"""Is a descriptor that a node handed over really a mesh device?"""

from __future__ import annotations

import fcntl
import sys

_TUNGETIFF = 0x800454D2
_IFF_TUN, _IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x0002, 0x1000, 0x4000
_IFF_MASK = _IFF_TUN | _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR


def is_mesh_device(descriptor: int) -> bool:
    """Whether it is a TUN device that speaks as attach.py says: anything else would end or mislead the loop."""
    request = bytearray(40)  # struct ifreq: name, flags
    try:
        fcntl.ioctl(descriptor, _TUNGETIFF, request)
    except OSError:
        return False
    flags = int.from_bytes(request[16:18], sys.byteorder)
    return flags & _IFF_MASK == _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR
