"""Answering with the champion, and writing down what was answered before it is sent.

One reference names what answers now. A request takes it once, so a promotion swaps it between
requests and never within one; a model that cannot be loaded leaves the old one in place.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from volano.core.errors import UserError, VolanoError
from volano.core.events import Events
from volano.core.hashing import SHORT
from volano.core.identifiers import mask_values
from volano.core.nouns import Prediction
from volano.serve.config import ServeConfig
from volano.serve.ids import prediction_ids
from volano.serve.rows import Columns, PredictRequest, read_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.nouns import Answer, Release
    from volano.tasks.task import Task

__all__ = [
    "Answers",
    "FailedLoad",
    "ModelSource",
    "NotReadyError",
    "PredictionLog",
    "PredictionService",
    "Serving",
]

_DAY = 86_400.0
_RETRY_SECONDS = 30.0


class NotReadyError(UserError):
    """No model was promoted yet, so nothing can answer."""

    http_status = 503


class Answers(Protocol):
    """What answers: a ``models.Predictor``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that it can give."""
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


class PredictionLog(Protocol):
    """Where answers are written before they are sent; a faster one goes in here."""

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Return when they are durable."""
        ...

    def purge(self, before: float) -> int:
        """Erase inputs older than a time; how many were erased."""
        ...


@dataclass(frozen=True)
class Serving:
    """What answers now: never changed, only replaced."""

    release: Release
    predictor: Answers

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
    """Answers requests with the champion; enter it to follow promotions."""

    task: Task
    columns: Columns
    source: ModelSource
    log: PredictionLog
    config: ServeConfig = field(default_factory=ServeConfig)
    events: Events = field(default_factory=Events)
    serving: Serving | None = field(default=None, init=False)
    failed: FailedLoad | None = field(default=None, init=False)

    def __post_init__(self) -> None:
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
        self._watch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._watch.join()
        self.pool.shutdown()
        self._loader.shutdown()

    def answer(self, body: object) -> dict[str, Any]:
        """Check, predict, log, answer: the whole of ``POST /v1/predict`` but HTTP.

        Raises:
            NotReadyError: nothing was promoted yet.
            UserError: an input is wrong; says which.
        """
        serving = self._ready()
        asked = read_request(body, self.columns, self.config.max_batch)
        began = time.perf_counter()
        answers = serving.predictor.predict(asked.rows, explain=asked.explain)
        latency_ms = (time.perf_counter() - began) * 1000
        outputs = [self.task.output(answer) for answer in answers]
        ids = prediction_ids(len(outputs))
        self.log.add(self._records(asked, outputs, ids, (serving.release.model, latency_ms)))
        said = [{"id": id_, **output} for id_, output in zip(ids, outputs, strict=True)]
        return {"model": serving.short, "predictions": said}

    def describe(self) -> dict[str, Any]:
        """What ``GET /v1/model`` says."""
        serving, failed = self._ready(), self.failed
        return {
            "model": serving.short,
            "hash": serving.release.model,
            "task": self.task.name,
            "inputs": list(self.columns.text),
            "labels": list(serving.predictor.labels),
            "promoted": utc(serving.release.at),
            "because": serving.release.because,
            "failed": failed.to_dict() if failed else None,
        }

    def health(self) -> dict[str, Any]:
        """What ``GET /healthz`` says: the process lives, and with which model."""
        serving, failed = self.serving, self.failed
        status = "ok" if serving else "waiting for a model"
        if failed:
            status = "the promoted model could not be loaded"
        if self._lost or not self._watch.is_alive():
            status = "promotions are not followed" + (f": {self._lost}" if self._lost else "")
        return {"status": status, "model": serving.short if serving else None}

    def refresh(self) -> bool:
        """Follow the ledger now; whether another model answers since."""
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
            self.serving, self.failed = Serving(release, serving.predictor), None
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
        self.serving, self.failed = Serving(release, loading.result()), None
        self.events.note(f"model {release.model[:SHORT]} answers now")
        return True

    def purge(self, now: float) -> int:
        """Erase the inputs that are older than the project keeps them."""
        if self.config.retention_days == "forever":
            return 0
        return self.log.purge(now - self.config.retention_days * _DAY)

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
                f"model {failed.release.model[:SHORT]} could not be loaded: {failed.what}",
                fix=failed.fix or "volano doctor",
            )
        raise NotReadyError("no model was promoted yet", fix="turn the wheel first: volano turn")

    def _records(
        self,
        asked: PredictRequest,
        outputs: Sequence[Mapping[str, Any]],
        ids: Sequence[str],
        by: tuple[str, float],
    ) -> list[Prediction]:
        at, (model, latency_ms) = time.time(), by
        records = []
        for index, (row, output) in enumerate(zip(asked.rows, outputs, strict=True)):
            kept, is_masked = self._kept(row)
            logged = {key: value for key, value in output.items() if key != "reasons"}
            if is_masked:
                logged["input_masked"] = True
            names = asked.subjects[index], asked.groups[index]
            records.append(Prediction(ids[index], at, model, kept, logged, *names, latency_ms))
        return records

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
        return FailedLoad(release, error.what, error.fix, time.time())
    what = f"{type(error).__name__}: {error}"
    return FailedLoad(release, what, "volano doctor", time.time())
