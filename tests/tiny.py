"""Sixty bilingual rows and a project over them: small enough to turn the wheel in a second or two.

``tiny_project(tmp_path)`` is a whole project with its data file; keyword arguments are settings of
``volano.yaml``, whole sections: ``tiny_project(tmp_path, train={"learner": "bayes"})``.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from volano.core.events import Events
from volano.loop.project import Project
from volano.models import write_bundle
from volano.models.rows import ArrowRows
from volano.tasks.numbers import number_text
from volano.train.config import TrainConfig
from volano.train.learner import Lesson, TrainingSet
from volano.train.learners.text_linear import BAYES, LINEAR
from volano.train.tables.config import TreesConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from volano.train.learner import Fitted, Learner

__all__ = [
    "COLUMNS",
    "QUICK",
    "TEXTS",
    "fit",
    "nothing_of",
    "settings_of",
    "table_set",
    "tiny_bundle",
    "tiny_project",
    "tiny_rows",
    "training_set",
    "write_rows",
]

COLUMNS = ("id", "body", "topic", "tier", "customer")

TEXTS: Mapping[str, tuple[str, ...]] = {
    "delivery": (
        "My parcel has not arrived and the delivery is late",
        "When will the parcel be delivered to my house",
        "The courier says delivered, but no parcel arrived here",
        "Delivery tracking shows nothing, where is the parcel",
        "The parcel is late again, which courier do you use",
        "Can the courier deliver my parcel on Saturday",
        "Tracking has not moved, is my delivery lost",
        "The delivery went to the wrong house, find the courier",
        "How many days until delivery of the second parcel",
        "Courier left the parcel outside and it is gone",
        "我的快递还没有到，物流一直不动",
        "包裹什么时候送到，快递太慢了",
        "物流显示已经签收，可是没有收到包裹",
        "快递员没有打电话，包裹放在哪里",
        "物流信息三天没有更新，包裹丢了吗",
        "能不能让快递周六送到家里",
        "包裹送错地址了，请联系快递员",
        "下单五天了还没有发货，快递什么时候到",
        "快递单号查不到物流",
        "包裹还在路上吗，物流停在北京",
    ),
    "refund": (
        "I want my money back for this order",
        "Please refund the broken kettle to my card",
        "The refund was promised last week and I have no money",
        "Return the money, I sent the broken kettle back",
        "How do I return a kettle and get a refund",
        "Refund only half the price, why, it was broken",
        "I returned everything, when do I get the refund",
        "Is the money returned when I refuse the order",
        "Your refund form does not work for a return",
        "Money back please, the kettle arrived broken",
        "我要退款，水壶坏了",
        "退货已经寄回，退款什么时候到账",
        "申请退款一周了还没有退钱",
        "怎么退货退款，流程太麻烦",
        "退款只退了一半，为什么",
        "水壶是坏的，请马上退钱",
        "退货运费谁出，钱退到哪里",
        "拒收之后会退款吗",
        "退款页面打不开，没法退货",
        "商品坏了不想换，只要退钱",
    ),
    "account": (
        "I cannot log in, the password is wrong",
        "How do I change the email of my account",
        "Reset my password, the login link is dead",
        "My account is locked after three logins",
        "Delete my account and the email with it",
        "Login needs a code, but no email comes",
        "Somebody else uses my account and password",
        "Can two people share an account login",
        "The new password is not accepted at login",
        "Change the name on my account please",
        "我的账号登录不了，密码不对",
        "怎么修改账号绑定的邮箱",
        "忘记密码了，重置链接打不开",
        "账号被锁定，登录三次失败",
        "请注销我的账号和邮箱",
        "登录要验证码，可是收不到",
        "有人用我的账号登录，请改密码",
        "一个账号可以两个人登录吗",
        "新密码登录时不能用",
        "账号的名字怎么改",
    ),
}


def tiny_rows() -> list[dict[str, str]]:
    """The rows, labels mixed, two customers in three with one row each."""
    pairs = [(label, text) for row in zip(*TEXTS.values(), strict=True) for label, text in
             zip(TEXTS, row, strict=True)]  # fmt: skip
    return [
        {
            "id": f"R{place:02}",
            "body": text,
            "topic": label,
            "tier": "free" if place % 3 else "plus",
            "customer": f"C{place % 45:02}",
        }
        for place, (label, text) in enumerate(pairs)
    ]


def write_rows(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """Write rows as the project reads them."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def settings_of(**settings: Any) -> dict[str, Any]:
    """What ``volano.yaml`` of the tiny project says, ``settings`` laid over it by section."""
    return {
        "task": "text-classification",
        "data": {
            "sources": [{"path": "rows.csv", "licence": "CC0-1.0", "key": "id"}],
            "fields": {"text": "body", "target": "topic", "group": "tier", "subject": "customer"},
        },
        "effort": "quick",
        "prepare": {"split": {"test": 0.3, "validation": 0.1}},
        "evaluate": {"timed_requests": 10, "resamples": 200},
        **settings,
    }


