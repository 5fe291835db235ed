from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.store.test_disk import on_small_disk
from tests.tiny import tiny_rows

from volano.core.events import Event, Events
from volano.models.tokens import Tokens
from volano.train.encoders import embeddings
from volano.train.encoders.base import open_base, tokenizer_bytes
from volano.train.encoders.embeddings import Frozen

if TYPE_CHECKING:
    from volano.train.learner import Base

pytestmark = pytest.mark.slow

TEXTS = [row["body"] for row in tiny_rows()]


def base_of(folder: Path) -> Base:
    return open_base(str(folder), "en", Path(), Events())


def numbers(base: Base, texts: list[str], most: int = 64) -> list[Any]:
    return Tokens.load(tokenizer_bytes(base), most).encode(texts)


def frozen(base: Base, cache: Path | None, pooling: Any = "mean", **more: Any) -> Frozen:
    return Frozen(base, pooling, more.get("precision", "float32"), cache, more.get("log", Events()))


def segments(cache: Path) -> list[Path]:
    return sorted(cache.glob("vectors-*/*.safetensors"))


def test_each_text_is_encoded_once(tiny_base: Path, tmp_path: Path) -> None:
    base = base_of(tiny_base)
    heard: list[Event] = []
    first = frozen(base, tmp_path, log=Events((heard.append,))).embed(
        numbers(base, [*TEXTS, *TEXTS])
    )
    assert (first.num_fresh, first.num_cached) == (60, 0)
    assert first.vectors_ND.shape == (120, 32)
    np.testing.assert_array_equal(first.vectors_ND[:60], first.vectors_ND[60:])
    assert (heard[-1].done, heard[-1].total) == (60, 60)
    again = frozen(base, tmp_path).embed(numbers(base, [*TEXTS[::-1], "a new one"]))
    assert (again.num_fresh, again.num_cached) == (1, 60)
    np.testing.assert_array_equal(again.vectors_ND[:60], first.vectors_ND[:60][::-1])


def test_vectors_are_those_of_each_text_by_itself(tiny_base: Path) -> None:
    import torch

    from volano.models.encoder import Shape
    from volano.train.encoders.pretrained import load_pretrained

    base = base_of(tiny_base)
    for pooling in ("mean", "cls", "max"):
        module = load_pretrained(base, Shape(pooling, "linear", 1, 64))  # type: ignore[arg-type]
        ids = numbers(base, TEXTS)
        found = frozen(base, None, pooling).embed(ids).vectors_ND
        with torch.inference_mode():
            for place in range(0, 60, 7):
                one = torch.from_numpy(ids[place].astype(np.int64))[None]
                alone = module.pool(one, torch.ones_like(one))[0].numpy()
                np.testing.assert_allclose(found[place], alone, atol=2e-5)


def test_another_base_pooling_or_precision_is_another_cache(
    tiny_base: Path, tmp_path: Path
) -> None:
    from tests.tiny_encoder import tiny_encoder

    base, ids = base_of(tiny_base), numbers(base_of(tiny_base), TEXTS[:5])
    frozen(base, tmp_path).embed(ids)
    others = (
        frozen(base, tmp_path, "cls"),
        frozen(base, tmp_path, precision="bfloat16"),
        frozen(base_of(tiny_encoder(tmp_path / "other", seed=1)), tmp_path),
    )
    assert [other.embed(ids).num_fresh for other in others] == [5, 5, 5]


def test_only_texts_that_are_cut_elsewhere_are_encoded_again(
    tiny_base: Path, tmp_path: Path
) -> None:
    base = base_of(tiny_base)
    texts = ["refund", "My parcel has not arrived and the delivery is late"]
    frozen(base, tmp_path).embed(numbers(base, texts, 64))
    assert frozen(base, tmp_path).embed(numbers(base, texts, 8)).num_fresh == 1


def test_the_cache_holds_no_text(tiny_base: Path, tmp_path: Path) -> None:
    base = base_of(tiny_base)
    frozen(base, tmp_path).embed(numbers(base, TEXTS))
    content = b"".join(path.read_bytes() for path in segments(tmp_path))
    assert content
    assert not any(text.encode()[:12] in content for text in TEXTS)


def test_a_damaged_segment_costs_its_texts_and_nothing_else(
    tiny_base: Path, tmp_path: Path
) -> None:
    base = base_of(tiny_base)
    ids = numbers(base, TEXTS)
    whole = frozen(base, tmp_path)
    first = np.concatenate([whole.embed(ids[:30]).vectors_ND, whole.embed(ids[30:]).vectors_ND])
    damaged = segments(tmp_path)[0]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    (damaged.parent / "half.123.new").write_bytes(b"what a kill left")
    found = frozen(base, tmp_path).embed(ids)
    assert found.num_fresh == 30
    np.testing.assert_allclose(found.vectors_ND, first, atol=2e-5)
    assert frozen(base, tmp_path).embed(ids).num_fresh == 0


