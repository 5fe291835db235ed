"""The ledger as serving sees it: who is champion, and where answers are written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from volano.store.clock import trusted_now
from volano.store.ids import seconds_of
from volano.store.predictions import append_predictions, are_known, purge_predictions
from volano.store.releases import champion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from volano.core.nouns import Release
    from volano.serve.log import GroupLog
    from volano.serve.service import Answers
    from volano.store.ledger import Ledger
    from volano.store.predictions import PredictionRow

__all__ = ["LedgerLog", "LedgerModels", "settle"]

_WAIT_SECONDS = 1.0
_RECENT_SECONDS = 10.0


@dataclass(frozen=True)
class LedgerModels:
    """Follows the champion of a ledger; ``open_model`` gives the Predictor of a hash."""

    ledger: Ledger
    open_model: Callable[[str], Answers]

    def version(self) -> int:
        """Changes when another connection wrote."""
        return self.ledger.version()

    def champion(self) -> Release | None:
        """The release that answers."""
        return champion(self.ledger)

    def load(self, model: str) -> Answers:
        """The Predictor of a model."""
        return self.open_model(model)


@dataclass(frozen=True)
class LedgerLog:
    """Groups of answers go into the ledger."""

    ledger: Ledger

    def write(self, rows: Sequence[PredictionRow]) -> None:
        """Keep them all or none."""
        append_predictions(self.ledger, rows)

    def purge(self, before: float) -> int:
        """Erase inputs older than a time, less what the clock has leapt; their hashes stay."""
        leap = time.time() - trusted_now(self.ledger)
        return purge_predictions(self.ledger, before - max(leap, 0.0))


def settle(ledger: Ledger, log: GroupLog, ids: Iterable[str], *, alone: bool) -> None:
    """Bring into the ledger what feedback on these ids is about, before it is taken.

    An answer of this process is written now. One that another worker gave a moment ago is waited
    for; an id says itself when it was given, so nobody can make this wait for a made-up old one.

    Raises:
        LogFullError: the log of this process cannot be written.
    """
    log.flush()
    if alone:
        return
    since = time.time() - _RECENT_SECONDS
    fresh = [name for name in ids if (seconds_of(name) or 0.0) > since]
    end = time.monotonic() + _WAIT_SECONDS
    while fresh and not are_known(ledger, fresh) and time.monotonic() < end:
        time.sleep(0.02)