def tiny_project(
    root: Path,
    rows: Iterable[Mapping[str, str]] | None = None,
    events: Events | None = None,
    **settings: Any,
) -> Project:
    """A project in ``root``, its rows and its file written, nothing run yet; close it after use."""
    root.mkdir(parents=True, exist_ok=True)
    write_rows(root / "rows.csv", tiny_rows() if rows is None else rows)
    # JSON is YAML, and needs no thought about quotes.
    written = json.dumps(settings_of(**settings), ensure_ascii=False, indent=1)
    (root / "volano.yaml").write_text(written, "utf-8")
    return Project.open(root, events=events)


QUICK = TrainConfig(folds=3, settings_tried=1, seed=0, trees=TreesConfig(rounds=100, seeds=1))


def training_set(
    texts: Sequence[str],
    targets: Sequence[str | Sequence[str]],
    units: Sequence[int] | None = None,
    weights: Sequence[float] | None = None,
    **more: Any,
) -> TrainingSet:
    """Rows as a learner gets them; a target is a label or a list of labels."""
    return TrainingSet(
        rows=[{"body": text} for text in texts],
        targets=[(label,) if isinstance(label, str) else tuple(label) for label in targets],
        unit_N=np.arange(len(texts)) if units is None else np.array(units, dtype=np.int64),
        weight_N=np.ones(len(texts)) if weights is None else np.array(weights, dtype=np.float64),
        text=("body",),
        **more,
    )


def table_set(
    rows: Sequence[Mapping[str, object]] | pa.Table,
    targets: Sequence[object],
    units: Sequence[int] | None = None,
    weights: Sequence[float] | None = None,
    **more: Any,
) -> TrainingSet:
    """Rows of a table as a learner gets them; targets are labels, lists of labels, or numbers."""
    found = ArrowRows(rows) if isinstance(rows, pa.Table) else rows
    columns = (
        rows.column_names
        if isinstance(rows, pa.Table)
        else dict.fromkeys(name for row in rows for name in row)
    )
    is_number = any(isinstance(one, int | float) for one in targets)
    return TrainingSet(
        rows=found,
        targets=[_target(one) for one in targets],
        unit_N=np.arange(len(found)) if units is None else np.array(units, dtype=np.int64),
        weight_N=np.ones(len(found)) if weights is None else np.array(weights, dtype=np.float64),
        columns=more.pop("columns", tuple(columns)),
        answers="number" if is_number else "labels",
        task="tabular-regression" if is_number else "tabular-classification",
        **more,
    )


def _target(one: Any) -> tuple[str, ...]:
    if isinstance(one, int | float):
        return (number_text(float(one)),)
    return (one,) if isinstance(one, str) else tuple(one)


def fit(
    rows: TrainingSet | None = None, learner: Learner = LINEAR, config: TrainConfig = QUICK
) -> Fitted:
    """A learner that builds on no other, fitted on these rows or on the tiny ones."""
    if rows is None:
        found = tiny_rows()
        rows = training_set([row["body"] for row in found], [row["topic"] for row in found])
    return learner.fit(Lesson(rows, nothing_of(rows)), config, Events())


def nothing_of(rows: TrainingSet) -> TrainingSet:
    """No rows, of the same kind."""
    none = rows.rows[:0], [], rows.unit_N[:0], rows.weight_N[:0]
    return replace(rows, **dict(zip(("rows", "targets", "unit_N", "weight_N"), none, strict=True)))


def tiny_bundle(folder: Path, rows: TrainingSet | None = None, learner: Learner = BAYES) -> Path:
    """A bundle in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    fitted = fit(rows, learner)
    write_bundle(folder, fitted.spec, fitted.arrays)
    return folder
