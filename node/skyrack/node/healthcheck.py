"""`python -I -S healthcheck.py [TARGET [SERVICE]]`: whether a container serves. Exit status 0, or 1 with the reason.

An engine executes this in every container again and again, so it imports next to nothing, and speaks as much of
HTTP/2 (RFC 9113), HPACK (RFC 7541) and grpc.health.v1 as one Check by a gRPC server takes.

TARGET, or the environment variable SKYRACK_HEALTH, which may hold the service too, after a space:
    unix:/path.sock        a gRPC server: grpc.health.v1.Health/Check of SERVICE, of the whole server by default
    listening:/path.sock   something accepts connections there, SEQPACKET or STREAM
    tcp:PORT               something accepts connections there, on the container's loopback
"""

import errno
import io
import os
import socket
import sys

TIMEOUT_S = 2.0
ABSENT = ".absent"  # a file called so beside the socket: the node is to wait, and does
# Settings, acknowledgements, pings, the answer and its trailers: a server sends about ten.
MOST_FRAMES = 64
MOST_SERVICE_BYTES = 127  # whose length is one byte

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS = 0, 1, 3, 4
_ACK, _END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_STREAM = 1
_STATIC_ENTRIES = 61  # of HPACK's table; none of them is a field that is needed here
_STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")


class UnhealthyError(Exception):
    """Why not, in a line."""


def check(target: str, service: str = "") -> None:
    """Return if `target` serves. Raises UnhealthyError."""
    kind, _, path = target.partition(":")
    if kind not in ("unix", "listening", "tcp") or not path or (kind == "tcp" and not path.isdecimal()):
        raise UnhealthyError("expected unix:PATH, listening:PATH or tcp:PORT")
    if len(service.encode()) > MOST_SERVICE_BYTES:
        raise UnhealthyError(f"service of more than {MOST_SERVICE_BYTES} bytes")
    if os.path.exists(path + ABSENT):
        return
    try:
        if kind == "listening":
            _connect(path, socket.SOCK_SEQPACKET, socket.SOCK_STREAM).close()
        elif kind == "tcp":
            socket.create_connection(("127.0.0.1", int(path)), TIMEOUT_S).close()
        else:
            with _connect(path, socket.SOCK_STREAM) as sock:
                _check_grpc(sock, service)
    except TimeoutError as error:
        raise UnhealthyError(f"no answer within {TIMEOUT_S:g} s") from error
    except OSError as error:
        raise UnhealthyError(os.strerror(error.errno or 0)) from error
    except (EOFError, IndexError) as error:
        raise UnhealthyError("the answer ends early, or is not a gRPC server's") from error


def _connect(path: str, *kinds: int) -> socket.socket:
    """A connection of the first of these kinds that the listener is of."""
    sock = socket.socket(socket.AF_UNIX, kinds[0])
    try:
        sock.settimeout(TIMEOUT_S)
        sock.connect(path)
    except OSError as error:
        sock.close()
        if error.errno == errno.EPROTOTYPE and kinds[1:]:
            return _connect(path, *kinds[1:])
        raise
    return sock


def _check_grpc(sock: socket.socket, service: str) -> None:
    sock.sendall(_PREFACE + _frame(_SETTINGS, 0, 0) + _request(service))
    fields: list[tuple[bytes, bytes]] = []
    table: list[tuple[bytes, bytes]] = []
    message = b""
    with sock.makefile("rb") as stream:
        for _ in range(MOST_FRAMES):
            kind, flags, number, payload = _read_frame(stream)
            if kind == _SETTINGS and not flags & _ACK:
                sock.sendall(_frame(_SETTINGS, _ACK, 0))
            elif number == _STREAM and kind == _RST_STREAM:
                raise UnhealthyError(f"the call was reset, error {int.from_bytes(payload, 'big')}")
            elif number == _STREAM and kind in (_DATA, _HEADERS):
                if flags & (_PADDED | _PRIORITY) or (kind == _HEADERS and not flags & _END_HEADERS):
                    raise UnhealthyError("the answer is laid out as gRPC's own servers never do")
                if kind == _DATA:
                    message += payload
                else:
                    fields += unpack_fields(payload, table)
                if flags & _END_STREAM:
                    _judge(dict(fields), message)
                    return
    raise UnhealthyError(f"no end of the answer within {MOST_FRAMES} frames")


