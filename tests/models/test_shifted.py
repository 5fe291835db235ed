"""The engine that moves log-odds by group: the same digits anywhere, reasons that add up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.models.tiny_tables import arrow, messy_rows, table_bundle

from volano.core.errors import StoreError
from volano.export.config import ExportConfig
from volano.export.forms import Source, forms_of
from volano.export.parity import compare
from volano.models import Predictor, write_bundle
from volano.models.bundle import read_arrays, read_spec
from volano.models.ensemble import PARTS
from volano.models.shifted import NOBODY, ShiftedEngine, groups_of

if TYPE_CHECKING:
    from pathlib import Path

ROWS = messy_rows()
SHIFTS = {("paris",): 1.5, ("lagos",): -0.75}
BOTH = {("paris", "pro"): 1.0, ("lagos", "basic"): -2.0}


def shifted_bundle(folder: Path, name: str, columns: tuple[str, ...] = ("city",)) -> Path:
    """A bundle of an engine within one that moves it."""
    table_bundle(folder / PARTS / "0", name)
    inner = read_spec(folder / PARTS / "0")
    shifts = SHIFTS if len(columns) == 1 else BOTH
    engine = ShiftedEngine(Predictor.load(folder / PARTS / "0").engine, columns, shifts, 1)
    write_bundle(folder, replace(inner, engine="shifted", settings=engine.settings()), {})
    return folder


@pytest.fixture(scope="module", params=["table-linear", "trees", "ensemble"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shifted_bundle(tmp_path_factory.mktemp(request.param), request.param)


def test_a_group_is_a_cell_in_one_spelling_and_who_lacks_it_is_of_none() -> None:
    rows = [{"a": " Paris", "b": 1}, {"a": "paris", "b": 1.0}, {"a": "?", "b": 1}, {"b": 1}]
    groups, places = groups_of(rows, ("a", "b"))
    assert groups == [("paris", "1")]
    assert places.tolist() == [0, 0, NOBODY, NOBODY]


@pytest.mark.parametrize("columns", [("city",), ("city", "branch"), ("nowhere",)])
def test_rows_in_arrow_and_as_mappings_are_of_the_same_groups(columns: tuple[str, ...]) -> None:
    ours, theirs = (groups_of(rows, columns) for rows in (ROWS, arrow(ROWS)))
    named = [[(groups[place] if place != NOBODY else None) for place in places]
             for groups, places in (ours, theirs)]  # fmt: skip
    assert named[0] == named[1]
    assert (None in named[0]) == any(row.get("city") == "缺失" for row in ROWS)


def test_only_rows_of_a_group_with_a_shift_move(folder: Path) -> None:
    plain, moved = Predictor.load(folder / PARTS / "0").engine, Predictor.load(folder).engine
    gap = np.diff(moved.decide(ROWS) - plain.decide(ROWS), axis=1)[:, 0]
    cities = [row["city"].strip().lower() for row in ROWS]
    expected = [SHIFTS.get((city,), 0.0) for city in cities]
    assert {1.5, -0.75, 0.0} == set(expected)
    np.testing.assert_allclose(gap, expected, atol=1e-12)
    unseen = [{**ROWS[0], "city": "Atlantis"}, {"tenure": 3}]
    np.testing.assert_array_equal(moved.decide(unseen), plain.decide(unseen))


def test_a_row_has_the_same_digits_alone_in_a_batch_and_in_arrow(folder: Path) -> None:
    engine = Predictor.load(folder).engine
    together = engine.decide(ROWS)
    assert engine.decide(arrow(ROWS)).tobytes() == together.tobytes()
    for place in (0, 3, 77):
        assert engine.decide([ROWS[place]]).tobytes() == together[place].tobytes()


def test_reasons_add_up_and_name_the_group(folder: Path) -> None:
    predictor = Predictor.load(folder)
    for row in (*ROWS[:40], {}):
        (answer,) = predictor.predict([{"city": None, **row}], explain=True)
        label = max(answer.scores, key=answer.scores.__getitem__)
        logit = np.log(answer.scores[label] / (1 - answer.scores[label]))
        assert sum(weight for _, weight in answer.reasons) == pytest.approx(logit, abs=1e-6)
    plain = dict(Predictor.load(folder / PARTS / "0").engine.reasons(ROWS[2], 1, is_rival=True))
    moved = dict(predictor.engine.reasons(ROWS[2], 1, is_rival=True))
    shift = SHIFTS.get((ROWS[2]["city"].strip().lower(),), 0.0)
    assert moved["city"] - plain.get("city", 0.0) == pytest.approx(shift / 2)


def test_of_several_columns_the_combination_moves_and_all_share_it(tmp_path: Path) -> None:
    predictor = Predictor.load(shifted_bundle(tmp_path, "trees", ("city", "plan")))
    plain = Predictor.load(tmp_path / PARTS / "0")
    row = next(row for row in ROWS if row["city"].strip().lower() == "paris")
    pro, basic = {**row, "plan": "pro"}, {**row, "plan": "basic"}
    assert np.diff(predictor.engine.decide([pro]) - plain.engine.decide([pro])) == pytest.approx(1)
    assert (predictor.engine.decide([basic]) == plain.engine.decide([basic])).all()
    told, before = (dict(one.engine.reasons(pro, 1, is_rival=True)) for one in (predictor, plain))
    for column in ("city", "plan"):
        assert told[column] - before.get(column, 0.0) == pytest.approx(0.25)


def test_it_is_exported_with_its_parts_and_keeps_parity(folder: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    predictor = Predictor.load(folder)
    scores = predictor.scores(ROWS)
    rows = [json.dumps(row, default=str) for row in ROWS]
    decided = scores == scores.max(axis=1, keepdims=True)
    table = pa.table({"row": rows, "scores": scores.tolist(), "decided": decided.tolist()})
    table = table.replace_schema_metadata({"labels": json.dumps(predictor.labels)})
    pq.write_table(table, tmp_path / "reference.parquet")
    (form,) = forms_of(ExportConfig(), predictor.spec)
    (tmp_path / "served").mkdir()
    Source(folder, [], tmp_path).write(form, tmp_path / "served")
    served = Predictor.load(tmp_path / "served")
    assert served.spec.form == form.precision
    assert compare(served, tmp_path / "reference.parquet").holds(ExportConfig())
    assert served.scores(ROWS).tobytes() == scores.tobytes()


@pytest.mark.parametrize(
    "broken",
    [{"columns": []}, {"columns": ["nowhere"]}, {"label": 2}, {"shifts": [[["paris"], "x"]]}],
)
def test_settings_that_do_not_fit_are_damage(folder: Path, tmp_path: Path, broken: dict) -> None:
    spec = read_spec(folder)
    table_bundle(tmp_path / PARTS / "0", "table-linear")
    settings = {**spec.settings, **broken}
    write_bundle(tmp_path, replace(spec, settings=settings), read_arrays(folder))
    with pytest.raises(StoreError, match="damaged"):
        Predictor.load(tmp_path)
