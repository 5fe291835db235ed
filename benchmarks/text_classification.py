"""What text classification reaches on real data, through the doors that a user has.

    python benchmarks/text_classification.py                            # all sets: some minutes
    python benchmarks/text_classification.py --only banking77 --only cold_zh
    python benchmarks/text_classification.py --only goemotions --set effort=quick

Each set becomes a project as ``volano init`` makes it, with nothing said but its files, and is
turned once; figures are those of the turn, on its frozen test set. Ends with 1 where a goal is
missed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING

from turns import Bench, Figure, measure_sets

from volano.core.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def banking77(bench: Bench) -> Iterator[Figure]:
    """77 English intents, the official split."""
    files = bench.data / "banking77"
    turn = bench.turn(bench.start(files / "train.csv", files / "test.csv"))
    yield Figure.of(turn, "accuracy", least=0.91)
    yield Figure.of(turn, "calibration_error", under=0.03)
    yield from bench.spent(turn, under=60)


def cold_zh(bench: Bench) -> Iterator[Figure]:
    """Offensive or not, Chinese; the dev file is the test."""
    files = bench.data / "cold_zh"
    turn = bench.turn(bench.start(files / "train.csv", files / "dev.csv"))
    yield Figure.of(turn, "accuracy", least=0.90)
    yield Figure.of(turn, "calibration_error")
    yield from bench.spent(turn)


def sms_spam(bench: Bench) -> Iterator[Figure]:
    """Spam or not, no header, no split: five seeds make five splits, without duplicates."""
    found = []
    for seed in range(5):
        source = bench.data / "sms_spam" / "SMSSpamCollection"
        turn = bench.turn(bench.start(source, None, f"seed={seed}"))
        found.append(Figure.of(turn, "accuracy"))
        yield replace(found[-1], name=f"accuracy, seed {seed}")
    yield Figure("accuracy, mean of five", sum(one.value for one in found) / 5, least=0.983)


def goemotions(bench: Bench) -> Iterator[Figure]:
    """28 emotions, several a row, numbered labels named in labels.txt; all three official files."""
    files = bench.data / "goemotions"
    root = bench.start(files / "train.tsv", files / "test.tsv")
    train, test = read_settings(root / "volano.yaml").values["data"]["sources"]
    dev = {**train, "path": train["path"].replace("train.tsv", "dev.tsv"), "split": "validation"}
    turn = bench.turn(root, f"data.sources={json.dumps([train, dev, test])}")
    yield Figure.of(turn, "macro_f1", least=0.45)
    yield Figure.of(turn, "micro_f1")
    yield Figure.of(turn, "calibration_error")
    yield from bench.spent(turn)


def mini_newsgroups(bench: Bench) -> Iterator[Figure]:
    """20 newsgroups as they were posted: a header names the group, and the report must say so."""
    yield from _newsgroups(bench, keeps_headers=True)


def mini_newsgroups_stripped(bench: Bench) -> Iterator[Figure]:
    """The same without headers: the report must say nothing, and accuracy is what it is."""
    yield from _newsgroups(bench, keeps_headers=False)


def _newsgroups(bench: Bench, *, keeps_headers: bool) -> Iterator[Figure]:
    source = bench.scratch / "posts.jsonl"
    source.write_text(_posts(bench.data / "mini_newsgroups", keeps_headers), "utf-8")
    root = bench.start(source)
    turn = bench.turn(root)
    page = unescape((root / turn.reports["data"]).read_text("utf-8"))
    num_told = page.count("A header leaks the label: the line 'Newsgroups:'")
    least, under = (1, None) if keeps_headers else (None, 1)
    yield Figure("report tells of a leak", num_told, least, under)
    yield Figure.of(turn, "accuracy")
    yield from bench.spent(turn)


def _posts(folder: Path, keeps_headers: bool) -> str:
    """Messages of 1993 as JSON Lines; some of them are not UTF-8."""
    lines = []
    for path in sorted(folder.glob("*/*")):
        text = path.read_bytes().decode("latin-1")
        body = text if keeps_headers else text.partition("\n\n")[2]
        lines.append(json.dumps({"text": body, "group": path.parent.name}))
    return "\n".join(lines) + "\n"


def csl_zh(bench: Bench) -> Iterator[Figure]:
    """13 subjects of Chinese papers from their titles, very uneven; no header."""
    files = bench.data / "csl_zh" / "category"
    turn = bench.turn(bench.start(files / "train.tsv", files / "test.tsv"))
    yield Figure.of(turn, "accuracy", least=0.77)
    yield Figure.of(turn, "macro_f1")
    yield from bench.spent(turn)


def medical_dialogue_zh(bench: Bench) -> Iterator[Figure]:
    """11 departments from a title and a question, in GB18030; 378 rows are duplicates."""
    turn = bench.turn(bench.start(next((bench.data / "medical_dialogue_zh").glob("*.csv"))))
    yield Figure.of(turn, "accuracy", least=0.97)
    yield Figure.of(turn, "macro_f1")
    yield from bench.spent(turn)


SETS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    found.__name__: found
    for found in (
        banking77,
        cold_zh,
        sms_spam,
        goemotions,
        mini_newsgroups,
        mini_newsgroups_stripped,
        csl_zh,
        medical_dialogue_zh,
    )
}

if __name__ == "__main__":
    sys.exit(measure_sets(SETS, "Text classification on real data."))
