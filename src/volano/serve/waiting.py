"""Requests that wait for their answer: whatever waits is one batch, and nothing waits for a batch.

Short batches are answered on the loop itself, since handing rows of 50 microseconds to a thread and
back costs more than they do; what may take longer goes to a thread. All methods run on the loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from volano.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.serve.rows import PredictRequest
    from volano.serve.service import PredictionService

__all__ = ["QueueFullError", "TooLateError", "WaitingRoom"]

_BATCH_ROWS, _BATCH_SIZE = 64, 100_000  # a request over either goes alone, in a thread
_SHORT_SIZE, _SHORT_SECONDS = 20_000, 0.01  # a batch under both is answered on the loop
_LOOK_SECONDS = 0.2  # how often, while a long batch runs, those who wait too long are told
_FORGET = 0.1  # weight of the newest batch in the forecast


class QueueFullError(UserError):
    """More rows wait than the settings allow."""

    http_status = 503


class TooLateError(UserError):
    """The request waited longer than the settings allow, and was not predicted."""

    http_status = 503


@dataclass
class _Waiting:
    asked: PredictRequest
    size: int  # characters, and some for each row
    since: float
    answer: asyncio.Future[bytes]


class WaitingRoom:
    """The bounded queue in front of one service."""

    def __init__(self, service: PredictionService) -> None:
        self.service = service
        self._waiting: deque[_Waiting] = deque()
        self._is_called = False
        self._is_busy = False
        self._task: asyncio.Task[None] | None = None
        self._typical_seconds: float | None = None  # of a short batch; unknown until one was timed

    async def answer(self, asked: PredictRequest) -> bytes:
        """The body of the answer.

        Raises:
            QueueFullError: too many rows wait.
            TooLateError: the answer did not come in time.
        """
        num = len(asked.rows)
        waiting = self.service.num_waiting
        if waiting and waiting + num > self.service.config.max_waiting:
            raise QueueFullError(
                "{count} rows wait for their answers; {limit} may",
                where="serve.max_waiting",
                fix="send it again after the seconds that Retry-After says",
                count=waiting,
                limit=self.service.config.max_waiting,
            )
        loop = asyncio.get_running_loop()
        one = _Waiting(asked, _size(asked), time.monotonic(), loop.create_future())
        self.service.num_waiting += num
        try:
            if asked.explain or num > _BATCH_ROWS or one.size > _BATCH_SIZE:
                return await self._answer_alone(one)
            self._waiting.append(one)
            self._call(loop)
            return await one.answer
        finally:
            self.service.num_waiting -= num

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._is_called and not self._is_busy:
            self._is_called = True
            loop.call_soon(self._answer_waiting, loop)

    def _answer_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_called = False
        batch = self._take()
        if not batch:
            return
        size = sum(one.size for one in batch)
        typical = self._typical_seconds
        if size <= _SHORT_SIZE and typical is not None and typical < _SHORT_SECONDS:
            self._settle(batch, *self._timed(batch))
            self._call(loop)
        else:
            self._is_busy = True
            self._task = loop.create_task(self._answer_in_thread(batch))
            loop.call_later(_LOOK_SECONDS, self._give_up_late, loop)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        num = size = 0
        self._give_up()
        while self._waiting:
            one = self._waiting[0]
            num, size = num + len(one.asked.rows), size + one.size
            if batch and (num > _BATCH_ROWS or size > _BATCH_SIZE):
                break
            self._waiting.popleft()
            if not one.answer.done():  # it is where the task that waits was cancelled
                batch.append(one)
        return batch

    def _give_up(self) -> None:
        """Tell those who have waited too long; the oldest stand first."""
        oldest = time.monotonic() - self.service.config.timeout_seconds
        while self._waiting and self._waiting[0].since < oldest:
            one = self._waiting.popleft()
            if not one.answer.done():
                one.answer.set_exception(self._too_late())

    def _give_up_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._give_up()
        if self._is_busy:
            loop.call_later(_LOOK_SECONDS, self._give_up_late, loop)

    def _too_late(self) -> TooLateError:
        return TooLateError(
            "the request waited for {seconds} seconds and was not answered",
            where="serve.timeout_seconds",
            fix="send it again later, or in smaller parts",
            seconds=f"{self.service.config.timeout_seconds:g}",
        )

    async def _answer_in_thread(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        try:
            told = await loop.run_in_executor(self.service.pool, self._timed, batch)
            self._settle(batch, *told)
        finally:
            self._is_busy = False
            for one in batch:
                one.answer.cancel()  # nothing to those that were answered
            self._call(loop)

    async def _answer_alone(self, one: _Waiting) -> bytes:
        loop = asyncio.get_running_loop()
        (answer,) = await loop.run_in_executor(self.service.pool, self._in_time, one)
        self._count([one])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _in_time(self, one: _Waiting) -> list[bytes | Exception]:
        if time.monotonic() - one.since > self.service.config.timeout_seconds:
            return [self._too_late()]
        return self._answers([one])

    def _timed(self, batch: Sequence[_Waiting]) -> tuple[list[bytes | Exception], float]:
        began = time.perf_counter()
        return self._answers(batch), time.perf_counter() - began

    def _answers(self, batch: Sequence[_Waiting]) -> list[bytes | Exception]:
        """A fault of the model over one row must not fail the requests beside it."""
        try:
            return [*self.service.answer([one.asked for one in batch])]
        # The edge of a request: whatever it is, the one who asked is told, as of one request.
        except Exception as error:  # noqa: BLE001
            if len(batch) == 1:
                return [error]
            return [answer for one in batch for answer in self._answers([one])]

    def _settle(
        self, batch: Sequence[_Waiting], answers: Sequence[bytes | Exception], seconds: float
    ) -> None:
        if sum(one.size for one in batch) <= _SHORT_SIZE:
            before = self._typical_seconds or seconds
            # One batch that had to wait for the processor says little of the next.
            self._typical_seconds = before + _FORGET * (min(seconds, 2 * before) - before)
        self._count(batch)
        for one, answer in zip(batch, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    def _count(self, batch: Sequence[_Waiting]) -> None:
        self.service.metrics.num_batches += 1
        self.service.metrics.num_rows += sum(len(one.asked.rows) for one in batch)


def _size(asked: PredictRequest) -> int:
    """What a row costs: its characters, and as much as a short text for being a row."""
    total = 0
    for row in asked.rows:
        total += 64
        for value in row.values():
            if isinstance(value, str):
                total += len(value)
    return total
