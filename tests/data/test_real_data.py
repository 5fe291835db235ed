from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from volano.data import SourceConfig
from volano.tasks import LabelsConfig

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Workshop

pytestmark = pytest.mark.data


def test_sms_spam_loses_its_duplicates_and_nothing_else(
    shared_data: Path, workshop: Workshop
) -> None:
    source = SourceConfig(
        path="sms_spam/SMSSpamCollection", header=False, columns=("label", "text")
    )
    clean = workshop.prepare(workshop.collect(source, root=shared_data))
    assert clean.card["counts"]["read"] == 5574
    assert clean.dropped.keys() == {"duplicate"}
    assert 403 <= clean.dropped["duplicate"] <= 430
    splits = clean.card["counts"]["splits"]
    assert splits["test"] / clean.card["counts"]["rows"] == pytest.approx(0.2, abs=0.005)


@pytest.mark.slow
def test_banking77_keeps_its_official_test_set_whole(shared_data: Path, workshop: Workshop) -> None:
    began = time.monotonic()
    sources = [
        SourceConfig(path="banking77/train.csv"),
        SourceConfig(path="banking77/test.csv", split="test"),
    ]
    fields = {"text": "text", "target": "category"}
    clean = workshop.prepare(workshop.collect(*sources, fields=fields, root=shared_data))
    assert clean.card["counts"]["splits"]["test"] == 3080
    assert clean.card["counts"]["broken"] == 0
    assert time.monotonic() - began < 60


@pytest.mark.slow
def test_cold_is_chinese_and_loses_what_its_dev_file_holds(
    shared_data: Path, workshop: Workshop
) -> None:
    sources = [
        SourceConfig(path="cold_zh/train.csv", split="train"),
        SourceConfig(path="cold_zh/dev.csv", split="test"),
    ]
    fields = {"text": "TEXT", "target": "label", "group": "topic"}
    clean = workshop.prepare(workshop.collect(*sources, fields=fields, root=shared_data))
    languages = workshop.rows(clean, "language")
    assert languages.count("zh") > 0.98 * len(languages)
    assert clean.dropped["also-in-test"] > 0
    assert clean.card["counts"]["splits"]["test"] == 6431


@pytest.mark.slow
def test_goemotions_keeps_its_official_splits_and_several_labels(
    shared_data: Path, workshop: Workshop
) -> None:
    splits = {"train": "train", "dev": "validation", "test": "test"}
    columns = ("text", "label", "comment")
    sources = [
        SourceConfig(path=f"goemotions/{name}.tsv", header=False, columns=columns, split=split)  # type: ignore[arg-type]
        for name, split in splits.items()
    ]
    labels = LabelsConfig(separator=",", names="goemotions/labels.txt")
    collected = workshop.collect(*sources, labels=labels, root=shared_data)
    assert collected.card["counts"] == {
        "read": 54263,
        "broken": 0,
        "rows": 54263,
        "labelled": 54263,
        "unlabelled": 0,
    }
    clean = workshop.prepare(collected)
    assert clean.card["counts"]["splits"]["test"] == 5427
    assert clean.card["counts"]["splits"]["validation"] == 5426
    assert any(len(target) > 1 for target in workshop.rows(clean, "target"))


def newsgroups(folder: Path, *, with_headers: bool) -> str:
    lines = []
    for path in sorted(folder.glob("*/*")):
        text = path.read_bytes().decode("latin-1")
        if not with_headers:
            text = text.partition("\n\n")[2]
        lines.append(json.dumps({"text": text, "label": path.parent.name}))
    return "\n".join(lines)


@pytest.mark.slow
def test_mini_newsgroups_is_reported_to_leak_its_labels_in_a_header(
    shared_data: Path, workshop: Workshop
) -> None:
    workshop.write("news.jsonl", newsgroups(shared_data / "mini_newsgroups", with_headers=True))
    leaky = workshop.prepare(workshop.collect("news.jsonl"))
    assert any("A header leaks the label: the line 'Newsgroups:'" in n for n in leaky.card["notes"])


@pytest.mark.slow
def test_mini_newsgroups_without_headers_leaks_nothing(
    shared_data: Path, workshop: Workshop
) -> None:
    workshop.write("news.jsonl", newsgroups(shared_data / "mini_newsgroups", with_headers=False))
    clean = workshop.prepare(workshop.collect("news.jsonl"))
    assert not any("leaks the label" in note for note in clean.card["notes"])
