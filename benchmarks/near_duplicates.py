"""Near-duplicates against datasketch and datatrove: pairs found, pairs right, and time.

    python benchmarks/near_duplicates.py                             # a few minutes
    python benchmarks/near_duplicates.py --rounds 0                  # volano alone, 50,000 texts
    python benchmarks/near_duplicates.py --rows 1000000 --rounds 0   # and a million of them

Texts of 100 to 150 characters, half English and half Chinese, are made from a seed; beside some an
edited copy is planted. The truth is the Jaccard similarity of the two sets of shingles by the plain
definition below, which shares no code with the product: recall is over planted pairs at or above
the threshold, precision over every pair that is reported. All three get the same shingles; each
runs in its own process, one after the other, round by round. datasketch: MinHashLSH, 128
permutations, what it returns checked by the sets. datatrove: its MinHash pipeline with its own
bands (14 of 8), local executor, one process (the others take seconds to start), pairs by cluster.
Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

THRESHOLD = 0.7
GOALS = {"datasketch": 5.0, "datatrove": 10.0}
QUALITY = 0.98
LETTERS = "etaoinshrdlucmfwypbgvk"
Pair = tuple[int, int]


def shingles(text: str) -> set[str]:
    """Every 3 symbols in a row; a Chinese character is two symbols."""
    symbols: list[str] = []
    for char in text:
        is_wide = 0x2E80 <= ord(char) < 0x30000
        symbols += [char + "1", char + "2"] if is_wide else [char + "1"]
    if len(symbols) < 3:
        return {"".join(symbols)}
    return {"".join(symbols[place : place + 3]) for place in range(len(symbols) - 2)}


def similarity(one: str, other: str) -> float:
    mine, yours = shingles(one), shingles(other)
    return len(mine & yours) / len(mine | yours)


class Texts:
    """Sentences of made-up words and of Chinese characters, some far commoner than others."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        sizes = [self.chance.randint(2, 9) for _ in range(20_000)]
        commoner = [1 / (place + 4) for place in range(len(LETTERS))]
        self.words = ["".join(self.chance.choices(LETTERS, commoner, k=size)) for size in sizes]
        self.word_shares = list(itertools.accumulate(1 / (n + 10) for n in range(20_000)))
        self.chars = [chr(point) for point in self.chance.sample(range(0x4E00, 0x9000), 3000)]
        self.char_shares = list(itertools.accumulate(1 / (n + 20) for n in range(3000)))

    def english(self) -> str:
        """Twenty words, three clauses."""
        words = self.chance.choices(self.words, cum_weights=self.word_shares, k=20)
        words[6] += ","
        words[13] += "."
        return " ".join(words)

    def chinese(self) -> str:
        """Up to 150 characters, three clauses."""
        num = self.chance.randint(100, 150)
        chars = self.chance.choices(self.chars, cum_weights=self.char_shares, k=num)
        chars[num // 3], chars[2 * num // 3] = "，", "。"
        return "".join(chars)

    def word(self) -> str:
        """A word, each as likely."""
        return self.chance.choice(self.words)

    def char(self) -> str:
        """A character, each as likely."""
        return self.chance.choice(self.chars)

    def one_word(self, text: str) -> str:
        """Another word in the place of one."""
        words = text.split(" ")
        words[self.chance.randrange(len(words))] = self.word()
        return " ".join(words)

    def some_words(self, text: str) -> str:
        """Up to five words replaced: about the threshold."""
        for _ in range(self.chance.randint(2, 5)):
            text = self.one_word(text)
        return text

    def reordered(self, text: str) -> str:
        """The end put before the beginning."""
        words = text.split(" ")
        cut = self.chance.randint(5, len(words) - 5)
        return " ".join([*words[cut:], *words[:cut]])

    def greeting(self, text: str) -> str:
        """A greeting before it."""
        return self.chance.choice(["hello, ", "dear sir or madam, ", "good morning, "]) + text

    def punctuation(self, text: str) -> str:
        """Another case and other marks."""
        return text[0].upper() + text[1:].replace(",", ";").replace(".", "!") + "."

    def characters(self, text: str) -> str:
        """Other characters in the place of one or two."""
        chars = list(text)
        for _ in range(self.chance.randint(1, 2)):
            chars[self.chance.randrange(len(chars))] = self.char()
        return "".join(chars)

    def some_characters(self, text: str) -> str:
        """Up to 24 characters replaced: about the threshold."""
        for _ in range(self.chance.randint(6, 16)):
            text = self.characters(text)
        return text

    def inserted(self, text: str) -> str:
        """Two characters more."""
        place = self.chance.randrange(len(text))
        return text[:place] + self.char() + self.char() + text[place:]

    def swapped(self, text: str) -> str:
        """The first clause put last."""
        first, rest = text.split("，", 1)
        return rest + "，" + first

    def same_template(self, text: str) -> str:
        """Half of the text stays: below the threshold, and no duplicate."""
        half = len(text) // 2
        other = self.english() if " " in text else self.chinese()
        return text[:half] + other[half:]


ENGLISH = ("one_word", "some_words", "reordered", "greeting", "punctuation", "same_template")
CHINESE = ("characters", "some_characters", "inserted", "swapped", "same_template")


def make(rows: int, seed: int = 0, share: float = 0.15) -> tuple[list[str], dict[Pair, str]]:
    """Texts, and the pairs planted among them with the kind of edit."""
    maker = Texts(seed)
    texts: list[str] = []
    planted: dict[Pair, str] = {}
    while len(texts) < rows - 1:
        is_english = maker.chance.random() < 0.5
        texts.append(maker.english() if is_english else maker.chinese())
        if maker.chance.random() < share:
            kind = maker.chance.choice(ENGLISH if is_english else CHINESE)
            planted[len(texts) - 1, len(texts)] = kind
            texts.append(getattr(maker, kind)(texts[-1]))
    return texts, planted


def run_volano(texts: list[str], folder: Path) -> Iterable[Pair]:
    import pyarrow as pa

    from volano.data.steps.near_duplicates import find_near_duplicates

    return (tuple(pair) for pair in find_near_duplicates(pa.array(texts), THRESHOLD).tolist())


def run_datasketch(texts: list[str], folder: Path) -> Iterable[Pair]:
    from datasketch import MinHash, MinHashLSH

    sets = [shingles(text) for text in texts]
    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    found = []
    for place, mine in enumerate(sets):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([shingle.encode() for shingle in mine])
        for other in index.query(sketch):
            both = len(mine & sets[other])
            if both >= THRESHOLD * (len(mine) + len(sets[other]) - both):
                found.append((other, place))
        index.insert(place, sketch)
    return found


def run_datatrove(texts: list[str], folder: Path) -> Iterable[Pair]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.text import TextNormConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Symbols(WordTokenizer):
        """The same symbols as ours for its words, so that its n-grams are our shingles."""

        def word_tokenize(self, text: str) -> list[str]:
            symbols: list[str] = []
            for char in text:
                symbols += [char] * (2 if 0x2E80 <= ord(char) < 0x30000 else 1)
            return symbols

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    given = folder / "given"
    given.mkdir()
    with (given / "texts.jsonl").open("w", encoding="utf-8") as file:
        for place, text in enumerate(texts):
            file.write(json.dumps({"text": text, "id": str(place)}) + "\n")
    as_they_are = TextNormConfig(
        lowercase=False,
        norm_whitespace=False,
        remove_punctuation=False,
        norm_unicode_diacritics=False,
        norm_numbers=False,
    )
    config = MinhashConfig(n_grams=3, norm_config=as_they_are)
    reader = JsonlReader(str(given))
    signed, buckets, removed, kept = (str(folder / name) for name in ("s", "b", "r", "kept"))
    stages: list[tuple[int, list[Any]]] = [
        (1, [reader, MinhashDedupSignature(signed, config=config, language=Symbols())]),
        (config.num_buckets, [MinhashDedupBuckets(signed, buckets, config=config)]),
        (1, [MinhashDedupCluster(buckets, removed, config=config, save_cluster_id=True)]),
        (1, [reader, MinhashDedupFilter(removed), JsonlWriter(kept, compression=None)]),
    ]
    for number, (tasks, pipeline) in enumerate(stages):
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=1, logging_dir=str(folder / f"log{number}")
        ).run()
    return _clusters(Path(removed) / "000000.clusters")


