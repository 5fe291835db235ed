"""Limits that hold whatever the gain: parity with training, latency, size, fairness.

A gap between groups breaks its limit where it surely lies over it, or where it lies over it and is
wider than the champion's. Where there is no champion and it may be luck, the first model waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.evals.fairness import compare_groups
from volano.export.config import DISAGREEMENTS, MEAN_GAPS
from volano.loop import reasons
from volano.loop.reasons import Reason, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from volano.loop.gate import GateConfig
    from volano.loop.scored import Scored
    from volano.tasks.resampling import Draws

__all__ = ["Fairness", "check_fairness", "check_limits"]

_MEGABYTE = 1_000_000
_LEVEL = 0.95
_EXACT = 1e-12  # 0.35 - 0.25 is a gap of 0.1


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


@dataclass(frozen=True)
class Fairness:
    """What the limits on gaps between groups say.

    Attributes:
        broken: gaps that refuse the candidate.
        doubtful: limits that are not shown to hold; the candidate waits.
        notes: gaps over their limit that do not refuse, since the champion's are as wide.
        checks: each gap with its limit, as the verdict carries them.
    """

    broken: tuple[Reason, ...] = ()
    doubtful: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()
    checks: tuple[dict[str, Any], ...] = ()


def check_fairness(
    limits: Mapping[str, float], candidate: Scored, champion: Scored | None, draws: Draws
) -> Fairness:
    """Every limit on every field of groups.

    Args:
        limits: the largest gap allowed, by figure (``fairness_limits``).
        candidate: its report says which groups are compared.
        champion: the serving model on the same examples; None for the first.
        draws: how the examples are drawn again.
    """
    if not limits:
        return Fairness()
    found: dict[str, list[Reason]] = {"broken": [], "doubtful": [], "notes": [], "kept": []}
    checks = []
    for field, gaps, theirs in _gaps(candidate, champion, draws):
        for figure, limit in limits.items():
            gap, before = gaps.get(figure), theirs.get(figure)
            state, reason = _state(field, figure, limit, gap, before)
            found[state] += [reason] if reason else []
            checks.append({"field": field, "figure": figure, "limit": limit, "gap": gap,
                           "champion": before, "state": state})  # fmt: skip
    if not checks:
        told = ", ".join(f"{limit:g}" for limit in limits.values())
        values = {"figure": "fairness", "limit": told}
        found["doubtful"].append(Reason(reasons.UNMEASURED, values))
    said = {name: tuple(found[name]) for name in ("broken", "doubtful", "notes")}
    return Fairness(**said, checks=tuple(checks))


def _gaps(
    candidate: Scored, champion: Scored | None, draws: Draws
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Each field with the gaps of both models; both empty where its rows cannot be compared."""
    told = candidate.fairness or {"fields": ()}
    for field in (row["field"] for row in told["fields"]):
        groups = candidate.slices.get(field, ())
        about = groups, told.get("positive", ""), told.get("minimum", 1), draws
        ours, theirs = (
            compare_groups(scored.outcomes, *about)["gaps"] if scored and len(groups) else {}
            for scored in (candidate, champion)
        )
        yield field, ours, theirs


def _state(
    field: str,
    figure: str,
    limit: float,
    gap: Mapping[str, Any] | None,
    before: Mapping[str, Any] | None,
) -> tuple[str, Reason | None]:
    """Whether a limit is ``broken``, ``doubtful``, ``kept`` or worth ``notes``, and why."""
    values = {"figure": figure, "field": field, "limit": f"{limit:g}"}
    if gap is None:
        return "doubtful", Reason(reasons.FAIR_UNMEASURED, values)
    if gap["value"] <= limit + _EXACT:
        return "kept", None
    values |= {
        "gap": f"{gap['value']:.3f}",
        "low": f"{gap['low']:.3f}",
        "high": f"{gap['high']:.3f}",
        "level": percent(_LEVEL),
        "largest": repr(gap["largest"]),
        "smallest": repr(gap["smallest"]),
        "most": f"{gap['rates'][0]:.3f}",
        "least": f"{gap['rates'][1]:.3f}",
    }
    if gap["low"] > limit:
        return "broken", Reason(reasons.FAIR_BROKEN, values)
    if before is None:
        return "doubtful", Reason(reasons.FAIR_DOUBTFUL, values)
    values["before"] = f"{before['value']:.3f}"
    if gap["value"] > before["value"] + _EXACT:
        return "broken", Reason(reasons.FAIR_WIDER, values)
    return "notes", Reason(reasons.FAIR_NO_WIDER, values)
