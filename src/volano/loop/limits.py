"""Limits that hold whatever the gain: parity with training, latency, size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.export.config import DISAGREEMENTS, MEAN_GAPS
from volano.loop import reasons
from volano.loop.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.loop.gate import GateConfig
    from volano.loop.scored import Scored

__all__ = ["check_limits"]

_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class _Limit:
    name: str
    found: float | None
    limit: float
    text: str
    is_least: bool = False

    @property
    def is_kept(self) -> bool:
        if self.found is None:
            return False
        return self.found >= self.limit if self.is_least else self.found <= self.limit

    def reason(self) -> Reason:
        limit = f"{self.limit:g}"
        if self.found is None:
            return Reason(reasons.UNMEASURED, {"figure": self.name, "limit": limit})
        return Reason(self.text, {"found": f"{self.found:.4g}", "limit": limit})


def check_limits(
    config: GateConfig, candidate: Scored
) -> tuple[dict[str, dict[str, Any]], list[Reason]]:
    """Each limit with what was found, and a reason for each that is broken.

    A limit whose figure was not measured is broken: what is not shown does not hold.
    """
    limits = _limits(config, candidate)
    checks = {
        limit.name: {"found": limit.found, "limit": limit.limit, "is_kept": limit.is_kept}
        for limit in limits
    }
    return checks, [limit.reason() for limit in limits if not limit.is_kept]


def _limits(config: GateConfig, candidate: Scored) -> list[_Limit]:
    limits = []
    if candidate.parity is not None:
        limits += _parity_limits(config, candidate.parity)
    if config.latency_ms != "off":
        limits.append(_Limit("latency_ms", candidate.p95_ms, config.latency_ms, reasons.LATENCY))
    if config.size_mb != "off":
        size = None if candidate.num_bytes is None else candidate.num_bytes / _MEGABYTE
        limits.append(_Limit("size_mb", size, config.size_mb, reasons.SIZE))
    return limits


def _parity_limits(config: GateConfig, parity: Mapping[str, Any]) -> list[_Limit]:
    """The largest gap of any score; of a rounded form the mean one, which rounding cannot hide."""
    is_rounded = parity.get("is_rounded", False)
    gap = parity.get("mean_gap" if is_rounded else "score_gap")
    gap_limit = config.parity_gap * (MEAN_GAPS if is_rounded else 1)
    said = reasons.PARITY_MEAN_GAP if is_rounded else reasons.PARITY_GAP
    least = 1 - (DISAGREEMENTS if is_rounded else 1) * (1 - config.parity_agreement)
    return [
        _Limit("parity_gap", gap, gap_limit, said),
        _Limit(
            "parity_agreement",
            parity.get("agreement"),
            least,
            reasons.PARITY_AGREEMENT,
            is_least=True,
        ),
    ]
