"""An encoder as trained becomes graphs that answer as it does, or nothing is published."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.tiny import TEXTS, tiny_bundle, tiny_rows
from tests.tiny_encoder import FAMILIES, tiny_encoder
from tests.tiny_native import tiny_native, write_reference

from volano.core.errors import RefusedError
from volano.core.events import Events
from volano.core.nouns import Model
from volano.export import graphs
from volano.export.config import ExportConfig, Limits
from volano.export.export import export
from volano.export.parity import measure_parity
from volano.models import Predictor, Spec, write_bundle
from volano.models.bundle import read_spec
from volano.models.ensemble import EnsembleEngine, Part
from volano.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

pytestmark = pytest.mark.slow

NOBODY = Events()
ROWS: list[Mapping[str, object]] = [*tiny_rows()]
BESIDE = frozenset({"reference.parquet"})
FORMS = ["openvino int8", "openvino bfloat16", "openvino float32", "onnx float32"]
ALL = [FORMS[0], "openvino int8-dynamic", *FORMS[1:]]  # where int8 does not hold


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough that eight bits hold, so that a refusal is the fault's and not the form's."""
    root = tmp_path_factory.mktemp("encoder")
    settings = {"hidden_size": 64, "intermediate_size": 128, "initializer_range": 0.06}
    return tiny_native(root / "native", tiny_encoder(root / "base", **settings))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")


@pytest.fixture(scope="module")
def served(native: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Model]:
    """Each form as it is published when the project names it."""
    root = tmp_path_factory.mktemp("served")
    store = ArtifactStore(str(root / "artifacts"), root / "cache")
    kept = keep(store, native)
    asked: list[dict[str, Any]] = [
        {"precision": "int8"},
        {"precision": "int8-dynamic"},
        {"precision": "bfloat16"},
        {"precision": "float32", "engine": "openvino"},
        {"precision": "float32", "engine": "onnx"},
    ]
    return {
        name: export(ExportConfig(**settings), kept, store, NOBODY)
        for name, settings in zip(ALL, asked, strict=True)
    }


def keep(store: ArtifactStore, native: Path, harm: Callable[[Path], None] | None = None) -> Model:
    """The native model as an artifact; ``harm`` alters it after its reference was written."""
    with store.draft() as draft:
        shutil.copytree(native, draft, dirs_exist_ok=True)
        if harm is not None:
            harm(draft)
        return store.keep(Model, draft, {"learner": "finetune"}, outside=BESIDE)


