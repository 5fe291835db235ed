from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from volano.models import text_features
from volano.models.text_features import TextFeaturiser, TextSettings, normalise_text

if TYPE_CHECKING:
    from scipy import sparse

# Latin, accents as combining marks, ideograms (also beyond the basic plane), emoji, half of an
# emoji, NUL, every kind of space: what has broken tokenisers before.
ODD = "ab Ｚß İéé中文字𠀀𪚥한글カタ😀🏳️‍🌈\ud83d\udc00\x00\x1f\u2028\u200b\xa0\t\n.,!？、"
texts = st.text(st.one_of(st.sampled_from(ODD), st.characters(codec=None)), max_size=40)
CORPUS = [
    "The parcel is late again",
    "the parcel is LATE, again!",
    "包裹还没有到，快递太慢了",
    "包裹还没有送到吗",
    "ｆｕｌｌ width and 𠀀𠀁 beyond 𠀀𠀁",
    "full width 😀😀 beyond 😀",
    "",
]


def fitted(min_rows: int = 1, **wanted: object) -> TextFeaturiser:
    featuriser = TextFeaturiser(TextSettings(min_rows=min_rows, **wanted))  # type: ignore[arg-type]
    featuriser.fit_transform(CORPUS)
    return featuriser


FITTED = fitted()

GOLDEN_BUCKETS = [138305, 362071, 390948, 772010, 836668]
GOLDEN_ROWS = (81, "f375ba0d6d5cd21f")


def bits(rows: sparse.csr_array, place: int) -> tuple[bytes, bytes]:
    start, end = rows.indptr[place], rows.indptr[place + 1]
    return rows.indices[start:end].tobytes(), rows.data[start:end].tobytes()


@settings(max_examples=80, deadline=None)
@given(st.lists(texts, min_size=1, max_size=8), st.randoms(use_true_random=False))
@example(["\ud83d", "", "\x00", "a\u0301" * 50], None)
def test_a_text_has_the_same_bits_alone_and_in_any_batch(batch, rng) -> None:
    batch = [*batch, *CORPUS]
    if rng is not None:
        rng.shuffle(batch)
    together = FITTED.transform(batch)
    assert together.has_canonical_format
    for place, text in enumerate(batch):
        assert bits(together, place) == bits(FITTED.transform([text]), 0)


def test_a_very_long_text_has_the_same_bits_beside_others() -> None:
    long = " ".join(CORPUS) * 2000
    together = FITTED.transform([CORPUS[0], long, CORPUS[2]])
    assert bits(together, 1) == bits(FITTED.transform([long]), 0)
    assert bits(together, 2) == bits(FITTED.transform([CORPUS[2]]), 0)


def test_rows_laid_out_in_several_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = TextFeaturiser()
    rows = whole.fit_transform(CORPUS * 3)
    monkeypatch.setattr(text_features, "_CHUNK", 30)
    parts = TextFeaturiser()
    chunked = parts.fit_transform(CORPUS * 3)
    assert (rows != chunked).nnz == 0
    assert (
        whole.arrays()["features.buckets"].tobytes() == parts.arrays()["features.buckets"].tobytes()
    )


@settings(max_examples=100, deadline=None)
@given(texts)
@example("")
@example("包裹 parcel 包裹还没有到")
@example("\x00\x00a\x00")
def test_attributed_parts_add_up_to_the_product(text: str) -> None:
    weight_F = np.random.default_rng(0).normal(size=FITTED.width)
    product = float((FITTED.transform([text]) @ weight_F)[0])
    pieces = FITTED.attribute(text, weight_F)
    assert sum(part for _, part in pieces) == pytest.approx(product, abs=1e-5)
    assert "".join(piece for piece, _ in pieces) == "".join(
        char for char in normalise_text(text) if char > " "
    )


def test_features_are_those_of_format_one() -> None:
    """A change here changes every stored model's answers: it needs a new bundle format."""
    featuriser = fitted(min_rows=2)
    rows = featuriser.transform(CORPUS)
    assert featuriser.arrays()["features.buckets"][:5].tolist() == GOLDEN_BUCKETS
    digest = hashlib.sha256(rows.indices.tobytes() + rows.data.round(5).tobytes()).hexdigest()
    assert (featuriser.width, digest[:16]) == GOLDEN_ROWS


def test_chinese_without_spaces_shares_features_with_chinese_that_says_the_same() -> None:
    late, same, other = FITTED.transform(["包裹没到", "我的包裹还没有到", "怎么修改密码"])
    assert (late @ same.T) > 0.2
    assert (late @ other.T) == 0


def test_ideograms_beyond_the_basic_plane_are_words_of_their_own() -> None:
    pieces = [piece for piece, _ in FITTED.attribute("a𠀀😀b", np.ones(FITTED.width))]
    assert pieces == ["a", "𠀀", "😀", "b"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("ＡＢＣ１２", "abc12"), ("Straße", "STRASSE"), ("a \t\n b", "a b"), ("e\u0301", "é")],
)
def test_width_case_space_and_composition_are_folded(one: str, other: str) -> None:
    assert normalise_text(one) == normalise_text(other)


def test_texts_without_anything_in_them_give_no_features() -> None:
    featuriser = TextFeaturiser()
    assert featuriser.fit_transform(["", "  ", "\x00"]).shape == (3, 0)
    assert featuriser.transform(["something"]).shape == (1, 0)
    assert featuriser.transform([]).shape == (0, 0)
    assert FITTED.transform([]).shape == (0, FITTED.width)


def test_each_half_of_a_row_has_length_one() -> None:
    row = FITTED.transform([CORPUS[0]])
    assert float((row.data.astype(np.float64) ** 2).sum()) == pytest.approx(2.0, abs=1e-6)


def test_what_is_saved_reads_back_to_the_same_bits() -> None:
    again = TextFeaturiser.load(asdict(FITTED.settings), FITTED.arrays())
    assert bits(again.transform(CORPUS), 4) == bits(FITTED.transform(CORPUS), 4)


@pytest.mark.parametrize("fault", ["unsorted", "short"])
def test_saved_features_that_do_not_fit_are_refused(fault: str) -> None:
    arrays = FITTED.arrays()
    if fault == "unsorted":
        arrays["features.buckets"] = arrays["features.buckets"][::-1].copy()
    else:
        arrays["features.idf"] = arrays["features.idf"][:-1]
    with pytest.raises(ValueError, match="buckets"):
        TextFeaturiser.load(asdict(FITTED.settings), arrays)


@pytest.mark.parametrize(
    "wanted",
    [{"word_orders": (1,)}, {"char_orders": ()}, {"ideogram_orders": ()}, {"char_orders": (1, 2)}],
)
def test_other_orders_keep_rows_independent_of_their_batch(wanted: dict[str, object]) -> None:
    featuriser = fitted(**wanted)
    together = featuriser.transform(CORPUS)
    for place, text in enumerate(CORPUS):
        assert bits(together, place) == bits(featuriser.transform([text]), 0)
