"""Where the runs of a sweep go. Each backend skips what is finished, so that the same command goes on."""

import dataclasses
import importlib
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from ml_collections import ConfigDict

from data_pipeline import files
from launch.sweeps import clusters, gke, plans, slots, state, tpu_vm
from launch.sweeps.bar import Bar
from launch.sweeps.local import Local, Outcome
from launch.sweeps.state import Measured
from launch.sweeps.trials import Trial, Whole
from xdancer_jax.train import flock


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be started: the trials of a sweep, its folder, and the flags that say how."""

    trials: Sequence[Trial]
    out: str
    measured: Measured
    max_parallel: int | None
    tries: int
    backoff: float
    cluster: ConfigDict | None
    render: str | None
    execute: bool

    def whole(self, several: Sequence[Trial]) -> list[Whole]:
        return [Whole(trial, tuple(self.measured.options())) for trial in several]


def start(backend: str, order: Order) -> None:
    """Raises ValueError for flags that do not fit the backend, and what it raises."""
    if backend in ("slurm", "gke", "tpu_vm"):
        if order.cluster is None:
            raise ValueError(f"--backend={backend} needs --cluster=configs/cluster.py:VARIANT")
        clusters.check(order.cluster, backend)
    for name, given, takes in (("render", order.render, ("slurm", "gke")), ("execute", order.execute, ("tpu_vm",))):
        if given and backend not in takes:
            raise ValueError(f"--{name}: only with --backend={' or '.join(takes)}")
    from launch.sweeps import checking  # brings in JAX

    checking.check(order.trials, data=backend != "print" and not order.render)
    _START[backend](order)


def _local(order: Order) -> None:
    """Raises ValueError where a run failed for good, and KeyboardInterrupt with what is left."""
    files.check_here(order.out)
    with flock.alone(Path(order.out) / state.LOCK, "runs this sweep; wait until it has ended, or give another --out"):
        shares = slots.slots(order.max_parallel)
        plans.write(order.out, order.trials, sys.argv)
        with Bar(len(order.trials), order.out) as bar:
            job = Local(
                order.trials, order.out, shares, order.measured, tries=order.tries, backoff=order.backoff,
                tell=bar.tell, each=bar.update,
            )
            try:
                outcome = job.run()
            except KeyboardInterrupt as stopped:
                done = f"{len(job.finished)} of {len(order.trials)} runs are finished"
                stopped.args = (f"{done}, what was under way is saved; the same command goes on",)
                raise
        _report(outcome, order)


def _report(outcome: Outcome, order: Order) -> None:
    before = f" ({len(outcome.before)} of them before)" if outcome.before else ""
    done = len(outcome.before) + len(outcome.finished)
    print(f"{done} of {len(order.trials)} runs are finished{before}; {order.out}")
    if outcome.failed:
        told = "; ".join(f"{name}: {why}" for name, why in outcome.failed.items())
        more = f"; {len(outcome.blocked)} stand on these and were not begun" if outcome.blocked else ""
        raise ValueError(f"{len(outcome.failed)} runs failed: {told}{more}; the same command tries them again")


def _slurm(order: Order) -> None:
    slurm = _slurm_module()
    files.check_here(order.out)
    if order.render:
        for number, several in enumerate(_waves(order.trials)):
            path = Path(order.render) / f"{number}.sbatch"
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(path, slurm.render(several, order.out, order.cluster).encode())
            print(path)
        return
    plans.write(order.out, order.trials, sys.argv)
    slurm.submit(order.trials, order.out, order.measured, order.cluster, print)


def _slurm_module() -> ModuleType:
    """Raises ImportError without the extra that it needs."""
    try:
        return importlib.import_module("launch.sweeps.slurm")
    except ImportError as error:
        raise ImportError(f"--backend=slurm: {error}; install the extra, pip install xdancer_jax[slurm]") from error


def _gke(order: Order) -> None:
    gke.check(order.cluster, order.out)
    for trial in order.trials:
        clusters.check_data(trial.data)
    if order.render:
        for number, several in enumerate(_waves(order.trials)):
            made = gke.render(order.whole(several), order.cluster, order.out, Path(order.render) / str(number))
            print(f"{len(made)} JobSets in {Path(order.render) / str(number)}")
        return
    plans.write(order.out, order.trials, sys.argv)
    ready, waiting = _ready(order)
    names = gke.apply(order.whole(ready), order.cluster, order.out) if ready else []
    print(*names, sep="\n")
    _tell_rest(len(order.trials) - len(ready) - len(waiting), len(ready), len(waiting))


def _tpu_vm(order: Order) -> None:
    tpu_vm.check(order.cluster, order.out)
    for trial in order.trials:
        clusters.check_data(trial.data)
    if not order.execute:
        ready, waiting = _ready(order)
        for whole in order.whole(ready):
            print(shlex.join(tpu_vm.command(whole, order.cluster, order.out)))
        return _tell_rest(len(order.trials) - len(ready) - len(waiting), len(ready), len(waiting))
    plans.write(order.out, order.trials, sys.argv)
    failed: set[str] = set()
    while ready := [trial for trial in _ready(order)[0] if trial.id not in failed]:
        status = tpu_vm.execute(order.whole(ready[:1])[0], order.cluster, order.out)
        if status:
            failed.add(ready[0].id)
            print(f"{ready[0].id}: ended with status {status}", file=sys.stderr)
    if failed:
        raise ValueError(f"{len(failed)} runs failed: {', '.join(sorted(failed))}; the same command goes on with them")


def _print(order: Order) -> None:
    """The commands of each run, in an order in which they can be run, or what the cluster's backend would be given."""
    if order.cluster is None:
        for whole in order.whole(order.trials):
            print(*map(shlex.join, whole.commands(order.out)), sep="\n")
        return
    backend = order.cluster.backend
    clusters.check(order.cluster, backend)
    for several in _waves(order.trials):
        if backend == "slurm":
            print(_slurm_module().render(several, order.out, order.cluster))
        elif backend == "gke":
            print(gke.text([gke.manifest(whole, order.cluster, order.out) for whole in order.whole(several)]))
        else:
            for whole in order.whole(several):
                print(shlex.join(tpu_vm.command(whole, order.cluster, order.out)))


def _waves(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Trials that stand on none, those that stand on these alone, and so on."""
    depth: dict[str, int] = {}
    for trial in trials:
        depth[trial.id] = max((depth[parent] + 1 for parent in trial.parents), default=0)
    return [[trial for trial in trials if depth[trial.id] == wave] for wave in range(max(depth.values()) + 1)]


def _ready(order: Order) -> tuple[list[Trial], list[Trial]]:
    """(unfinished trials whose parents are trained, unfinished ones whose are not)."""
    known = {trial.id: trial for trial in order.trials}
    left = [trial for trial in order.trials if state.next_work(trial, order.out, order.measured)]
    ready = [trial for trial in left if all(state.trained(known[parent], order.out) for parent in trial.parents)]
    given = {trial.id for trial in ready}
    return ready, [trial for trial in left if trial.id not in given]


def _tell_rest(finished: int, ready: int, waiting: int) -> None:
    more = "; the same command goes on with them once these are trained" if waiting else ""
    print(f"{finished} finished, {ready} given, {waiting} stand on others{more}", file=sys.stderr)


_START: Mapping[str, Callable[[Order], None]] = {
    "local": _local, "slurm": _slurm, "gke": _gke, "tpu_vm": _tpu_vm, "print": _print,
}
BACKENDS = tuple(_START)
__all__ = ["BACKENDS", "Order", "start"]
