"""Python work on tables in processes beside this one, where its lock would let one core idle.

A worker is a fresh interpreter that is told of a function by name and passes tables through pipes:
it needs no guarded main module, and nothing is pickled. Whatever happens to it (the system may kill
it for its memory), this process does its work instead, so errors are raised here as ever.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib import import_module
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Concatenate

from volano.compute.machine import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

__all__ = ["in_order", "workers_for"]

_FEWEST_ROWS = 100_000  # for fewer, a worker starts longer than it helps
_MOST = 7
_SIZE = 8  # bytes that say how long a table is
_BEGIN = (
    "import sys; sys.path[:] = sys.argv[3:]; from volano.compute.workers import answer; "
    "answer(*sys.argv[1:3])"
)
_GONE = (OSError, EOFError, ValueError)  # of pipes: broken, at their end, closed


def workers_for(num_rows: int) -> int:
    """How many processes should help this one with so many rows: 0 where they are few."""
    if num_rows < _FEWEST_ROWS or not sys.executable:
        return 0
    return min(usable_cores() - 1, _MOST)


def in_order(
    work: Callable[Concatenate[pa.Table, ...], pa.Table],
    tables: Iterable[pa.Table],
    *arguments: str,
    workers: int,
) -> Iterator[pa.Table]:
    """``work(table, *arguments)`` of each table, in their order; a few are read ahead.

    Args:
        work: a function of a module, which depends on nothing but its arguments.
        tables: read in this process, by which half of them are worked on where one worker helps.
        arguments: texts, the same for each table.
        workers: how many processes help; with 0 there is only this one.
    """
    with ExitStack() as stack:
        crew = _Crew(work, arguments, workers, stack)
        ahead: deque[Future[pa.Table]] = deque()
        for table in tables:
            ahead.append(crew.begin(table))
            while ahead and (ahead[0].done() or len(ahead) > 2 * workers):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


class _Crew:
    """This process and its workers; each worker has a thread that waits for it."""

    def __init__(
        self,
        work: Callable[..., pa.Table],
        arguments: tuple[str, ...],
        workers: int,
        stack: ExitStack,
    ) -> None:
        self._work = work
        self._arguments = arguments
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._begun: list[Future[pa.Table]] = []
        self._most = workers + 1 if workers else 0  # one waits, so that no worker does
        self._is_over = False
        if workers:
            self._threads = ThreadPoolExecutor(workers)
            stack.callback(self._threads.shutdown, cancel_futures=True)
        for _ in range(workers):
            worker = _Worker(f"{work.__module__}:{work.__qualname__}", arguments)
            stack.callback(worker.end)  # before the threads, which wait for it
            self._idle.put(worker)
        stack.callback(self._stop)

    def begin(self, table: pa.Table) -> Future[pa.Table]:
        """Give the table to a worker, or do the work now where all have enough."""
        self._begun = [one for one in self._begun if not one.done()]
        if len(self._begun) < self._most:
            self._begun.append(self._threads.submit(self._ask, table))
            return self._begun[-1]
        done: Future[pa.Table] = Future()
        done.set_result(self._work(table, *self._arguments))
        return done

    def _ask(self, table: pa.Table) -> pa.Table:
        worker = self._idle.get()
        try:
            return worker.ask(table)
        except _GONE:
            if self._is_over:
                raise
            return self._work(table, *self._arguments)
        finally:
            self._idle.put(worker)

    def _stop(self) -> None:
        self._is_over = True


class _Worker:
    """Another interpreter that knows one function."""

    def __init__(self, name: str, arguments: tuple[str, ...]) -> None:
        command = [sys.executable, "-c", _BEGIN, name, json.dumps(arguments), *map(str, sys.path)]
        pipe, silent = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silent)

    def ask(self, table: pa.Table) -> pa.Table:
        """What the function says of a table.

        Raises:
            OSError: the worker is gone.
            EOFError: it has just gone, or the function failed.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise EOFError
        _send(self._process.stdin, table)
        return _receive(self._process.stdout)

    def end(self) -> None:
        """Stop it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # of what it did not come to read
                    pipe.close()


def _send(stream: IO[bytes], table: pa.Table) -> None:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as file:
        file.write_table(table)
    content = sink.getvalue()
    stream.write(content.size.to_bytes(_SIZE))
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> pa.Table:
    import pyarrow as pa

    size = int.from_bytes(stream.read(_SIZE))
    content = stream.read(size)
    if not size or len(content) < size:
        raise EOFError
    return pa.ipc.open_stream(content).read_all()


def answer(name: str, arguments: str) -> None:
    """The life of a worker: tables in, tables out, until the pipe ends or something fails."""
    module, _, function = name.partition(":")
    work = getattr(import_module(module), function)
    given = json.loads(arguments)
    with suppress(*_GONE, KeyboardInterrupt):
        while True:
            _send(sys.stdout.buffer, work(_receive(sys.stdin.buffer), *given))
