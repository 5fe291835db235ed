from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.tiny import tiny_project

from volano.core.errors import ConfigError, RefusedError
from volano.core.events import Events
from volano.core.nouns import Model
from volano.export.config import ExportConfig
from volano.export.export import export
from volano.export.parity import measure_parity
from volano.models import Predictor, write_bundle
from volano.models.bundle import read_arrays, read_spec
from volano.store.artifacts import ArtifactStore
from volano.train.config import TrainConfig, resolve_train
from volano.train.learners.text_linear import LINEAR
from volano.train.train import BESIDE, Plan, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = "head.0.weights"
NOBODY = Events()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a native bundle and its reference answers."""
    root = tmp_path_factory.mktemp("trained")
    config, _ = resolve_train(TrainConfig(), "quick", 0)
    with tiny_project(root / "p") as project:
        data = project.prepare()
        native = train(config, project.task, data, Plan(LINEAR), project.store, NOBODY)
        shutil.copytree(native.folder, root / "native")
    for name in ("card.json", "manifest.json"):
        (root / "native" / name).unlink()
    return root / "native"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")


def keep(store: ArtifactStore, trained: Path, harm: Callable[[Path], None] | None = None) -> Model:
    """The native model as an artifact; ``harm`` alters it after its reference was written."""
    with store.draft() as draft:
        shutil.copytree(trained, draft, dirs_exist_ok=True)
        if harm is not None:
            harm(draft)
        return store.keep(Model, draft, {"learner": "linear"}, outside=BESIDE)


def edit_spec(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model.json"
    spec = json.loads(path.read_text("utf-8"))
    change(spec)
    path.write_text(json.dumps(spec), "utf-8")


def edit_arrays(folder: Path, **changes: Callable[[np.ndarray], np.ndarray]) -> None:
    arrays = read_arrays(folder)
    for name, change in changes.items():
        key = WEIGHTS if name == "weights" else f"features.{name}"
        arrays[key] = change(arrays[key])
    write_bundle(folder, read_spec(folder), arrays)


def swap_labels(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["labels"].reverse())


def swap_columns(folder: Path) -> None:
    edit_arrays(folder, weights=lambda found: found[:, ::-1])


def warm_up(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["calibration"].update(temperature=1.0))


def lose_idf(folder: Path) -> None:
    edit_arrays(folder, idf=np.ones_like)


def truncate(folder: Path) -> None:
    edit_arrays(folder, weights=lambda found: found[:-5])


def blank_the_end(folder: Path) -> None:
    edit_arrays(
        folder, weights=lambda found: np.where(np.arange(len(found))[:, None] < 60, found, 0)
    )


def count_other_words(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["settings"]["features"].update(word_orders=[1]))


def hash_otherwise(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["settings"]["features"].update(hash_bits=20))


def forget_a_label(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["labels"].pop())


def call_all_unknown(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec.update(unknown="refund"))
    edit_spec(folder, lambda spec: spec["calibration"].update(unknown_below=1.1))


def lose_numbers(folder: Path) -> None:
    edit_arrays(folder, weights=lambda found: np.full_like(found, np.nan))


@pytest.mark.parametrize(
    "harm",
    [swap_labels, swap_columns, warm_up, lose_idf, truncate, blank_the_end, count_other_words,
     hash_otherwise, forget_a_label, call_all_unknown, lose_numbers],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_a_bundle_that_answers_otherwise_is_refused_and_nothing_is_published(
    harm: Callable[[Path], None], trained: Path, store: ArtifactStore
) -> None:
    native = keep(store, trained, harm)
    with pytest.raises(RefusedError, match="does not answer as the model that was trained") as told:
        export(ExportConfig(), native, store, NOBODY)
    assert [reason.partition(":")[0] for reason in told.value.because] == ["float16", "float32"]
    assert [model.hash for model in store.list(Model)] == [native.hash]


def test_the_smaller_form_is_served_where_parity_holds(trained: Path, store: ArtifactStore) -> None:
    native = keep(store, trained)
    served = export(ExportConfig(), native, store, NOBODY)
    assert (served.card["form"], served.card["native"]) == ("float16", native.hash)
    assert served.card["learner"] == "linear"
    assert 0 < served.card["parity"]["score_gap"] < 0.005
    assert 0 < served.card["parity"]["logit_gap"] < 0.02
    assert read_arrays(served.folder)[WEIGHTS].dtype == np.float16
    assert sorted(path.name for path in served.folder.iterdir()) == [
        "card.json", "manifest.json", "model.json", "statistics.json", "weights.safetensors",
    ]  # fmt: skip
    rows = [{"body": "my parcel is late"}, {"body": "怎么退款"}]
    near = Predictor.load(served.folder).scores(rows) - Predictor.load(native.folder).scores(rows)
    assert np.abs(near).max() < 0.005


def test_the_larger_form_is_served_where_the_smaller_loses_parity(
    trained: Path, store: ArtifactStore
) -> None:
    # 100,000 does not fit into 16 bits; with weights and temperature scaled alike the answers stay.
    def enlarge(folder: Path) -> None:
        edit_arrays(folder, weights=lambda found: found * np.float32(2.0**17))
        arrays = read_arrays(folder)
        arrays["head.0.bias"] *= np.float32(2.0**17)
        write_bundle(folder, read_spec(folder), arrays)

        def warm(spec: dict[str, Any]) -> None:
            spec["calibration"]["temperature"] *= 2.0**17

        edit_spec(folder, warm)

    heard: list[str] = []
    events = Events((lambda event: heard.append(event.text),))
    served = export(ExportConfig(), keep(store, trained, enlarge), store, events)
    assert served.card["form"] == "float32"
    assert any("float16 loses parity" in text for text in heard)


@pytest.mark.parametrize("form", ["float16", "float32"])
def test_a_form_that_the_project_names_is_the_only_one_tried(
    form: str, trained: Path, store: ArtifactStore
) -> None:
    native = keep(store, trained)
    config = ExportConfig(precision=form)  # type: ignore[arg-type]
    served = export(config, native, store, NOBODY)
    # Also where weights are kept as trained, what is served is a model with a card of its own.
    assert served.hash != native.hash
    assert served.card["form"] == form
    assert served.card["parity"]["agreement"] == 1.0


def test_a_form_that_no_engine_has_is_refused_in_the_project_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="onnx serves encoders in float32 alone"):
        tiny_project(tmp_path, export={"engine": "onnx", "precision": "int8"})


def test_a_limit_that_no_form_can_keep_refuses(trained: Path, store: ArtifactStore) -> None:
    with pytest.raises(RefusedError, match="float16: a score differs by"):
        export(
            ExportConfig(precision="float16", score_gap=1e-12), keep(store, trained), store, NOBODY
        )


def test_exporting_twice_gives_the_same_model(trained: Path, store: ArtifactStore) -> None:
    native = keep(store, trained)
    first = export(ExportConfig(), native, store, NOBODY)
    assert export(ExportConfig(), native, store, NOBODY).hash == first.hash


def test_a_native_bundle_is_at_parity_with_itself(trained: Path) -> None:
    parity = measure_parity(trained, trained / "reference.parquet")
    assert parity.score_gap < 1e-9
    assert parity.agreement == 1.0
    assert parity.rows > 30


def test_a_project_that_serves_whole_weights_is_promoted_like_any(tmp_path: Path) -> None:
    with tiny_project(tmp_path / "p", export={"precision": "float32"}) as project:
        verdict = project.turn().verdict
    assert verdict.promotes, verdict
