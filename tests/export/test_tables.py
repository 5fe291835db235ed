from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.models.tiny_tables import ENGINES, engine_of, messy_rows, table_bundle

from volano.core.errors import RefusedError
from volano.core.events import Events
from volano.core.nouns import Model
from volano.export.config import ExportConfig
from volano.export.export import export
from volano.export.parity import measure_parity
from volano.models import Predictor, write_bundle
from volano.models.bundle import read_arrays, read_spec
from volano.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOBODY = Events()
BESIDE = frozenset({"reference.parquet"})
ANSWERS = ("two", "three", "number")
BOTH = [(name, answers) for name in ENGINES for answers in ANSWERS]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Any], Path]:
    root = tmp_path_factory.mktemp("trained")

    def made(name: str, answers: Any) -> Path:
        folder = root / f"{name}-{answers}"
        return folder if folder.exists() else table_bundle(folder, name, answers)

    return made


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")


def keep(store: ArtifactStore, folder: Path, harm: Callable[[Path], None] | None = None) -> Model:
    with store.draft() as draft:
        shutil.copytree(folder, draft, dirs_exist_ok=True)
        if harm is not None:
            harm(draft)
        return store.keep(Model, draft, {"learner": "trees"}, outside=BESIDE)


def edit_spec(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model.json"
    spec = json.loads(path.read_text("utf-8"))
    change(spec)
    path.write_text(json.dumps(spec), "utf-8")


def edit_arrays(folder: Path, **changes: Callable[[np.ndarray], np.ndarray]) -> None:
    arrays = read_arrays(folder)
    for name, change in changes.items():
        key = name.replace("_", ".", 1)
        arrays[key] = change(arrays[key])
    write_bundle(folder, read_spec(folder), arrays)


def swap_labels(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["labels"].reverse())


def swap_answers(folder: Path) -> None:
    edit_arrays(folder, linear_weights=lambda found: found[:, ::-1])


def lose_the_temperature(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["calibration"].update(temperature=1.0))


def swap_columns(folder: Path) -> None:
    """Two columns of numbers change names: each is read from the other's cell."""

    def change(spec: dict[str, Any]) -> None:
        by_name = {c["name"]: c for c in spec["settings"]["features"]["columns"]}
        by_name["tenure"]["name"], by_name["charges"]["name"] = "charges", "tenure"

    edit_spec(folder, change)


def reorder_levels(folder: Path) -> None:
    def change(spec: dict[str, Any]) -> None:
        for column in spec["settings"]["features"]["columns"]:
            column["levels"].reverse()

    edit_spec(folder, change)


def rename_a_level(folder: Path) -> None:
    def change(spec: dict[str, Any]) -> None:
        column = next(c for c in spec["settings"]["features"]["columns"] if c["name"] == "plan")
        column["levels"] = ["lost" if level == "pro" else level for level in column["levels"]]

    edit_spec(folder, change)


def lose_the_levels(folder: Path) -> None:
    def change(spec: dict[str, Any]) -> None:
        column = next(c for c in spec["settings"]["features"]["columns"] if c["name"] == "plan")
        column.update(levels=column["levels"][:-1], num_one_hot=len(column["levels"]) - 1)

    edit_spec(folder, change)


def read_as_text(folder: Path) -> None:
    def change(spec: dict[str, Any]) -> None:
        column = next(c for c in spec["settings"]["features"]["columns"] if c["name"] == "tenure")
        column["kind"] = "boolean"

    edit_spec(folder, change)


def lose_the_scale(folder: Path) -> None:
    edit_arrays(folder, table_scale=np.ones_like)


def other_trees(folder: Path) -> None:
    answers = {3: "three", 2: "two", 0: "number"}[len(read_spec(folder).labels)]
    other = engine_of("trees", answers, seed=9)  # type: ignore[arg-type]
    (folder / "trees" / "0.txt").write_bytes(other.files()["trees/0.txt"])
    edit_spec(folder, lambda spec: spec["settings"].update(sha256=other.settings()["sha256"]))


def cut_the_trees(folder: Path) -> None:
    path = folder / "trees" / "0.txt"
    path.write_bytes(path.read_bytes()[:-200])


def lose_the_spread(folder: Path) -> None:
    edit_arrays(folder, spread_low=np.zeros_like, spread_high=np.zeros_like)


def lose_the_shares(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["settings"]["parts"].reverse())


FAULTS = [
    (name, answers, harm)
    for harm, names, among in (
        (swap_labels, ("trees", "table-linear"), ("two", "three")),
        (swap_answers, ("table-linear",), ("two", "three")),
        (lose_the_temperature, ENGINES, ("two", "three")),
        (swap_columns, ("trees", "table-linear", "table-mlp"), ANSWERS),
        (reorder_levels, ("trees", "table-linear", "table-mlp"), ANSWERS),
        (rename_a_level, ("trees", "table-linear", "table-mlp"), ANSWERS),
        (lose_the_levels, ("trees", "table-linear", "table-mlp"), ANSWERS),
        (read_as_text, ("trees", "table-linear"), ANSWERS),
        (lose_the_scale, ("table-linear", "table-mlp"), ANSWERS),
        (other_trees, ("trees",), ANSWERS),
        (cut_the_trees, ("trees",), ANSWERS),
        (lose_the_spread, ("trees", "ensemble"), ("number",)),
        (lose_the_shares, ("ensemble",), ANSWERS),
    )
    for name in names
    for answers in among
]


@pytest.mark.parametrize(("name", "answers", "harm"), FAULTS,
                         ids=[f"{h.__name__}-{n}-{a}" for n, a, h in FAULTS])  # fmt: skip
def test_a_bundle_that_answers_otherwise_is_refused_and_nothing_is_published(
    trained, store: ArtifactStore, name: str, answers: Any, harm: Callable[[Path], None]
) -> None:
    native = keep(store, trained(name, answers), harm)
    with pytest.raises(RefusedError, match="does not answer as the model that was trained"):
        export(ExportConfig(), native, store, NOBODY)
    assert [model.hash for model in store.list(Model)] == [native.hash]


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_a_table_is_served_as_it_was_trained(trained, store: ArtifactStore, both: Any) -> None:
    folder = trained(*both)
    native = keep(store, folder)
    served = export(ExportConfig(), native, store, NOBODY)
    assert (served.card["form"], served.card["engine"]) == ("float64", both[0])
    assert served.card["native"] == native.hash
    assert served.card["parity"]["score_gap"] < 1e-9
    assert served.card["parity"]["agreement"] == 1.0
    assert served.card["parity"]["is_number"] is (both[1] == "number")
    assert served.card["forms"][0]["p95_ms"] > 0
    rows = messy_rows()
    assert Predictor.load(served.folder).predict(rows) == Predictor.load(folder).predict(rows)
    assert not (served.folder / "reference.parquet").exists()


def test_a_setting_that_tables_do_not_have_is_auto_for_them(trained, store: ArtifactStore) -> None:
    native = keep(store, trained("trees", "two"))
    served = export(ExportConfig(precision="int8", engine="openvino"), native, store, NOBODY)
    assert served.card["form"] == "float64"
    assert export(ExportConfig(), native, store, NOBODY).hash == served.hash


def test_the_gap_of_numbers_is_told_in_standard_deviations(trained, store: ArtifactStore) -> None:
    def shift(folder: Path) -> None:
        edit_arrays(folder, linear_bias=lambda found: found + 20.0)

    native = keep(store, trained("table-linear", "number"), shift)
    parity = measure_parity(native.folder, native.folder / "reference.parquet")
    values = Predictor.load(trained("table-linear", "number")).values(messy_rows())
    assert parity.score_gap >= 20.0 / values.std() * 0.999
    assert parity.agreement == 0.0
    with pytest.raises(RefusedError, match="float64: a number differs by") as caught:
        export(ExportConfig(), native, store, NOBODY)
    assert "标准差" in caught.value.text("zh")
