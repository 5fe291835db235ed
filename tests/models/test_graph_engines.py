"""Engines of graphs, on a graph small enough to know its answers: the sum of its words' weights."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.tiny import TEXTS, tiny_rows
from tests.tiny_encoder import tiny_tokenizer

from volano.core.errors import MissingExtraError, StoreError
from volano.models import Predictor, Spec, write_bundle
from volano.models.erasure import MOST_ASKED, reasons_by_erasure
from volano.models.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from volano.models.calibration import Floats

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

ROWS = tiny_rows()
LABELS = tuple(sorted(TEXTS))
LONGEST = 64
ENGINES = ("onnx", "openvino")


def weights() -> np.ndarray:
    size = Tokens.load(tiny_tokenizer(), LONGEST).tokenizer.get_vocab_size()
    drawn = np.random.default_rng(0).normal(size=(size, len(LABELS))).astype(np.float32)
    drawn[2:4] = 0  # the marks at both ends
    return drawn


def write_graph(path: Path) -> None:
    """ONNX that adds up a row of weights for each token that is no padding."""
    from onnx import TensorProto, helper, numpy_helper

    shape = [1, "tokens"]
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["found"]),
        helper.make_node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["seen", "last"], ["column"]),
        helper.make_node("Mul", ["found", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["values"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "sum",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, shape)
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, [1, len(LABELS)])],
        [
            numpy_helper.from_array(weights(), "weights"),
            numpy_helper.from_array(np.array([2]), "last"),
            numpy_helper.from_array(np.array([1]), "middle"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(made, path)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graph(path)
    return path


def make_bundle(folder: Path, graph: Path, engine: str) -> Path:
    folder.mkdir()
    settings = {"max_tokens": LONGEST, "precision": "float32"}
    calibration = {"temperature": 1.0, "at_least_one": False, "unknown_below": 0.0}
    spec = Spec("text-classification", engine, ("body",), LABELS,
                settings=settings, calibration=calibration, form="float32")  # fmt: skip
    write_bundle(folder, spec, {}, {"tokenizer.json": tiny_tokenizer()})
    if engine == "onnx":
        (folder / "model.onnx").write_bytes(graph.read_bytes())
    else:
        from volano.models.openvino_engine import import_openvino

        openvino = import_openvino()
        openvino.save_model(openvino.Core().read_model(graph), folder / "model.xml", False)
    return folder


@pytest.fixture(params=ENGINES)
def bundle(request: pytest.FixtureRequest, tmp_path: Path, graph: Path) -> Path:
    return make_bundle(tmp_path / "bundle", graph, request.param)


def test_a_graph_answers_by_the_weights_that_it_holds(bundle: Path) -> None:
    engine = Predictor.load(bundle).engine
    tokens = Tokens.load(tiny_tokenizer(), LONGEST)
    texts = [row["body"] for row in ROWS]
    expected = np.stack([weights()[ids].sum(axis=0) for ids in tokens.encode(texts)])
    assert np.abs(engine.decide(texts) - expected).max() < 1e-4


def test_a_row_is_answered_alike_alone_in_any_batch_and_in_many_threads(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    expected = predictor.predict(ROWS)
    assert expected == [predictor.predict([row])[0] for row in ROWS]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: predictor.predict([row])[0], ROWS * 4))
        batches = list(pool.map(predictor.predict, [ROWS, ROWS[::-1]] * 4))
    assert found == expected * 4
    assert batches == [expected, expected[::-1]] * 4


def test_reasons_are_what_each_word_adds_to_the_lead(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    text = "my parcel is late, my Parcel"
    told = dict(predictor.engine.reasons(text, 1, is_rival=True))
    assert set(told) == {"my", "parcel", "is", "late", ","}
    of_word = weights() - weights().mean(axis=1, keepdims=True)
    tokenizer = Tokens.load(tiny_tokenizer(), LONGEST).tokenizer
    for word, times in {"my": 2, "parcel": 2, "late": 1}.items():
        expected = times * of_word[tokenizer.token_to_id(word), 1]
        assert told[word] == pytest.approx(expected, abs=1e-5)
    alone = dict(predictor.engine.reasons("late", 1, is_rival=False))
    assert alone["late"] == pytest.approx(weights()[tokenizer.token_to_id("late"), 1], abs=1e-5)
    strengths = [abs(weight) for weight in told.values()]
    assert strengths == sorted(strengths, reverse=True)


def test_neighbouring_ideograms_that_pull_the_same_way_are_one_reason(bundle: Path) -> None:
    engine = Predictor.load(bundle).engine
    told = engine.reasons("退款什么时候到账", 0, is_rival=True)
    assert "".join(sorted("".join(piece for piece, _ in told))) == "".join(
        sorted("退款什么时候到账")
    )
    assert len(told) < 8
    assert engine.reasons("", 0, is_rival=True) == []
    assert engine.reasons("   ", 0, is_rival=True) == []


def test_what_the_model_does_not_see_is_no_reason(bundle: Path) -> None:
    engine = Predictor.load(bundle).engine
    told = dict(engine.reasons("parcel " * 100 + "refund", 1, is_rival=True))
    assert set(told) == {"parcel"}


def test_a_long_text_is_explained_in_a_bounded_number_of_questions() -> None:
    asked: list[int] = []
    heavy = {"needle": 5.0, "pin": -3.0}

    def decide(texts: Sequence[str]) -> Floats:
        asked.append(len(texts))
        rows = [sum(heavy.get(word, 0.0) for word in text.split()) for text in texts]
        return np.array([[value, 0.0] for value in rows])

    words = [f"word{place}" for place in range(3000)]
    words[777], words[2222] = "needle", "pin"
    told = reasons_by_erasure(decide, " ".join(words), 0, is_rival=False)
    assert told == [("needle", 5.0), ("pin", -3.0)]
    assert sum(asked) <= MOST_ASKED + 2


@pytest.mark.parametrize(
    ("name", "engines"),
    [("tokenizer.json", ENGINES), ("model.onnx", ("onnx",)), ("model.xml", ("openvino",)),
     ("model.bin", ("openvino",))],
)  # fmt: skip
@pytest.mark.parametrize("harm", ["lost", "cut", "noise", "empty"])
def test_a_damaged_file_is_told_as_damage(
    name: str, engines: tuple[str, ...], harm: str, tmp_path: Path, graph: Path
) -> None:
    for engine in engines:
        bundle = make_bundle(tmp_path / engine, graph, engine)
        path = bundle / name
        content = path.read_bytes()
        harmed = {"cut": content[: len(content) // 2], "noise": b"\x07" * 400, "empty": b""}
        if harm == "lost":
            path.unlink()
        elif name == "model.bin" and harm == "noise":
            continue  # other numbers are no damage that a loader can see: the manifest does
        else:
            path.write_bytes(harmed[harm])
        with pytest.raises(StoreError, match="missing or damaged"):
            Predictor.load(bundle)


def test_a_graph_of_other_inputs_or_labels_is_told_as_damage(tmp_path: Path, graph: Path) -> None:
    bundle = make_bundle(tmp_path / "labels", graph, "onnx")
    spec = Spec("text-classification", "onnx", ("body",), (*LABELS, "more"),
                settings={"max_tokens": LONGEST, "precision": "float32"})  # fmt: skip
    write_bundle(bundle, spec, {})
    with pytest.raises(StoreError, match="missing or damaged"):
        Predictor.load(bundle)


@pytest.mark.parametrize(
    ("engine", "package"),
    [("onnx", "onnxruntime"), ("openvino", "openvino"), ("onnx", "tokenizers")],
)
def test_a_library_that_is_not_installed_is_named_with_the_line_to_run(
    engine: str, package: str, tmp_path: Path, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(tmp_path / "bundle", graph, engine)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"the package {package}") as told:
        Predictor.load(bundle)
    assert told.value.fix == "pip install 'volano[encoders]'"


FRESH = """
import socket, sys
def refuse(*_): raise AssertionError("something is sent")
socket.socket.connect = refuse
from pathlib import Path
from volano.models import Predictor
assert Predictor.load(Path(sys.argv[1])).predict([{"body": "my parcel is late"}])
heavy = {"torch", "transformers", "nncf", "onnx", "sklearn", "openvino_telemetry.main"}
print(*sorted(heavy & set(sys.modules)), *(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_an_answer_needs_no_torch_and_sends_nothing(bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", FRESH, str(bundle)],
        check=False,
        capture_output=True,
        text=True,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "", "")
    assert list(home.iterdir()) == []  # openvino_telemetry would leave a folder here
