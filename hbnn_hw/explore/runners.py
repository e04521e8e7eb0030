"""Where points are computed: in this process, on this machine's cores, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from hbnn_hw import __version__
from hbnn_hw.errors import ToolFailedError
from hbnn_hw.explore.figures import Outcome, evaluate
from hbnn_hw.explore.point import Point
from hbnn_hw.explore.results_file import key_of
from hbnn_hw.extras import require

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 15
"""How long a Dask scheduler, and its first worker, may take to answer [s]."""

Finished = Iterator[tuple[Point, Outcome]]
"""Points with their outcomes in the order in which they are done."""


class Runner(Protocol):
    """Something that computes points."""

    def check(self) -> None:
        """Raise HbnnError if it cannot compute, before anything is written."""
        ...

    def run(self, networks: Mapping[str, bytes], points: Sequence[Point]) -> Finished:
        """Compute points, in any order.

        Parameters
        ----------
        networks
            IR file of every network, by its SHA-256.
        points
            What to compute.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalRunner:
    """Processes on this machine.

    Attributes
    ----------
    workers
        How many; one computes in this process itself. None takes as many as the process may use cores.
    """

    workers: int | None = None

    @property
    def n_workers(self) -> int:
        """Processes that compute."""
        return self.workers or available_cores()

    def check(self) -> None:
        """Nothing can be wrong; see :class:`Runner`."""

    def run(self, networks: Mapping[str, bytes], points: Sequence[Point]) -> Finished:
        """Compute points; see :class:`Runner`."""
        workers = min(self.n_workers, len(points))
        if workers <= 1:
            for point in points:
                yield point, evaluate(networks[point.weights.network], point)
            return
        # Forked copies of a process that has run PyTorch's threads may hang.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=leave_with_parent)
        try:
            futures = {
                pool.submit(evaluate, networks[point.weights.network], point): point for point in points
            }
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise ToolFailedError(
                "a worker process died, perhaps for want of memory; finished points are kept: run the same "
                "command again, with fewer --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class DaskRunner:
    """Workers of a Dask cluster, which need this package in the same version.

    Attributes
    ----------
    address
        Of the scheduler, such as ``tcp://host:8786``.
    """

    address: str

    def check(self) -> None:
        """Connect, and ask all workers for their version.

        Raises
        ------
        ToolMissingError
            If the package ``distributed`` is not installed.
        ToolFailedError
            If no scheduler answers, it has no workers, or one has another version.
        """
        with self._client() as client:
            self._check_workers(client)

    def run(self, networks: Mapping[str, bytes], points: Sequence[Point]) -> Finished:
        """Compute points; see :class:`Runner`."""
        if not points:
            return
        with self._client() as client:
            from distributed import as_completed as in_order_of_completion

            # As tasks, which come again where the worker that held their results has died.
            sent = {
                name: client.submit(bytes, content, key=f"network {name}")
                for name, content in networks.items()
            }
            futures = {
                client.submit(evaluate, sent[point.weights.network], point, key=key_of(point)): point
                for point in points
            }
            for future in in_order_of_completion(futures, loop=client.loop):
                yield futures[future], future.result()

    def _client(self) -> Client:
        require("distributed", "explore", "exploring on a Dask cluster")
        from distributed import Client

        try:
            return Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ToolFailedError(
                f"no Dask scheduler answers at '{self.address}' ({error}); start one with 'dask scheduler', "
                "and workers with 'dask worker ADDRESS'"
            ) from error

    def _check_workers(self, client: Client) -> None:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise ToolFailedError(
                f"the Dask scheduler at '{self.address}' has no workers; start some with "
                "'dask worker ADDRESS'"
            ) from error
        for worker, version in client.run(package_version).items():
            if version != __version__:
                raise ToolFailedError(
                    f"the Dask worker {worker} must have hbnn-hw {__version__}, not {version}"
                )


def leave_with_parent() -> None:
    """End this process when the one that started it ends, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def available_cores() -> int:
    """Cores that this process may use, of all the machine's where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def package_version() -> str:
    """Version of this package where the function runs."""
    return __version__