def _judge(fields: dict[bytes, bytes], message: bytes) -> None:
    """Raise UnhealthyError unless the call succeeded and the answer is SERVING."""
    code = fields.get(b"grpc-status", b"missing").decode(errors="replace")
    if code != "0":
        text = fields.get(b"grpc-message", b"").decode(errors="replace")
        raise UnhealthyError(f"grpc status {code} {text}".strip())
    # Five bytes of gRPC, then HealthCheckResponse: field 1, a varint, left out when it is 0.
    state = message[6] if message[5:6] == b"\x08" else 0
    if state != _STATES.index("SERVING"):
        raise UnhealthyError(_STATES[state])


def _request(service: str) -> bytes:
    """One call of Check, as header and data frames of stream 1."""
    name = service.encode()
    body = b"\x0a" + bytes([len(name)]) + name if name else b""
    # 0x83 and 0x86 are `:method: POST` and `:scheme: http` in the static table; 4, 1 and 31 are names in it.
    fields = b"\x83\x86" + b"\x04" + _text(b"/grpc.health.v1.Health/Check")
    fields += b"\x01" + _text(b"localhost") + b"\x0f\x10" + _text(b"application/grpc")
    fields += b"\x00" + _text(b"te") + _text(b"trailers")
    data = b"\0" + len(body).to_bytes(4, "big") + body
    return _frame(_HEADERS, _END_HEADERS, _STREAM, fields) + _frame(_DATA, _END_STREAM, _STREAM, data)


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _read_frame(stream: io.BufferedReader) -> tuple[int, int, int, bytes]:
    """Kind, flags, stream and payload. Raises EOFError at the end."""
    head = _read(stream, 9)
    number = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
    return head[3], head[4], number, _read(stream, int.from_bytes(head[:3], "big"))


def _read(stream: io.BufferedReader, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _text(text: bytes) -> bytes:
    """HPACK's form of a short text, without Huffman coding."""
    return bytes([len(text)]) + text


def unpack_fields(block: bytes, table: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields of a header block; those of the static table come without names, Huffman codes as they are.

    `table` is the connection's dynamic table, newest first; nothing is ever evicted from it, because what an encoder
    has evicted it does not refer to. Raises IndexError for what is no header block.
    """
    fields, at = [], 0
    while at < len(block):
        first = block[at]
        if first & 0x80:
            index, at = _integer(block, at, 7)
            fields.append(table[index - _STATIC_ENTRIES - 1] if index > _STATIC_ENTRIES else (b"", b""))
        elif first & 0xE0 == 0x20:
            _, at = _integer(block, at, 5)
        else:
            index, at = _integer(block, at, 6 if first & 0x40 else 4)
            if index > _STATIC_ENTRIES:
                name = table[index - _STATIC_ENTRIES - 1][0]
            elif index:
                name = b""
            else:
                name, at = _string(block, at)
            value, at = _string(block, at)
            fields.append((name, value))
            if first & 0x40:
                table.insert(0, (name, value))
    return fields


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """A number that begins in the low `bits` of a byte, and where the next thing begins."""
    most = (1 << bits) - 1
    value, at = block[at] & most, at + 1
    if value < most:
        return value, at
    shift = 0
    while True:
        byte, at = block[at], at + 1
        value += (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    size, at = _integer(block, at, 7)
    if at + size > len(block):
        raise IndexError
    return block[at : at + size], at + size


def _as_owner(path: str) -> None:
    """Go on as the user whose directory the socket is in: root of a container that dropped DAC_OVERRIDE may not look there."""
    try:
        directory = os.stat(os.path.dirname(path) or ".")
        if os.geteuid() == 0 and directory.st_uid != 0:
            os.setegid(directory.st_gid)
            os.seteuid(directory.st_uid)
    except OSError:
        pass  # connecting says more


def main(arguments: list[str]) -> int:
    """Exit status: 0 or 1."""
    target, *service = (arguments or os.environ.get("SKYRACK_HEALTH", "").split()) or [""]
    try:
        _as_owner(target.partition(":")[2])
        check(target, *service)
    except UnhealthyError as error:
        print(f"{target}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
