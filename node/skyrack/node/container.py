"""`python -m skyrack.node.container NAME --mesh-dir DIR`: the first process of a node's container.

root with NET_ADMIN                              the image's user, without any capability
 wait for nodes/NAME.json (reads as that user) |  import everything once, fork the node,
 mesh0, its address and route, /etc/hosts      |  stay as init: see init.py

Ends with the node's exit status. What the node runs in is never made a second time: a container that is started again
has a new network, so a configuration that changes is taken by ending with status 75.
"""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from skyrack.node import device, etc_files
from skyrack.node.clock import RealClock
from skyrack.node.config import ConfigError, NodeConfig
from skyrack.node.config_file import ConfigFile
from skyrack.node.forked import set_process_name
from skyrack.node.init import Init
from skyrack.node.logs import fields, log, open_log
from skyrack.node.mains import load_mains, load_workers
from skyrack.v1 import privileges
from skyrack.v1.node_init import init_socket

BACKLOG = 64
# The user of the image.
USER = GROUP = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the node, 128 + n after signal n; 75: start again; 1 after a failure; 2 for unusable arguments."""
    options = _parser().parse_args(arguments)
    # Until there is a node to end. The first process of a container would ignore it by default.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: os._exit(0))
    set_process_name("sky init")
    open_log(options.name, None)
    os.environ["GRPC_VERBOSITY"] = "ERROR"
    try:
        return _run(options)
    except (ConfigError, ImportError, ValueError) as error:
        log.error("cannot be started so", extra=fields(error=str(error)))
        return 2
    except OSError as error:
        log.error("cannot start", extra=fields(error=str(error)))
        return 1


def _run(options: argparse.Namespace) -> int:
    clock = RealClock()
    file = ConfigFile(Path(options.mesh_dir, "nodes", f"{options.name}.json"), options.name)
    with privileges.acting_as(options.uid, options.gid):
        config = asyncio.run(file.wait(clock))
        texts = {"/etc/resolv.conf": ""}
        if config.hosts_file is not None:
            texts["/etc/hosts"] = Path(config.hosts_file).read_text()
    tun_fd = _prepare(config, texts)
    privileges.drop(options.uid, options.gid)
    # As in zygote.py: no holes in pages that are shared, no collection in a child that starts.
    gc.disable()
    run = load_mains(options.main)[config.kind]
    workers = load_workers(options.worker)
    gc.collect()
    gc.freeze()
    path = init_socket(options.mesh_dir, options.name)
    with _listen(path) as listener:
        init = Init(listener, workers, file.changed, clock)
        try:
            return init.run(config, lambda told: run(told, tun_fd), tun_fd)
        finally:
            path.unlink(missing_ok=True)


def _prepare(config: NodeConfig, texts: Mapping[str, str]) -> int:
    """Everything that takes root: mesh0, whose descriptor is returned, and names. Raises OSError."""
    try:
        tun_fd = device.open_tun(config.gso_max_bytes)
        missed = device.configure(config)
    except PermissionError as error:
        raise OSError(f"{error.strerror}; a node needs /dev/net/tun and the capability NET_ADMIN") from error
    missed += etc_files.write_mounted(texts)
    for text in missed:
        log.warning("setting refused", extra=fields(setting=text))
    return tun_fd


def _listen(path: Path) -> socket.socket:
    """Listen on the init socket, in place of a predecessor's that was killed."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(os.fspath(path))
        os.chmod(path, 0o600)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"listen on {path}: {os.strerror(error.errno or 0)}") from error
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skyrack.node.container", description="Be the first process of a node's container."
    )
    parser.add_argument("name", metavar="NAME", help="the node's")
    parser.add_argument("--mesh-dir", type=Path, required=True, help="with nodes/NAME.json and the sockets")
    parser.add_argument("--main", action="append", default=[], metavar="KIND=MODULE", help="what a kind runs")
    parser.add_argument(
        "--worker",
        action="append",
        default=[],
        metavar="KIND=MODULE",
        help="what may be started beside the node",
    )
    parser.add_argument("--uid", type=int, default=USER, help="user to become")
    parser.add_argument("--gid", type=int, default=GROUP, help="group to become")
    return parser


if __name__ == "__main__":
    sys.exit(main())
