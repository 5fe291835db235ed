"""Answering with the champion: one batch, one model, and every answer queued for the log.

One reference names what answers now. A batch takes it once, so a promotion swaps it between
batches and never within one; a model that cannot be loaded leaves the old one in place.
"""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import msgspec

from volano.core.errors import Term, UserError, VolanoError
from volano.core.events import Events
from volano.core.hashing import SHORT, hash_json
from volano.core.identifiers import mask_values
from volano.core.wire import dump_json
from volano.serve.config import ServeConfig
from volano.serve.log import GroupLog
from volano.serve.metrics import Metrics
from volano.serve.rows import Columns, PredictRequest, read_request
from volano.serve.wording import reasons_in_words
from volano.store.ids import prediction_ids
from volano.store.predictions import PredictionRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.errors import Language
    from volano.core.nouns import Answer, Release
    from volano.models.bundle import Spec
    from volano.models.table_features import TableFeaturiser
    from volano.serve.log import LogStore
    from volano.tasks.task import Task

__all__ = [
    "Answers",
    "FailedLoad",
    "ModelSource",
    "NotReadyError",
    "PredictionService",
    "Serving",
]

_DAY = 86_400.0
_RETRY_SECONDS = 30.0
_REMEDY = Term("volano doctor")
_encode = msgspec.json.Encoder().encode  # every digit of a number, at a tenth of json's time


class NotReadyError(UserError):
    """No model was promoted yet, so nothing can answer."""

    http_status = 503


class Answers(Protocol):
    """What answers: a ``models.Predictor``."""

    @property
    def spec(self) -> Spec:
        """What the bundle says of itself: what it reads, and what it answers."""
        ...

    @property
    def featuriser(self) -> TableFeaturiser | None:
        """What knows the columns of a table; None where it reads texts."""
        ...

    def predict(
        self, rows: Sequence[Mapping[str, object]], *, explain: bool = False
    ) -> list[Answer]:
        """One Answer per row."""
        ...


class ModelSource(Protocol):
    """Which model answers, and where it comes from."""

    def version(self) -> int:
        """A number that changes when a promotion may have happened; cheap."""
        ...

    def champion(self) -> Release | None:
        """The release that answers."""
        ...

    def load(self, model: str) -> Answers:
        """The Predictor of a model, by its hash."""
        ...


@dataclass(frozen=True)
class Serving:
    """What answers now, and what a row must bring: never changed, only replaced."""

    release: Release
    predictor: Answers
    columns: Columns

    @property
    def short(self) -> str:
        """The model's hash as people see it."""
        return self.release.model[:SHORT]


@dataclass(frozen=True)
class FailedLoad:
    """A promoted model that could not be loaded; the one before it still answers."""

    release: Release
    what: str
    fix: str
    at: float

    def to_dict(self) -> dict[str, str]:
        """As ``/v1/model`` shows it."""
        return {"model": self.release.model[:SHORT], "what": self.what, "try": self.fix}


