"""What was frozen stays frozen: these names and splits stand in the projects of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.hashing import hash_json
from volano.data import SourceConfig
from volano.tasks import LabelsConfig

if TYPE_CHECKING:
    from conftest import Workshop

ROWS = [
    '1,"Where is my ""card""?",card;loan,ann,1',
    "2,我的卡在哪里,card,bob,",
    "3,line one  two,loan,ann,2.5",
    *(f"{n},question {n * n} about thing {n % 7},{('card', 'loan', 'fee')[n % 3]},c{n},{n}"
      for n in range(4, 60)),
]  # fmt: skip


def names_and_splits(shop: Workshop, source: SourceConfig, **settings: object) -> str:
    shop.write("a.csv", "\n".join(["id,text,label,who,n", *ROWS, ""]))
    fields = {"text": "text", "target": "label", "subject": "who"}
    collected = shop.collect(source, fields=fields, labels=LabelsConfig(separator=";"))
    found = shop.rows(shop.prepare(collected, seed=3, **settings), "id", "split")
    return hash_json(sorted(map(list, found)))[:16]


def test_names_by_content_and_splits_are_those_of_the_first_version(workshop: Workshop) -> None:
    found = names_and_splits(workshop, SourceConfig(path="a.csv"), near_duplicates=0)
    assert found == "906365f52125957b"


def test_names_by_key_and_splits_are_those_of_the_first_version(workshop: Workshop) -> None:
    source = SourceConfig(path="a.csv", key="id")
    assert names_and_splits(workshop, source, near_duplicates=0) == "fdd051a4cfecf143"