def edit_spec(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model.json"
    spec = json.loads(path.read_text("utf-8"))
    change(spec)
    path.write_text(json.dumps(spec), "utf-8")


def pool_otherwise(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["settings"].update(pooling="cls"))


def lose_temperature(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["calibration"].update(temperature=1.0))


def swap_labels(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["labels"].reverse())


def lose_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def edit_tokenizer(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text("utf-8"))
    change(told)
    path.write_text(json.dumps(told), "utf-8")


def forget_special_tokens(folder: Path) -> None:
    edit_tokenizer(folder, lambda told: told.update(post_processor=None))


def forget_lower_case(folder: Path) -> None:
    edit_tokenizer(folder, lambda told: told["normalizer"].update(lowercase=False))


def number_words_otherwise(folder: Path) -> None:
    def shift(told: dict[str, Any]) -> None:
        words = told["model"]["vocab"]
        plain = [word for word in words if words[word] > 10]
        numbers = [words[word] for word in plain]
        words.update(zip(plain, numbers[1:] + numbers[:1], strict=True))

    edit_tokenizer(folder, shift)


def cut_early(folder: Path) -> None:
    edit_spec(folder, lambda spec: spec["settings"].update(max_tokens=8))


@pytest.mark.parametrize(
    "harm",
    [pool_otherwise, lose_temperature, swap_labels, lose_tokenizer, number_words_otherwise],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_a_planted_fault_is_refused_in_every_form_and_nothing_is_published(
    harm: Callable[[Path], None], native: Path, store: ArtifactStore
) -> None:
    kept = keep(store, native, harm)
    with pytest.raises(RefusedError, match="does not answer as the model that was trained") as told:
        export(ExportConfig(), kept, store, NOBODY)
    assert [reason.partition(":")[0] for reason in told.value.because] == ALL
    assert [model.hash for model in store.list(Model)] == [kept.hash]


@pytest.mark.parametrize(
    "harm", [forget_special_tokens, forget_lower_case, cut_early, lose_temperature],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_a_small_fault_of_what_is_served_shows_in_every_form(
    harm: Callable[[Path], None], native: Path, served: Mapping[str, Model], tmp_path: Path
) -> None:
    for name, model in served.items():
        harmed = Path(shutil.copytree(model.folder, tmp_path / name))
        harm(harmed)
        assert not measure_parity(harmed, native / "reference.parquet").holds(ExportConfig()), name


def test_every_form_answers_as_the_model_that_was_trained(served: Mapping[str, Model]) -> None:
    for name, model in served.items():
        parity = model.card["parity"]
        assert f"{model.card['engine']} {model.card['form']}" == name
        assert parity["is_rounded"] == (model.card["form"] != "float32")
        assert parity["agreement"] >= 0.995
        assert parity["accuracy"] == pytest.approx(1.0, abs=0.05)
        exact = parity["score_gap"] < 1e-4
        assert exact != parity["is_rounded"], name
    sizes = [served[name].card["forms"][0]["megabytes"] for name in FORMS[:3]]
    assert sizes == sorted(sizes)


def test_a_row_is_answered_alike_alone_and_in_any_batch_to_the_last_digit(
    served: Mapping[str, Model],
) -> None:
    lengths = [{"body": "parcel " * number} for number in range(20)]
    rows = [*ROWS, *lengths, *reversed(ROWS)]
    for model in served.values():
        predictor = Predictor.load(model.folder)
        together = predictor.scores(rows)
        alone = np.concatenate([predictor.scores([row]) for row in rows])
        assert (together == alone).all(), model.card["form"]
        again = Predictor.load(model.folder).scores(rows[::-1])[::-1]
        assert (together == again).all(), model.card["form"]


def test_the_smallest_form_that_holds_is_served_and_all_are_listed(
    native: Path, store: ArtifactStore
) -> None:
    model = export(ExportConfig(), keep(store, native), store, NOBODY)
    forms = model.card["forms"]
    assert [f"{form['engine']} {form['precision']}" for form in forms] == FORMS
    assert [form["why_not"] for form in forms] == ["", *["a smaller form holds"] * 3]
    assert (model.card["engine"], model.card["form"]) == ("openvino", "int8")
    for form in forms:
        assert form["megabytes"] > 0 and form["p95_ms"] >= form["p50_ms"] > 0
        assert form["chosen"] == (form["why_not"] == "")
    names = {path.name for path in model.folder.iterdir()} - {"card.json", "manifest.json"}
    assert names == {
        "model.json", "weights.safetensors", "tokenizer.json", "model.xml", "model.bin",
    }  # fmt: skip


def test_a_limit_that_one_form_breaks_is_met_by_another(native: Path, store: ArtifactStore) -> None:
    config = ExportConfig(precision="float32")
    kept = keep(store, native)
    model = export(config, kept, store, NOBODY, Limits(latency_ms=1e-6))
    assert [form["why_not"] for form in model.card["forms"]] == ["", "over the latency limit"]
    sizes = [form["megabytes"] for form in model.card["forms"]]
    between = Limits(size_mb=sum(sizes) / 2)
    met = export(config, kept, store, NOBODY, between)
    (chosen,) = (form for form in met.card["forms"] if form["chosen"])
    assert chosen["megabytes"] == min(sizes)


def test_exporting_twice_gives_the_same_model(native: Path, store: ArtifactStore) -> None:
    config = ExportConfig(precision="int8")
    kept = keep(store, native)
    assert len({export(config, kept, store, NOBODY).hash for _ in range(2)}) == 1


def break_off(*arguments: Any, **settings: Any) -> None:
    """What OpenVINO raises: a place in its source first, the reason last."""

    class OpConversionFailure(Exception):  # noqa: N818  (as in openvino.frontend)
        pass

    raise OpConversionFailure("Exception from src/core/model.cpp:97:\n\nno such operation: Whirl\n")


def test_a_form_that_a_library_cannot_make_is_listed_and_another_is_served(
    native: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs._import_nncf(), "quantize", break_off)
    heard: list[str] = []
    events = Events((lambda event: heard.append(event.text),))
    model = export(ExportConfig(), keep(store, native), store, events)
    forms = {f"{form['engine']} {form['precision']}": form for form in model.card["forms"]}
    assert list(forms) == ALL
    first = forms["openvino int8"]
    assert (first["why_not"], first["fault"]) == ("cannot be made here", "no such operation: Whirl")
    assert "openvino int8 cannot be made here: no such operation: Whirl" in heard
    assert model.card["form"] == "int8-dynamic"
    assert read_spec(model.folder).settings["precision"] == "int8-dynamic"
    assert not any("fault" in form for form in model.card["forms"][1:])


def test_onnx_is_served_where_openvino_can_make_nothing(
    native: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = graphs.import_openvino()
    monkeypatch.setattr(openvino, "save_model", break_off)
    kept = keep(store, native)
    model = export(ExportConfig(), kept, store, NOBODY)
    assert (model.card["engine"], model.card["form"]) == ("onnx", "float32")
    faults = [form.get("fault") for form in model.card["forms"]]
    assert faults == [*["no such operation: Whirl"] * 4, None]
    with pytest.raises(RefusedError) as told:
        export(ExportConfig(engine="openvino"), kept, store, NOBODY)
    assert told.value.because == tuple(f"{name}: no such operation: Whirl" for name in ALL[:4])


@pytest.mark.parametrize("kind", FAMILIES)
def test_encoders_of_every_family_are_exported_in_every_form_that_holds(
    kind: str, tmp_path: Path, store: ArtifactStore
) -> None:
    native = tiny_native(tmp_path / "native", tiny_encoder(tmp_path / "base", kind), "cls")
    kept = keep(store, native)
    model = export(ExportConfig(), kept, store, NOBODY)
    forms = {f"{form['engine']} {form['precision']}": form for form in model.card["forms"]}
    assert [name for name in ALL if name in forms] == list(forms)
    assert set(forms) >= set(FORMS)
    for name, form in forms.items():
        assert "fault" not in form, name
        assert form["agreement"] > 0.8, name  # of a random one, in as few bits
    exact = [forms[name] for name in FORMS if name.endswith("float32")]
    assert all(form["score_gap"] < 1e-4 for form in exact)


def test_ranges_are_read_from_texts_of_the_whole_reference() -> None:
    texts = [str(place) for place in range(512)]
    read = graphs.evenly(texts)
    assert (len(read), read[0], read[-1]) == (300, "0", "511")
    gaps = np.diff([int(text) for text in read])
    assert (gaps.min(), gaps.max()) == (1, 2)
    assert graphs.evenly(texts[:7]) == texts[:7]


def test_an_ensemble_is_exported_part_by_part_and_judged_as_a_whole(
    native: Path, tmp_path: Path, store: ArtifactStore
) -> None:
    whole = ensemble(native, tmp_path)
    model = export(ExportConfig(), keep(store, whole), store, NOBODY)
    assert (model.card["engine"], model.card["form"]) == ("openvino", "int8")
    engines = [read_spec(model.folder / "parts" / place).engine for place in ("0", "1")]
    assert engines == ["openvino", "linear"]
    assert Predictor.load(model.folder).predict([ROWS[0]])[0].labels == ("delivery",)

    def harm(folder: Path) -> None:
        lose_tokenizer(folder / "parts" / "0")

    with pytest.raises(RefusedError):
        export(ExportConfig(precision="float32"), keep(store, whole, harm), store, NOBODY)


def ensemble(native: Path, root: Path) -> Path:
    """The encoder and a linear model as one native bundle."""
    folder = root / "ensemble"
    shutil.copytree(native, folder / "parts" / "0")
    tiny_bundle(folder / "parts" / "1")
    texts = [text for texts in TEXTS.values() for text in texts]
    parts = (Part(0.6, 1.3), Part(0.4, 1.0))
    store = ArtifactStore(str(root / "other"), root / "other-cache")
    exact = export(ExportConfig(precision="float32"), keep(store, native), store, NOBODY)
    engines = [Predictor.load(at).engine for at in (exact.folder, folder / "parts" / "1")]
    values = EnsembleEngine(tuple(engines), parts).decide(texts)
    settings = {"parts": [{"share": part.share, "temperature": part.temperature} for part in parts]}
    spec = Spec(
        "text-classification",
        "ensemble",
        ("body",),
        read_spec(native).labels,
        settings=settings,
        calibration={"temperature": 0.8, "at_least_one": False, "unknown_below": 0.0},
    )
    write_bundle(folder, spec, {})
    write_reference(folder, spec, texts, values, values >= values.max(axis=1, keepdims=True))
    return folder


def test_nothing_is_printed_and_nothing_is_sent_by_an_export(native: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from volano.core.events import Events
from volano.core.nouns import Model
from volano.export.config import ExportConfig
from volano.export.export import export
from volano.store.artifacts import ArtifactStore
import shutil, socket
def refuse(*_): raise AssertionError("something is sent")
socket.socket.connect = refuse
root = Path({str(tmp_path)!r})
store = ArtifactStore(str(root / "a"), root / "c")
with store.draft() as draft:
    shutil.copytree({str(native)!r}, draft, dirs_exist_ok=True)
    kept = store.keep(Model, draft, {{}}, outside=frozenset({{"reference.parquet"}}))
export(ExportConfig(precision="int8"), kept, store, Events())
assert "openvino" in sys.modules and "nncf" in sys.modules
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
"""
    home = tmp_path / "home"
    home.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert not (home / "intel").exists()
