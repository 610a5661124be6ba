"""Processes that take one task at a time, and are replaced when one of them dies.

The pools of the standard library give up all tasks when a process dies; a decoder that crashes on one damaged video
must cost that video only.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What tells libraries to run on one thread: there is a process for every core already."""


@dataclass(frozen=True)
class Crash:
    """What became of a task whose process died."""

    reason: str


@dataclass
class _Worker(Generic[T]):
    process: BaseProcess
    connection: Connection
    task: T | None = None
    ready: bool = False


def run_tasks(work: Callable[[T], R], tasks: Sequence[T], *, workers: int) -> Iterator[tuple[T, R | Crash]]:
    """Do every task in one of several processes, each on one thread; outcomes come as they are ready.

    The processes end when the iterator is closed and when this process dies, however it dies.

    Args:
        work: a function or object that can be pickled.
        tasks: begun in this order.
        workers: processes at once, >= 1.

    Yields:
        A task and its result, or a Crash if its process died; every task once.

    Raises:
        RuntimeError: when a process dies before it takes its first task.
        Exception: what `work` raises.
    """
    left = list(reversed(tasks))
    busy: dict[Connection, _Worker[T]] = {}
    try:
        while left or busy:
            while left and len(busy) < workers and sum(not worker.ready for worker in busy.values()) < len(left):
                started = _start(work)
                busy[started.connection] = started
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                worker = busy[connection]
                task = worker.task
                try:
                    kind, value = connection.recv()
                except (EOFError, ConnectionResetError):
                    reason = _end(worker)
                    del busy[connection]
                    if not worker.ready:
                        raise RuntimeError(
                            f"a worker process could not start ({reason}); a script that extracts features must do so "
                            "under `if __name__ == '__main__':`"
                        ) from None
                    if task is not None:
                        yield task, Crash(reason)
                    continue
                if kind == "error":
                    raise value
                worker.ready = True
                worker.task = left.pop() if left else None
                with suppress(BrokenPipeError):  # its death is seen at the next recv
                    connection.send((worker.task is not None, worker.task))
                if worker.task is None:
                    _end(worker)
                    del busy[connection]
                if task is not None:
                    yield task, value
    finally:
        for worker in busy.values():
            worker.process.kill()  # files appear complete or not at all, so nothing is lost by force
            _end(worker)


def _start(work: Callable[[T], R]) -> _Worker[T]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with _one_thread():
        process = context.Process(target=_serve, args=(there, work), daemon=True)
        process.start()
    there.close()
    return _Worker(process, here)


def _end(worker: _Worker[Any]) -> str:
    worker.connection.close()
    worker.process.join(timeout=30)
    code = worker.process.exitcode
    worker.process.close() if code is not None else worker.process.kill()
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"its process was ended by signal {name}"
    return f"its process ended with exit code {code}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have processes that start inside the block run their libraries on one thread."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    """What a worker process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too and ends its workers
    threading.Thread(target=_die_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    import cv2

    cv2.setNumThreads(1)
    connection.send(("ready", None))
    while True:
        try:
            more, task = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        if not more:
            return
        try:
            result = work(task)
        except Exception as error:
            connection.send(("error", error))
            return
        connection.send(("done", result))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