def test_a_killed_run_goes_on_and_gives_the_same_bits(tiny_base: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import volano.train.encoders.embeddings as e\n"
        "import os; from tests.tiny import tiny_rows; from volano.core.events import Events\n"
        "from volano.train.encoders.base import *; from volano.models.tokens import Tokens\n"
        "e._SEGMENT_SECONDS, e._BATCH_ROWS = 0.0, 4\n"
        "def die(event):\n"
        "    if event.done >= int(sys.argv[3]): os.kill(os.getpid(), 9)\n"
        "b = open_base(sys.argv[1], 'en', Path(), Events())\n"
        "ids = Tokens.load(tokenizer_bytes(b), 64).encode([r['body'] for r in tiny_rows()])\n"
        "found = e.Frozen(b, 'mean', 'auto', Path(sys.argv[2]), Events((die,))).embed(ids)\n"
        "print(found.num_cached, __import__('hashlib').sha256(found.vectors_ND).hexdigest())"
    )

    def run(cache: str, dies_at: int) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tiny_base), str(tmp_path / cache), str(dies_at)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, -9), done.stderr
        return done.stdout.split()

    assert run("killed", 30) == []
    num_cached, resumed = run("killed", 1000)
    assert int(num_cached) >= 24
    assert run("calm", 1000) == ["0", resumed]


def test_the_body_is_kept_as_its_module_names_it(tiny_base: Path, tmp_path: Path) -> None:
    from volano.models.encoder import Shape, load_encoder

    base = base_of(tiny_base)
    first = frozen(base, tmp_path).body()
    assert set(first) == set(frozen(base, tmp_path).body())
    module = load_encoder(base.folder / "config.json", Shape("mean", "linear", 1, 64))
    assert set(module.body.state_dict()) == set(first)
    assert "torch" not in {array.__class__.__module__ for array in first.values()}


def test_what_was_used_longest_ago_goes_first(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_of(tiny_base)
    ids = numbers(base, TEXTS)
    for start in (0, 20):
        frozen(base, tmp_path).embed(ids[start : start + 20])
    old, recent = segments(tmp_path)
    os.utime(old, (1, 1))
    os.utime(recent, (2, 2))
    long_ago = time.time() - 7200
    half = old.parent / "half.1.new"
    half.write_bytes(b"")
    os.utime(half, (long_ago, long_ago))
    monkeypatch.setattr(embeddings, "MOST_BYTES", 2 * recent.stat().st_size + 2000)
    embeddings._write(old.parent, b"the newest" + bytes(recent.stat().st_size))
    embeddings._prune(tmp_path)
    assert not old.exists()
    assert recent.exists()
    assert not half.exists()


def test_other_code_is_another_cache(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, ids = base_of(tiny_base), numbers(base_of(tiny_base), TEXTS[:5])
    frozen(base, tmp_path).embed(ids)
    assert frozen(base, tmp_path).embed(ids).num_fresh == 0
    monkeypatch.setattr(embeddings, "code_hash", lambda rooms: "-".join(sorted(rooms)))
    assert frozen(base, tmp_path).embed(ids).num_fresh == 5
    assert frozen(base, tmp_path).embed(ids).num_fresh == 0


def test_a_full_disk_costs_the_cache_and_nothing_else(tmp_path: Path) -> None:
    lines = on_small_disk(
        tmp_path,
        """
        import numpy as np
        from volano.core.events import Events
        from volano.train.encoders import embeddings
        from volano.train.learner import Base

        class Wide(embeddings.Frozen):
            def _encode(self, texts):  # 1.2 MB for each text: there is room for three
                return np.stack([np.full(300_000, text[0], np.float32) for text in texts])

        embeddings._SEGMENT_SECONDS, embeddings._BATCH_ROWS = 0.0, 1
        say = lambda event: print(event.text) if event.kind == "warning" else None
        texts = [np.array([number], np.int32) for number in range(8)]
        wide = Wide(Base("b", disk, "hash"), "mean", "float32", disk / "cache", Events((say,)))
        found = wide.embed(texts)
        assert found.vectors_ND[:, 0].tolist() == list(range(8))
        answer("after", 100_000)
        print(*{path.suffix for path in (disk / "cache").glob("*/*")})
        """,
    )
    warning, suffixes = lines
    assert "the disk is full" in warning
    assert suffixes == ".safetensors"
