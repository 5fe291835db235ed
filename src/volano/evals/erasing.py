"""What a Report holds of one person, and the same Report without it: its figures stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volano.evals.slices import SLICE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from volano.core.nouns import Report

__all__ = ["count_examples", "gone_slices", "write_without"]

_ANSWERS, _BODY = "answers.parquet", "report.json"


def count_examples(report: Report, name: str, ids: Collection[str]) -> int:
    """How many answers, quoted mistakes and old skills of a Report are about the person's rows."""
    table = pq.read_table(report.folder / _ANSWERS, columns=["id", "unit"])
    theirs = _theirs(table, name, ids)
    gone = {*ids, *table.filter(theirs)["id"].to_pylist()}
    body = report.body
    mistakes = sum(one["id"] in gone for one in (*body["errors"], *_spoilt(body)))
    old = body.get("old_skills", {})
    skills = sum(one in gone for part in ("right", "wrong") for one in old.get(part, ()))
    return int(pc.sum(theirs).as_py() or 0) + mistakes + skills


def write_without(report: Report, name: str, ids: Collection[str], draft: Path) -> dict[str, Any]:
    """Write a Report without the person's answers and texts into ``draft``; its card.

    Metrics stay as they were measured. A slice of which no answer is left is taken out.
    """
    table = pq.read_table(report.folder / _ANSWERS)
    theirs = _theirs(table, name, ids)
    gone = {*ids, *table.filter(theirs)["id"].to_pylist()}
    left = table.filter(pc.invert(theirs)).combine_chunks()
    pq.write_table(left, draft / _ANSWERS, compression="zstd")
    slices = {
        (column.removeprefix(SLICE_PREFIX), value)
        for column in left.column_names
        if column.startswith(SLICE_PREFIX)
        for value in pc.unique(left[column]).to_pylist()
    }
    body = dict(report.body)
    num = table.num_rows - left.num_rows
    body["errors"] = [one for one in body["errors"] if one["id"] not in gone]
    body["slices"] = [one for one in body["slices"] if (one["field"], one["value"]) in slices]
    if body.get("fairness"):
        body["fairness"] = _fairness_without(body["fairness"], slices)
    if body.get("robustness"):
        body["robustness"] = _robustness_without(body["robustness"], gone)
    body["old_skills"] = {
        part: [one for one in found if one not in gone] if isinstance(found, list) else found
        for part, found in body.get("old_skills", {}).items()
    }
    body["erased"] = body.get("erased", 0) + num
    text = json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
    (draft / _BODY).write_text(text, "utf-8")
    return {**report.card, "erased": body["erased"]}


def _spoilt(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The altered texts that a Report quotes."""
    for kind in (body.get("robustness") or {}).get("kinds", ()):
        yield from kind["examples"]


def _robustness_without(told: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    kinds = [
        {**kind, "examples": [one for one in kind["examples"] if one["id"] not in gone]}
        for kind in told["kinds"]
    ]
    return {**told, "kinds": kinds}


def _fairness_without(
    told: Mapping[str, Any], slices: Collection[tuple[str, str]]
) -> dict[str, Any]:
    """Without groups that nobody is left of; a gap between such groups goes with them."""
    fields = []
    for field in told["fields"]:
        name = field["field"]
        left = [group for group in field["groups"] if (name, group["value"]) in slices]
        gaps = {
            figure: gap
            for figure, gap in field["gaps"].items()
            if {(name, gap["largest"]), (name, gap["smallest"])} <= set(slices)
        }
        fields.append({**field, "groups": left, "gaps": gaps})
    return {**told, "fields": fields}


def gone_slices(report: Report, without: Report) -> set[str]:
    """Values of slices that only the person's rows had."""
    before, after = ({one["value"] for one in r.body["slices"]} for r in (report, without))
    return before - after


def _theirs(table: pa.Table, name: str, ids: Collection[str]) -> Any:
    known = pc.is_in(table["id"], pa.array(sorted(ids), pa.string()))
    return pc.fill_null(pc.or_(known, pc.equal(table["unit"], f"s:{name}")), False)
