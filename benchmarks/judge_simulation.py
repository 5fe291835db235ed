"""What the judge does when the truth is known: null candidates, slices, HOLD's number, bad labels.

    python benchmarks/judge_simulation.py               # the whole table: minutes
    python benchmarks/judge_simulation.py --turns 200

Each simulated turn draws a fresh world: a truth, a champion and a candidate that are right with
known chances. Units are rows, or people with several rows whose answers go wrong together.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from volano.loop.gate import GateConfig, History
from volano.loop.judge import judge
from volano.loop.scored import Scored, commonest
from volano.tasks import TextClassification
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from volano.core.nouns import Verdict

TASK = TextClassification()


@dataclass(frozen=True)
class World:
    """A truth of ``num`` rows and two models on it.

    Attributes:
        num: test examples.
        labels: labels, with chances that fall as 1, 1/2, 1/3 and so on.
        champion: how often the champion is right.
        gain: how much oftener the candidate is.
        shared: share of rows on which both models answer the same, right or wrong.
        rows_per_unit: 1, or how many rows of one person go right or wrong together (mostly).
        slices: number of slices, drawn at random.
    """

    num: int = 500
    labels: int = 6
    champion: float = 0.85
    gain: float = 0.0
    shared: float = 0.7
    rows_per_unit: int = 1
    slices: int = 0

    def draw(self, seed: int) -> tuple[Scored, Scored]:
        """One test set, answered by both."""
        rng = np.random.default_rng(seed)
        units = np.arange(self.num) // self.rows_per_unit
        chances = 1 / np.arange(1, self.labels + 1)
        truth = rng.choice(self.labels, self.num, p=chances / chances.sum())
        wrong = (truth + rng.integers(1, self.labels, self.num)) % self.labels
        other = (truth + rng.integers(1, self.labels, self.num)) % self.labels
        is_shared = self._together(rng) < self.shared
        theirs = self._together(rng) < self.champion
        alone = self._together(rng)
        better = self.champion + self.gain / (1 - self.shared)
        ours = np.where(is_shared, theirs, alone < better)
        answers = (
            np.where(ours, truth, np.where(is_shared, wrong, other)),
            np.where(theirs, truth, wrong),
        )
        slices = {}
        if self.slices:
            slices["part"] = [f"part {p}" for p in rng.integers(self.slices, size=self.num)]
        found = [
            Scored(
                name=name,
                ids=tuple(map(str, range(self.num))),
                unit_N=units,
                outcomes=outcomes_of(truth, answer, self.labels),
                slices=slices,
                guess=commonest([["0"]]),
            )
            for name, answer in zip(("candidate", "champion"), answers, strict=True)
        ]
        return found[0], found[1]

    def _together(self, rng: np.random.Generator) -> np.ndarray:
        """Uniform numbers; within a unit most rows have the unit's own."""
        alone = rng.random(self.num)
        if self.rows_per_unit == 1:
            return alone
        units = rng.random(-(-self.num // self.rows_per_unit))
        return np.where(
            rng.random(self.num) < 0.7, np.repeat(units, self.rows_per_unit)[: self.num], alone
        )


def outcomes_of(truth: np.ndarray, answer: np.ndarray, labels: int) -> LabelOutcomes:
    decided = np.eye(labels, dtype=bool)[answer]
    names = tuple(str(label) for label in range(labels))
    return LabelOutcomes(names, np.eye(labels, dtype=bool)[truth], decided, decided * 1.0, False)


def verdicts(config: GateConfig, world: World, turns: int) -> Iterator[Verdict]:
    for seed in range(turns):
        yield judge(config, TASK, *world.draw(seed), History(), seed=seed)


def rates(config: GateConfig, world: World, turns: int) -> Counter[str]:
    return Counter(verdict.decision for verdict in verdicts(config, world, turns))


def exact_interval(count: int, turns: int) -> tuple[float, float]:
    found = stats.binomtest(count, turns).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


def say_nulls(turns: int) -> None:
    print(f"\nA candidate exactly as good as the champion ({turns} turns each; 2.5 % is right)")
    print(f"{'metric':10} {'rows':>5} {'per unit':>8} {'promoted':>9} {'95 % interval':>16} right")
    for metric in ("accuracy", "macro_f1"):
        config = GateConfig(metric=metric, slices=())
        for num in (200, 500, 1000):
            for per_unit in (1, 5):
                world = World(num=num, rows_per_unit=per_unit)
                count = rates(config, world, turns)["PROMOTE"]
                low, high = exact_interval(count, turns)
                right = "yes" if low <= 0.025 <= high else "NO"
                share = f"{count / turns:.3f}"
                print(
                    f"{metric:10} {num:5} {per_unit:8} {share:>9} {low:7.3f} -{high:6.3f}  {right}",
                    flush=True,
                )


def say_slices(turns: int) -> None:
    print(f"\nAn equal candidate over 50 slices and 6 labels ({turns} turns; at most 5 % refused)")
    for per_unit in (1, 5):
        found = list(verdicts(GateConfig(), World(3000, rows_per_unit=per_unit, slices=50), turns))
        refused = sum(v.decision == "REJECT" for v in found)
        by_slice = sum(any(s["is_worse"] for s in v.checks["slices"]) for v in found)
        low, high = exact_interval(refused, turns)
        print(
            f"  {per_unit} rows a unit: refused {refused / turns:.3f} ({low:.3f} - {high:.3f}), "
            f"of which for a slice {by_slice / turns:.3f}",
            flush=True,
        )


def say_numbers(turns: int) -> None:
    print("\nHOLD's number against what detecting a gain of 0.02 takes (80 % of turns above zero)")
    config = GateConfig(margin=0.02, slices=())
    worlds = {
        "near models": World(num=400, shared=0.8),
        "far models": World(num=400, shared=0.3),
        "5 rows a unit": World(num=400, shared=0.6, rows_per_unit=5),
    }
    for name, world in worlds.items():
        for metric in ("accuracy", "macro_f1"):
            chosen = config.model_copy(update={"metric": metric})
            asked = [
                v.labels_needed + world.num
                for v in verdicts(chosen, world, max(50, turns // 5))
                if v.decision == "HOLD" and v.labels_needed is not None
            ]
            needed = find_needed(chosen, with_gain(world, metric, 0.02), max(100, turns // 5))
            ratio = np.array(asked) / needed
            within = float(((ratio >= 0.5) & (ratio <= 2)).mean())
            print(
                f"  {name:14} {metric:9} needed {needed:6}; HOLD said {int(np.median(asked)):6} "
                f"(median), within a factor of two in {within:.0%} of {len(asked)} holds",
                flush=True,
            )


def with_gain(world: World, metric: str, gain: float) -> World:
    """A world in which the candidate gains so much in this metric, as a very large sample says."""
    config = GateConfig(metric=metric, slices=(), resamples=1000)
    probe = replace(world, gain=gain, num=100_000)
    verdict = judge(config, TASK, *probe.draw(0))
    assert verdict.effect is not None
    return replace(world, gain=gain * gain / verdict.effect.value)


def find_needed(config: GateConfig, world: World, turns: int) -> int:
    """The number of rows at which 80 % of turns show a gain: halving the range, in logarithms."""

    def power(num: int) -> float:
        found = verdicts(config, replace(world, num=num), turns)
        return sum(v.effect is not None and v.effect.low > 0 for v in found) / turns

    config = config.model_copy(update={"resamples": 1000})
    low, high = 100, 20_000
    while high / low > 1.15:
        middle = int((low * high) ** 0.5)
        low, high = (low, middle) if power(middle) >= 0.8 else (middle, high)
    return high


def say_others(turns: int) -> None:
    turns = max(50, turns // 5)
    print(f"\nOther candidates ({turns} turns each)")
    cases: dict[str, tuple[GateConfig, Callable[[int], tuple[Scored, Scored]]]] = {
        "better by 0.04, 1,000 rows": (GateConfig(), World(1000, gain=0.04).draw),
        "a quarter of its answers flipped": (GateConfig(), flipped),
        "better overall, worse on one slice": (GateConfig(), worse_on_one),
    }
    for name, (config, draw) in cases.items():
        found = [judge(config, TASK, *draw(seed), History(), seed=seed) for seed in range(turns)]
        said = Counter(v.decision for v in found)
        named = sum("part 3" in v.because[0] for v in found)
        text = ", ".join(f"{key} {said[key] / turns:.2f}" for key in ("PROMOTE", "HOLD", "REJECT"))
        print(f"  {name:36} {text}; slice named {named / turns:.2f}", flush=True)


def flipped(seed: int) -> tuple[Scored, Scored]:
    """As after training on labels of which a quarter was flipped: some of the flips are learned."""
    candidate, champion = World(500, shared=0.9).draw(seed)
    rng = np.random.default_rng([seed, 7])
    answer = candidate.outcomes.decided_NC.argmax(1)
    is_flipped = rng.random(len(answer)) < 0.12
    answer = np.where(is_flipped, (answer + 1) % len(candidate.outcomes.labels), answer)
    return with_answers(candidate, answer), champion


def worse_on_one(seed: int) -> tuple[Scored, Scored]:
    """Nearly all right, but for one slice of ten, of which two fifths go wrong."""
    candidate, champion = World(1500, champion=0.85, gain=0.03, slices=10).draw(seed)
    rng = np.random.default_rng([seed, 8])
    answer = candidate.outcomes.decided_NC.argmax(1)
    there = np.array([part == "part 3" for part in candidate.slices["part"]])
    broken = there & (rng.random(len(answer)) < 0.4)
    answer = np.where(broken, (answer + 1) % len(candidate.outcomes.labels), answer)
    return with_answers(candidate, answer), champion


def with_answers(scored: Scored, answer: np.ndarray) -> Scored:
    truth = scored.outcomes.truth_NC.argmax(1)
    return replace(scored, outcomes=outcomes_of(truth, answer, len(scored.outcomes.labels)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=1000)
    turns = parser.parse_args().turns
    start = time.perf_counter()
    say_nulls(turns)
    say_slices(turns)
    say_numbers(turns)
    say_others(turns)
    print(f"\n{time.perf_counter() - start:.0f} seconds")


if __name__ == "__main__":
    main()
