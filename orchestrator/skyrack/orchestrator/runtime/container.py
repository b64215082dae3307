"""`python -m skyrack.orchestrator.runtime.container`: the orchestrator as a container, whose fabric and nodes are others.

Whoever starts it again, while the fabric is up, goes on with the same run; with another scenario it begins a new one.
Exit status 0 after SIGTERM or `down`, 1 after a failure, 2 when the scenario or the arguments cannot be used, which
starting it again does not change.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import functools
import hashlib
import os
import signal
import sys
import traceback
from pathlib import Path

from skyrack.orchestrator.api.listen import Listen
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime import paths
from skyrack.orchestrator.runtime.awaited import awaited_processes
from skyrack.orchestrator.runtime.basis import Means
from skyrack.orchestrator.runtime.brokers import AwaitedBroker, Brokers, NoBroker
from skyrack.orchestrator.runtime.continued import RunState, boot_id, read_state, state_file, write_state
from skyrack.orchestrator.runtime.entries import PublishedEntries
from skyrack.orchestrator.runtime.errors import sentence
from skyrack.orchestrator.runtime.grafana import keep_password
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.plain_log import PlainLog
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.run import Run
from skyrack.orchestrator.scenario import Scenario, ScenarioError, dump_scenario, load_scenario

FAILED, USAGE = 1, 2


def main() -> int:
    """The exit status."""
    arguments = _parser().parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    # Until there is a run to stop. The first process of a container would ignore it by default.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        scenario = load_scenario(arguments.scenario)
        name = arguments.run or scenario.name
        listen = _listen(arguments, name)
        directory, lock = paths.claim(name)
    except ScenarioError as error:
        print(*(mistake.render() for mistake in error.problems), sep="\n", file=sys.stderr)
        return USAGE
    except ValueError as error:
        print(error, file=sys.stderr)
        return USAGE
    except paths.Busy:
        print(f"another orchestrator has a run called {name} up", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"{paths.base_dir()}: {error.strerror or error}", file=sys.stderr)
        return FAILED
    try:
        asyncio.run(_serve(arguments, name, scenario, directory, listen))
    except Exception as error:
        traceback.print_exc()
        print(f"the run failed: {sentence(error)}", file=sys.stderr)
        return FAILED
    finally:
        paths.release(name, lock)
    return 0


async def _serve(
    arguments: argparse.Namespace, name: str, scenario: Scenario, directory: Path, listen: Listen | None
) -> None:
    text = dump_scenario(scenario)
    digest = hashlib.sha256(text.encode()).hexdigest()
    kept = state_file(arguments.fabric_socket.parent, name)
    state = read_state(kept, digest, arguments.runs)
    run_dir = arguments.runs / state.run_dir if state else _new_run_dir(arguments, scenario.name, text)
    (arguments.mesh_dir / "nodes").mkdir(mode=0o700, exist_ok=True)
    if arguments.grafana_dir is not None:
        keep_password(arguments.grafana_dir)
    clock = RealClock()
    means = Means(
        processes=functools.partial(
            awaited_processes, fabric_socket=arguments.fabric_socket, sidecars=arguments.sidecars
        ),
        brokers=_brokers(arguments, name),
        entries=functools.partial(PublishedEntries, _first_port(arguments.entries)),
    )
    run = Run(
        run=name,
        scenario=scenario,
        places=Places(directory, arguments.mesh_dir, run_dir),
        progress=Progress(PlainLog(sys.stdout, clock)),
        means=means,
        t0_monotonic_ns=state.t0_monotonic_ns if state else clock.t0_monotonic_ns,
    )
    if state is None:
        write_state(kept, RunState(boot_id(), digest, clock.t0_monotonic_ns, run_dir.name))
    else:
        run.events.add("orchestrator_restarted")
    paths.write_record(paths.RunRecord(name, os.getpid(), str(run_dir), digest))
    signalled = asyncio.Event()

    def stop() -> None:
        signalled.set()
        run.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await run.main(listen)
    if not signalled.is_set():  # `down`: this run is over. After a signal another process may go on with it.
        kept.unlink(missing_ok=True)
        if listen is not None and listen.token_keeper is not None:
            listen.token_keeper.unlink(missing_ok=True)


def _brokers(arguments: argparse.Namespace, name: str) -> Brokers:
    if arguments.broker_dir is None:
        return NoBroker
    # The broker goes on with its passwords whatever becomes of the run: they are kept as long as the volumes are.
    return functools.partial(
        AwaitedBroker, arguments.broker_dir, arguments.fabric_socket.parent / f"{name}.broker"
    )


def _first_port(ports: str | None) -> int | None:
    """Of FIRST-LAST, as compose publishes several ports at once; entries are in the same order."""
    return int(ports.partition("-")[0]) if ports else None


def _listen(arguments: argparse.Namespace, name: str) -> Listen | None:
    if not arguments.listen:
        return None
    return Listen.parse(
        arguments.listen,
        allow_hosts=tuple(arguments.allow_host),
        protect_reads=arguments.protect_reads,
        # Beside the state, for the same reason.
        token_keeper=arguments.fabric_socket.parent / f"{name}.token",
        published=arguments.published,
    )


def _new_run_dir(arguments: argparse.Namespace, name: str, text: str) -> Path:
    """A directory for a new run, with its scenario in it. Raises OSError."""
    chosen = arguments.runs / arguments.run_dir if arguments.run_dir else None
    if chosen is not None and not chosen.exists():
        (chosen / "logs").mkdir(parents=True)
        run_dir: Path = chosen
    else:
        run_dir = paths.new_run_dir(arguments.runs, name, RealClock().utc())
    (run_dir / "scenario.yaml").write_text(text)
    paths.point_latest_at(run_dir)
    return run_dir


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skyrack.orchestrator.runtime.container",
        description="Be the orchestrator of a run whose fabric and nodes are other containers.",
    )
    parser.add_argument("--scenario", required=True, help="file, or name of a preset")
    parser.add_argument("--run", help="name of the run; default: the scenario's")
    parser.add_argument("--mesh-dir", type=Path, required=True, help="shared with fabric and nodes")
    parser.add_argument("--fabric-socket", type=Path, required=True, help="where the fabric connects")
    parser.add_argument(
        "--sidecars", type=Path, metavar="SOCKET", help="who limits containers beside nodes, if there are any"
    )
    parser.add_argument("--runs", type=Path, required=True, help="directory for what runs record")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the API is served over TCP, if anywhere")
    parser.add_argument(
        "--published", metavar="URL", default="", help="how users reach that, where it is another address"
    )
    parser.add_argument(
        "--entries", metavar="FIRST-LAST", help="ports of 127.0.0.1 on which users reach the entries"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], help="a name besides localhost that HTTP clients may use"
    )
    parser.add_argument("--protect-reads", action="store_true", help="ask for the token for readings too")
    parser.add_argument(
        "--broker-dir", type=Path, help="where mosquitto finds its passwords; no bus without it"
    )
    parser.add_argument("--grafana-dir", type=Path, help="where to keep a password for Grafana")
    parser.add_argument(
        "--run-dir",
        metavar="NAME",
        default=os.environ.get("SKYRACK_RUN_DIR"),
        help="name of the new run's directory; default: $SKYRACK_RUN_DIR, else by time and scenario",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