@dataclass
class PredictionService:
    """Answers requests with the champion; enter it to follow promotions and to write the log.

    ``language`` is spoken to clients that ask for none.
    """

    task: Task
    columns: Columns
    source: ModelSource
    store: LogStore
    config: ServeConfig = field(default_factory=ServeConfig)
    events: Events = field(default_factory=Events)
    language: Language = "en"
    serving: Serving | None = field(default=None, init=False)
    failed: FailedLoad | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self.num_waiting = 0  # rows that wait for their answer; the waiting room counts them
        self.log = GroupLog(self.store, self.events)
        self.pool = ThreadPoolExecutor(self.config.threads, "predict")
        self._loader = ThreadPoolExecutor(1, "load")
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._seen: int | None = None
        self._lost = ""
        self._next_purge = 0.0
        self._watch = threading.Thread(target=self._follow, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self.refresh()
        self.log.__enter__()
        self._watch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._watch.join()
        self.pool.shutdown()
        self._loader.shutdown()
        self.log.__exit__(*exception)

    def read(self, body: object, language: Language = "en") -> PredictRequest:
        """Check a request, and that there is something to answer it with and to write it to.

        Args:
            body: what came.
            language: in which reasons are said.

        Raises:
            NotReadyError: nothing was promoted yet.
            LogFullError: the log cannot be written.
            UserError: an input is wrong; says which.
        """
        serving = self._ready()
        self.log.require_room()
        return read_request(body, serving.columns, self.config.max_batch, language)

    def answer(self, asked: Sequence[PredictRequest]) -> list[bytes]:
        """One batch, so one model: the body of the answer to each request, queued for the log.

        All of the requests ask for reasons, or none does.

        Raises:
            UserError: another model answers since a request was read, and cannot read its rows.
        """
        serving = self._ready()
        for request in asked:
            request.recheck(serving.columns)
        began = time.perf_counter()
        rows = [row for request in asked for row in request.rows]
        answers = serving.predictor.predict(rows, explain=asked[0].explain)
        latency_ms = (time.perf_counter() - began) * 1000
        outputs = [self._output(answer, asked[0].language) for answer in answers]
        ids = prediction_ids(len(outputs))
        logged = [output for output, _ in outputs]
        self._log(asked, rows, logged, ids, (serving.release.model, latency_ms))
        bodies, start = [], 0
        told = b'{"model":%b,"predictions":[' % dump_json(serving.short)
        for request in asked:
            end = start + len(request.rows)
            parts = [
                b'{"id":"%b",%b' % (ids[n].encode(), outputs[n][1][1:]) for n in range(start, end)
            ]
            bodies.append(told + b",".join(parts) + b"]}")
            start = end
        return bodies

    def _output(self, answer: Answer, language: Language) -> tuple[bytes, bytes]:
        """As it is logged, and as it is told: reasons can be asked for again."""
        figure = answer.confidence if answer.value is None else answer.value
        if not math.isfinite(figure):
            raise ArithmeticError("a model answered with a score that is no number")
        said = self.task.output(answer)
        reasons = said.pop("reasons", None)
        logged = _encode(said)
        if reasons is None:
            return logged, logged
        if self.task.input == "columns":
            reasons = reasons_in_words(self.task, answer, language)
        return logged, logged[:-1] + b',"reasons":' + _encode(reasons) + b"}"

    @property
    def columns_now(self) -> Columns:
        """What a row must bring to the model that answers now."""
        serving = self.serving
        return serving.columns if serving is not None else self.columns

    def describe(self) -> dict[str, Any]:
        """What ``GET /v1/model`` says.

        Raises:
            NotReadyError: nothing was promoted yet.
        """
        serving, failed = self._ready(), self.failed
        release = serving.release
        return {
            "model": serving.short,
            "hash": release.model,
            "task": self.task.name,
            "inputs": list(serving.columns.needed),
            "labels": list(serving.predictor.spec.labels),
            "promoted": utc(release.at),
            "because": release.because,
            "failed": failed.to_dict() if failed is not None else None,
        }

    def health(self) -> dict[str, Any]:
        """What ``GET /healthz`` says; the process lives, or nobody would answer."""
        serving = self.serving
        return {"status": self.trouble or "ok", "model": serving.short if serving else None}

    @property
    def trouble(self) -> str:
        """Why it is not ready, or not all is well; empty where it is."""
        if self.failed is not None:
            return "the promoted model could not be loaded"
        if not self._watch.is_alive() or self._lost:
            lost = f": {self._lost}" if self._lost else ""
            return f"promotions are not followed{lost}"
        if self.serving is None:
            return "waiting for a model"
        return f"answers are not written to the log: {self.log.failed}" if self.log.failed else ""

    @property
    def is_ready(self) -> bool:
        """Whether a model answers, promotions are followed, and the log takes answers."""
        follows = self._watch.is_alive() and not self._lost
        return self.serving is not None and follows and not self.log.failed

    def refresh(self) -> bool:
        """Follow the ledger once: load a new champion beside the old one, then swap.

        Returns:
            Whether another model answers now.
        """
        with self._turn:
            version = self.source.version()
            is_due = self.failed is not None and time.time() - self.failed.at > _RETRY_SECONDS
            if version == self._seen and not is_due:
                return False
            release = self.source.champion()
            self._seen = version
            return self._swap(release) if release is not None else False

    def _swap(self, release: Release) -> bool:
        serving, failed = self.serving, self.failed
        if serving is not None and serving.release.model == release.model:
            self.serving, self.failed = replace(serving, release=release), None
            return False
        is_late = failed is None or time.time() - failed.at > _RETRY_SECONDS
        if failed is not None and failed.release.id == release.id and not is_late:
            return False
        loading = self._loader.submit(self.source.load, release.model)
        error = loading.exception()  # a load that fails is a fact to record, not the end of serving
        if error is not None:
            self.failed = _failure(release, error)
            self.events.warn(f"model {release.model[:SHORT]} is not served: {self.failed.what}")
            return False
        predictor = loading.result()
        columns = self.columns.of(predictor.spec.reads, predictor.featuriser)
        self.serving, self.failed = Serving(release, predictor, columns), None
        self.events.note(f"model {release.model[:SHORT]} answers now")
        return True

    def purge(self, now: float) -> int:
        """Erase the inputs that are older than the project keeps them."""
        if self.config.retention_days == "forever":
            return 0
        self.log.flush()
        return self.store.purge(now - self.config.retention_days * _DAY)

    def _follow(self) -> None:
        """Poll until stopped; whatever goes wrong in one round is said once, and tried again."""
        while not self._stop.wait(self.config.poll_seconds):
            try:
                self.refresh()
                if time.time() >= self._next_purge:
                    self._next_purge = time.time() + 3600
                    self.purge(time.time())
                self._lost = ""
            # The edge of a thread: if it ended here, promotions would be ignored in silence.
            except Exception as error:  # noqa: BLE001
                lost = error.what if isinstance(error, VolanoError) else type(error).__name__
                if lost != self._lost:
                    self.events.warn(
                        f"promotions are not followed, {type(error).__name__}: {error}"
                    )
                self._lost = lost

    def _ready(self) -> Serving:
        serving = self.serving
        if serving is not None:
            return serving
        failed = self.failed
        if failed is not None:
            raise NotReadyError(
                "model {model} could not be loaded: {why}",
                fix="{remedy}",
                remedy=failed.fix,
                model=failed.release.model[:SHORT],
                why=failed.what,
            )
        raise NotReadyError("no model was promoted yet", fix="turn the wheel first: volano turn")

    def _log(
        self,
        asked: Sequence[PredictRequest],
        rows: Sequence[Mapping[str, Any]],
        texts: Sequence[bytes],
        ids: Sequence[str],
        by: tuple[str, float],
    ) -> None:
        at, (model, latency_ms) = time.time(), by
        subjects = [name for request in asked for name in request.subjects]
        groups = [name for request in asked for name in request.groups]
        logged = []
        for n, row in enumerate(rows):
            kept, is_masked = self._kept(row)
            output = texts[n].decode()
            if is_masked:
                output = f'{output[:-1]},"input_masked":true}}'
            hashed = None if kept is None else hash_json(kept)
            given = None if kept is None else _encode(kept).decode()
            names = subjects[n], groups[n]
            logged.append(
                PredictionRow(ids[n], at, model, given, hashed, output, *names, latency_ms)
            )
        self.log.add(logged)

    def _kept(self, row: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
        """The row as the log keeps it, and whether masking changed it: such a row cannot train."""
        if self.config.log_inputs == "none":
            return None, False
        if self.config.log_inputs == "full":
            return row, False
        masked: dict[str, Any] = mask_values(row)
        return masked, masked != row


def utc(at: float) -> str:
    """A time as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _failure(release: Release, error: BaseException) -> FailedLoad:
    if isinstance(error, VolanoError):
        return FailedLoad(release, error.what, error.fix or _REMEDY, time.time())
    what = f"{type(error).__name__}: {error}"
    return FailedLoad(release, what, _REMEDY, time.time())