def _clusters(path: Path) -> Iterable[Pair]:
    import numpy as np

    members: dict[int, list[int]] = defaultdict(list)
    for place, cluster in np.fromfile(path, "<u4").reshape(-1, 2).tolist():
        members[cluster].append(place)
    return [pair for places in members.values() for pair in itertools.combinations(places, 2)]


RUNS: dict[str, Callable[[list[str], Path], Iterable[Pair]]] = {
    "volano": run_volano,
    "datasketch": run_datasketch,
    "datatrove": run_datatrove,
}


def run_here(name: str, given: Path) -> None:
    """What one process of its own does: from the texts in memory to pairs, imports counted."""
    texts = json.loads(given.read_text(encoding="utf-8"))
    before = _resident_kilobytes()
    began, spent = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(int(one), int(other)) for one, other in RUNS[name](texts, Path(folder))]
    result = {
        "wall": time.perf_counter() - began,
        "processor": time.process_time() - spent,
        "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
        "pairs": pairs,
    }
    given.with_suffix(f".{name}").write_text(json.dumps(result), encoding="utf-8")


def _resident_kilobytes() -> int:
    """What the process holds now, where the system tells: reading took more for a while."""
    held = Path("/proc/self/statm")
    if not held.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(held.read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 1024


def run_apart(name: str, given: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", name, "--given", str(given)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(given.with_suffix(f".{name}").read_text(encoding="utf-8"))
    return result


class Truth:
    """What is right, by the plain definition."""

    def __init__(self, texts: list[str], planted: dict[Pair, str]) -> None:
        self.texts = texts
        self.kinds: dict[str, list[Pair]] = defaultdict(list)
        self.below: dict[str, int] = defaultdict(int)
        for (one, other), kind in planted.items():
            if similarity(texts[one], texts[other]) >= THRESHOLD:
                self.kinds[kind].append((one, other))
            else:
                self.below[kind] += 1
        self.alike = {pair for pairs in self.kinds.values() for pair in pairs}

    def quality(self, pairs: Iterable[Iterable[int]]) -> tuple[float, float]:
        """Recall and precision."""
        found = {(one, other) for one, other in pairs}
        right = sum(
            similarity(self.texts[one], self.texts[other]) >= THRESHOLD for one, other in found
        )
        return len(found & self.alike) / max(len(self.alike), 1), right / max(len(found), 1)

    def print_kinds(self, pairs: Iterable[Iterable[int]]) -> None:
        """What became of each kind of edit."""
        found = {(one, other) for one, other in pairs}
        print(f"  {'planted':<16}{'alike':>8}{'found':>8}{'below':>8}{'reported':>10}")
        for kind in dict.fromkeys(ENGLISH + CHINESE):
            alike = self.kinds[kind]
            num = sum(pair in found for pair in alike)
            print(f"  {kind:<16}{len(alike):>8}{num:>8}{self.below[kind]:>8}", end="")
            print(f"{'all right' if num == len(alike) else f'{num / len(alike):.4f}':>10}")


def measure_alone(rows: int, folder: Path) -> bool:
    texts, planted = make(rows)
    given = folder / "alone.json"
    given.write_text(json.dumps(texts), encoding="utf-8")
    result = run_apart("volano", given)
    truth = Truth(texts, planted)
    recall, precision = truth.quality(result["pairs"])
    print(f"volano alone, {rows:,} texts, load average {os.getloadavg()[0]:.1f}")
    print(
        f"  {result['wall']:.1f} s on the clock, {result['processor']:.1f} s of processors", end=""
    )
    print(f", {result['megabytes']:.0f} MB above the texts")
    print(f"  {len(result['pairs']):,} pairs, recall {recall:.4f}, precision {precision:.4f}")
    truth.print_kinds(result["pairs"])
    return min(recall, precision) >= QUALITY


def compare(rows: int, rounds: int, names: list[str], folder: Path) -> bool:
    texts, planted = make(rows, seed=1)
    truth = Truth(texts, planted)
    given = folder / "compared.json"
    given.write_text(json.dumps(texts), encoding="utf-8")
    taken: dict[str, list[dict[str, Any]]] = defaultdict(list)
    loads = []
    for _ in range(rounds):
        for name in ["volano", *names]:
            taken[name].append(run_apart(name, given))
        loads.append(f"{os.getloadavg()[0]:.1f}")
    print(f"\n{rows:,} texts, {rounds} rounds, load average {' '.join(loads)}")
    print(f"  {'':<12}{'recall':>8}{'precision':>11}{'clock s':>9}{'processor s':>13}", end="")
    print(f"{'clock':>8}{'processor':>11}")
    is_good = True
    for name, results in taken.items():
        recall, precision = truth.quality(results[0]["pairs"])
        ratios = {
            kind: statistics.median(
                its[kind] / ours[kind] for its, ours in zip(results, taken["volano"], strict=True)
            )
            for kind in ("wall", "processor")
        }
        seconds = {kind: statistics.median(one[kind] for one in results) for kind in ratios}
        print(f"  {name:<12}{recall:>8.4f}{precision:>11.4f}{seconds['wall']:>9.2f}", end="")
        print(f"{seconds['processor']:>13.2f}{ratios['wall']:>7.1f}x{ratios['processor']:>10.1f}x")
        is_good &= ratios["processor"] >= GOALS.get(name, 1.0)
        is_good &= name != "volano" or min(recall, precision) >= QUALITY
    goals = ", ".join(f"{name} {GOALS[name]:g}x" for name in names)
    print(f"  goals in time: {goals}: {'reached' if is_good else 'missed'}")
    return is_good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000, help="texts for volano alone")
    parser.add_argument("--compare-rows", type=int, default=20_000, help="texts for all three")
    parser.add_argument("--rounds", type=int, default=5, help="0 leaves the others out")
    parser.add_argument("--only", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--given", type=Path, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.only:
        run_here(said.only, said.given)
        return
    names = [name for name in GOALS if importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as folder:
        is_good = measure_alone(said.rows, Path(folder))
        if absent := [name for name in GOALS if name not in names]:
            print(f"\nnot here: {', '.join(absent)}\n  try  pip install 'volano[bench]'")
        if names and said.rounds:
            is_good &= compare(said.compare_rows, said.rounds, names, Path(folder))
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
