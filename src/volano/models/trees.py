"""The engine ``trees``: boosted trees, kept as LightGBM's own text in ``trees/<n>.txt``.

Several boosters (of folds, say) answer together: their decision values are averaged. LightGBM is
imported where a booster is read. Shape suffixes: N rows, F codes, L labels (1 for a number).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.compute.machine import usable_cores
from volano.models.coordinates import Place, num_turned, share_of_columns, turned
from volano.models.single_row import SingleRow, raw_values
from volano.models.table_features import TableFeaturiser, blocks
from volano.models.table_reasons import fold, lead

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lightgbm import Booster
    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.rows import Row, Rows

__all__ = ["TREES", "TreesEngine"]

TREES = "trees"
_ALONE = 8  # rows that are answered one by one sooner than LightGBM can look at all of them
_FEW = 256  # rows that one thread answers sooner than several can be woken
_TWO_LABELS = frozenset({"binary", "cross_entropy", "xentropy"})
# Losses whose raw value is the number itself; of others it is a logarithm or a root.
_NUMBERS = frozenset({"regression", "regression_l1", "huber", "fair", "quantile", "mape", "custom"})
_RANGES = re.compile(r"^feature_infos=(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class TreesEngine:
    """Boosters over codes; thread-safe.

    Attributes:
        featuriser: from rows to codes.
        boosters: trained on ``featuriser.codes``, ``turned`` where there are places, with the
            objective ``binary`` (two labels), ``multiclass`` (more), or one of a number that keeps
            its unit.
        shares: how much each one's word weighs; they add up to 1.
        centre: of a number: what its trees count from, since LightGBM learns in 32 bits.
        unit: of a number: what they count in.
        places: codes that are coordinates, which the trees see turned as well.
    """

    featuriser: TableFeaturiser
    boosters: tuple[Booster, ...]
    shares: tuple[float, ...]
    centre: float = 0.0
    unit: float = 1.0
    places: tuple[Place, ...] = ()

    def __post_init__(self) -> None:
        """See that the parts fit together.

        Raises:
            ValueError: they do not.
        """
        if not self.boosters or len(self.boosters) != len(self.shares):
            raise ValueError(f"{len(self.shares)} shares for {len(self.boosters)} boosters")
        num_codes = len(self.featuriser.names)
        if any(not 0 <= code < num_codes for place in self.places for code in place):
            raise ValueError(f"a place of {self.places} is none of {num_codes} codes")
        for booster in self.boosters:
            if booster.num_feature() != num_turned(num_codes, self.places):
                raise ValueError(f"trees of {booster.num_feature()} features fit no columns")
        if len({(_objective(b), b.num_model_per_iteration()) for b in self.boosters}) != 1:
            raise ValueError("boosters of one model answer different questions")
        told = _objective(self.boosters[0])
        if self._num_values == 1 and told not in _TWO_LABELS | _NUMBERS:
            raise ValueError(f"trees of the objective {told!r} tell no plain number")

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From ``settings``, ``arrays`` and ``files`` as given by the methods of these names."""
        from lightgbm import Booster
        from lightgbm.basic import LightGBMError

        boosters = []
        for number, expected in enumerate(settings["sha256"]):
            content = (folder / TREES / f"{number}.txt").read_bytes()
            # LightGBM may end the process on a text that was cut short, so it gets none.
            if hashlib.sha256(content).hexdigest() != expected:
                raise ValueError(f"{TREES}/{number}.txt is not what was written")
            try:
                boosters.append(Booster(model_str=content.decode("utf-8")))
            except LightGBMError as error:
                raise ValueError(str(error)) from None
        featuriser = TableFeaturiser.load(settings["features"], arrays)
        scale = float(settings["centre"]), float(settings["unit"])
        # Bundles from before there were any have none.
        places = tuple((int(north), int(east)) for north, east in settings.get("places", ()))
        return cls(featuriser, tuple(boosters), tuple(settings["shares"]), *scale, places)

    def settings(self) -> dict[str, Any]:
        """The part that goes into ``model.json``."""
        return {
            "features": self.featuriser.settings(),
            "shares": list(self.shares),
            "centre": self.centre,
            "unit": self.unit,
            "places": [list(place) for place in self.places],
            "sha256": [hashlib.sha256(text).hexdigest() for text in self.files().values()],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The part that goes into the weights."""
        return self.featuriser.arrays()

    def files(self) -> dict[str, bytes]:
        """The boosters as text, by their names in the bundle.

        Less the settings of their training, which answer nothing: how many cores that machine had
        would make the same trees another model.
        """
        texts = (_only_trees(booster.model_to_string()) for booster in self.boosters)
        return {f"{TREES}/{number}.txt": text.encode() for number, text in enumerate(texts)}

    @cached_property
    def _is_binary(self) -> bool:
        return _objective(self.boosters[0]) in _TWO_LABELS

    @cached_property
    def _num_values(self) -> int:
        return int(self.boosters[0].num_model_per_iteration())

    @cached_property
    def _single(self) -> tuple[SingleRow, ...]:
        return tuple(SingleRow(booster) for booster in self.boosters)

    def decide(self, rows: Rows) -> Floats:
        """Decision values, shape (N, L); of two labels they differ by what the trees say."""
        found = [self._raw(self._codes(block)) for block in blocks(rows)]
        raw_NL = found[0] if len(found) == 1 else np.concatenate(found)
        values: Floats = self._labels(raw_NL * self.unit) + self.centre
        return values

    def _codes(self, rows: Rows) -> Floats:
        return turned(self.featuriser.codes(rows), self.places)

    def _raw(self, codes_NF: Floats) -> Floats:
        """The boosters' weighted mean, before it is told of labels."""
        total = np.zeros((len(codes_NF), self._num_values))
        if len(codes_NF) <= _ALONE:
            for place in range(len(codes_NF)):
                for single, share in zip(self._single, self.shares, strict=True):
                    total[place] += share * single(codes_NF[place])
        else:
            threads = 1 if len(codes_NF) <= _FEW else usable_cores()
            for booster, share in zip(self.boosters, self.shares, strict=True):
                total += share * raw_values(booster, codes_NF, threads=threads)
        return total

    def _labels(self, raw_NL: Floats) -> Floats:
        return np.concatenate([-raw_NL / 2, raw_NL / 2], axis=-1) if self._is_binary else raw_NL

    def reasons(self, row: Row, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """What each column adds to the label's value; then the base, the mean over training rows.

        Shapley values of the trees, exact (TreeSHAP, Lundberg et al. 2020), summed over the
        features of a column; what a place adds along an axis is shared by its two columns.
        """
        codes_NF = self._codes([row])
        shape = (self._num_values, codes_NF.shape[1] + 1)
        total_FL = np.zeros(shape[::-1])
        for booster, share in zip(self.boosters, self.shares, strict=True):
            found: Any = booster.predict(codes_NF, pred_contrib=True, num_threads=1)
            total_FL += share * np.asarray(found, dtype=np.float64).reshape(shape).T
        weight_F = lead(self._labels(total_FL * self.unit), label, is_rival=is_rival)
        base = float(weight_F[-1]) + self.centre
        shared_F = share_of_columns(weight_F[:-1], self.places)
        return fold(self.featuriser, shared_F, self.featuriser.column_F, base)


def _only_trees(text: str) -> str:
    """Less the settings, and each column's least and greatest cell: those are people's."""
    text = _RANGES.sub(lambda found: "feature_infos=" + re.sub(r"\S+", "none", found[1]), text, 1)
    before, _, rest = text.partition("\nparameters:\n")
    return before + rest.partition("end of parameters\n")[2] if rest else text


def _objective(booster: Booster) -> str:
    """The loss that a booster was trained with, as its text says; a root is one of its own."""
    head = booster.model_to_string(num_iteration=1).partition("\nTree=")[0]
    found = re.search(r"^objective=(\S+)(.*)$", head, re.MULTILINE)
    if found is None:
        return "custom"
    return f"{found[1]} sqrt" if "sqrt" in found[2].split() else found[1]
