from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.tiny import tiny_bundle

from volano.core.errors import StoreError
from volano.core.nouns import Model
from volano.models import Predictor, Spec, write_bundle
from volano.models.bundle import FORMAT, read_arrays, read_spec
from volano.store.artifacts import ArtifactStore

GOLDEN = Path(__file__).parent / "golden"
WEIGHTS = "weights.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def edit_spec(bundle: Path, **changes: object) -> None:
    path = bundle / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def edit_arrays(bundle: Path, **changes: np.ndarray) -> None:
    arrays = read_arrays(bundle)
    named = {name: changes.get(name.replace(".", "_"), found) for name, found in arrays.items()}
    write_bundle(bundle, read_spec(bundle), named)


def test_a_bundle_reads_back_as_it_was_written(bundle: Path, tmp_path: Path) -> None:
    spec, arrays = read_spec(bundle), read_arrays(bundle)
    again = tmp_path / "again"
    again.mkdir()
    write_bundle(again, spec, dict(reversed(arrays.items())))
    for name in ("model.json", WEIGHTS):
        assert (again / name).read_bytes() == (bundle / name).read_bytes()


def test_a_bundle_of_texts_is_the_same_file_as_before_there_were_tables(tmp_path: Path) -> None:
    # Its bytes are its identity, and older volanos read it.
    spec = Spec("text-classification", "linear", ("body",), ("a", "b"))
    write_bundle(tmp_path, spec, {})
    told = json.loads((tmp_path / "model.json").read_text("utf-8"))
    assert sorted(told) == ["calibration", "engine", "form", "format", "is_multiple", "labels",
                            "settings", "task", "text", "unknown"]  # fmt: skip
    assert told["format"] == 1
    assert read_spec(tmp_path).reads == ("body",)
    assert read_spec(tmp_path).answers == "labels"


def test_arrays_that_are_no_copies_are_written_whole(tmp_path: Path) -> None:
    square = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_bundle(tmp_path, Spec("t", "e", ("a",), ("b",)), {"turned": square.T})
    assert np.array_equal(read_arrays(tmp_path)["turned"], square.T)


def test_a_bundle_of_a_newer_format_is_refused_with_the_reason(bundle: Path) -> None:
    # A newer format may well hold keys that are unknown here.
    edit_spec(bundle, format=FORMAT + 1, novelty=True)
    with pytest.raises(StoreError, match="format 3; this volano reads up to 2") as caught:
        Predictor.load(bundle)
    assert "upgrade" in caught.value.fix


def test_a_bundle_that_needs_another_engine_is_refused(bundle: Path) -> None:
    edit_spec(bundle, engine="llama")
    with pytest.raises(StoreError, match="the engine 'llama', which is not installed"):
        Predictor.load(bundle)


@pytest.mark.parametrize("name", ["model.json", WEIGHTS])
@pytest.mark.parametrize("fault", ["missing", "empty", "truncated", "overwritten", "a folder"])
def test_a_damaged_file_is_a_store_error(bundle: Path, name: str, fault: str) -> None:
    path = bundle / name
    content = path.read_bytes()
    path.unlink()
    if fault == "a folder":
        path.mkdir()
    elif fault != "missing":
        kept = {"empty": b"", "truncated": content[: len(content) // 2]}
        path.write_bytes(kept.get(fault, b"\xff" * len(content)))
    with pytest.raises(StoreError, match="missing or damaged") as caught:
        Predictor.load(bundle)
    assert name in caught.value.where


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["account"]},
        {"unknown": "nobody"},
        {"settings": {}},
        {"settings": {"heads": 3}},
        {"calibration": {"temperature": "warm"}},
        {"calibration": {"temperature": 0.0}},
        {"calibration": {"heat": 1.0}},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_a_spec_that_does_not_fit_its_weights_is_a_store_error(
    bundle: Path, changes: dict[str, object]
) -> None:
    edit_spec(bundle, **changes)
    with pytest.raises(StoreError, match="missing or damaged"):
        Predictor.load(bundle)


def test_weights_that_do_not_fit_their_features_are_a_store_error(bundle: Path) -> None:
    edit_arrays(bundle, head_0_weights=read_arrays(bundle)["head.0.weights"][:-3])
    with pytest.raises(StoreError, match="fit no features"):
        Predictor.load(bundle)


def test_a_spec_without_its_keys_is_a_store_error(tmp_path: Path) -> None:
    for text in ("[]", "{}", '{"format": 1}', '{"format": "one"}', "null"):
        (tmp_path / "model.json").write_text(text, "utf-8")
        with pytest.raises(StoreError):
            read_spec(tmp_path)


def test_a_card_does_not_change_which_model_it_is_and_a_weight_does(
    bundle: Path, tmp_path: Path
) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")

    def keep(card: dict[str, object]) -> Model:
        with store.draft() as draft:
            write_bundle(draft, read_spec(bundle), read_arrays(bundle))
            return store.keep(Model, draft, card)

    first = keep({"learner": "bayes"})
    assert keep({"learner": "bayes", "trained": "later"}).hash == first.hash
    nudged = read_arrays(bundle)["head.0.bias"] + np.float32(1e-3)
    edit_arrays(bundle, head_0_bias=nudged)
    assert keep({"learner": "bayes"}).hash != first.hash


def test_a_bundle_of_format_one_is_still_read_and_answers_the_same() -> None:
    predictor = Predictor.load(GOLDEN)
    expected = json.loads((GOLDEN / "answers.json").read_text("utf-8"))
    answers = predictor.predict([{"body": row["body"]} for row in expected])
    for answer, row in zip(answers, expected, strict=True):
        assert list(answer.labels) == row["labels"]
        assert answer.unknown == row["unknown"]
        assert dict(answer.scores) == pytest.approx(row["scores"], abs=1e-6)
