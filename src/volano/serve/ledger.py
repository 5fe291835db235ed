"""The ledger as serving sees it: who is champion, and where answers are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from volano.store.predictions import add_predictions, purge_predictions
from volano.store.releases import champion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volano.core.nouns import Prediction, Release
    from volano.serve.service import Answers
    from volano.store.ledger import Ledger

__all__ = ["LedgerLog", "LedgerModels"]


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
    """Writes answers in one transaction per request, so that what was sent can be found."""

    ledger: Ledger

    def add(self, rows: Sequence[Prediction]) -> None:
        """Return when they are durable."""
        add_predictions(self.ledger, rows)

    def purge(self, before: float) -> int:
        """Erase inputs older than a time; their hashes stay."""
        return purge_predictions(self.ledger, before)
