"""A file of a million short rows, collected, prepared and reported: seconds and peak memory.

Each size runs in a fresh process, so that its peak is its own. Rows are seeded: English, Chinese
and both, of some 150 bytes, with labels and times; among them exact duplicates, texts with an edit,
texts under two labels and lines that are broken. What was planted has to be found, or this ends
with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 1_000_000
SIZES = (100_000, 250_000, LARGEST)
GOALS = {"seconds": 40.0, "megabytes": 2_500.0}  # for a million rows
LABELS = 60
# Of a hundred rows: so many are an earlier row again, an edit of it, or it under another label.
AGAIN, EDITED, DISPUTED = 3.0, 3.0, 0.5
BROKEN = 0.2
SYLLABLES = (
    *(
        "ba",
        "ce",
        "di",
        "fo",
        "gu",
        "ha",
        "ki",
        "lo",
        "mu",
        "ne",
        "pa",
        "ri",
        "so",
        "tu",
        "va",
        "we",
    ),
    *("xi", "yo", "za", "ther", "tion", "ing", "ment", "ous"),
)
FUNCTION = [
    *("the", "a", "to", "my", "and", "is", "in", "of", "i", "it", "for", "on", "was", "with"),
    *("have", "not", "that", "but", "at", "please"),
]
HAN = (
    "我的卡在哪里银行账户密码忘记请帮忙处理订单还没有到货退款什么时候可以收到快递公司地址修改电话"
    "客服系统登录不了手机验证码一直提示错误支付成功但是显示失败发票开具公司名称会员积分兑换商品"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="*", help="sizes to measure")
    parser.add_argument("--again", action="store_true", help="a second turn on top, 1 % new rows")
    parser.add_argument("--source", choices=("csv", "parquet", "jsonl"), default="csv")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(measure(Path(asked.child), again=asked.again)))
        return 0
    missed = False
    head = "rows,MB,collect,prepare,report,all,cpu,rows/s,peak MB,B/row".split(",")  # noqa: SIM905
    print(("{:>9}" * len(head)).format(*head), "  load")
    for size in asked.rows or SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            planted = write_rows(Path(scratch) / "rows.csv", size, asked.seed)
            convert(Path(scratch) / "rows.csv", asked.source)
            options = ["--again"] if asked.again else []
            command = [sys.executable, __file__, "--child", scratch, *options]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        missed |= show(size, found, planted)
    return int(missed)


def show(size: int, found: dict[str, Any], planted: dict[str, int]) -> bool:
    """Print a line; whether a goal or something planted was missed."""
    seconds = found["seconds"]
    total, peak = sum(seconds.values()), found["peak_mb"]
    cells = [f"{size:,}", f"{found['file_mb']:.0f}"]
    cells += [f"{seconds[stage]:.1f}" for stage in ("collect", "prepare", "report")]
    cells += [f"{total:.1f}", f"{found['cpu']:.1f}", f"{size / total:,.0f}", f"{peak:,.0f}"]
    cells.append(f"{(peak - found['idle_mb']) * 1e6 / size:,.0f}")
    print(("{:>9}" * len(cells)).format(*cells), f"  {os.getloadavg()[0]:.1f}", flush=True)
    missed = [
        f"{name}: {found[name]} of {count}"
        for name, count in planted.items()
        if not 0.95 * count <= found[name] <= 1.05 * count + 50
    ]
    if size >= LARGEST:
        missed += [f"{total:.1f} s"] if total > GOALS["seconds"] else []
        missed += [f"{peak:,.0f} MB"] if peak > GOALS["megabytes"] else []
    for line in missed:
        print(f"  missed: {line}")
    return bool(missed)


def measure(folder: Path, *, again: bool) -> dict[str, Any]:
    """Run the stages on ``rows.*`` in this process."""
    from volano.core.events import Events
    from volano.data import DataConfig, FieldsConfig, PrepareConfig, SourceConfig
    from volano.data.collect import CollectFeed, collect
    from volano.data.prepare import prepare
    from volano.data.report import data_page
    from volano.store.artifacts import ArtifactStore
    from volano.tasks import LabelsConfig, TextClassification

    (path,) = folder.glob("rows.*")
    store = ArtifactStore(str(folder / "artifacts"), folder / "cache")
    fields = FieldsConfig(text="text", target="label", time="at", group="tier")
    config = DataConfig(sources=(SourceConfig(path=path.name),), fields=fields)
    task, events = TextClassification(LabelsConfig()), Events((), "benchmark")
    idle_mb = held_mb()
    before = None
    watch = Watch()
    for turn in range(1 + again):
        if turn and path.suffix == ".csv":
            write_rows(folder / "more.csv", 2_000, 99)
            with path.open("a", encoding="utf-8") as file:
                file.writelines((folder / "more.csv").read_text("utf-8").splitlines(True)[1:])
        clock, seconds = time.perf_counter(), {}
        feed = CollectFeed(root=folder, previous=before[0] if before else None)
        began = used_seconds()
        collected = collect(config, task, feed, store, events)
        seconds["collect"], clock = time.perf_counter() - clock, time.perf_counter()
        last = before[1] if before else None
        prepared = prepare(PrepareConfig(), task, collected, last, 0, store, events)
        seconds["prepare"], clock = time.perf_counter() - clock, time.perf_counter()
        data_page(prepared, task, "en")
        seconds["report"] = time.perf_counter() - clock
        cpu, before = used_seconds() - began, (collected, prepared)
    dropped = prepared.card["dropped"]
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak_mb": watch.end(),
        "idle_mb": idle_mb,
        "file_mb": path.stat().st_size / 1e6,
        "broken": collected.card["counts"]["broken"],
        "repeated": dropped.get("duplicate", 0) + dropped.get("conflicting-label", 0),
        "in_clusters": len(prepared.examples["cluster"].drop_null()),
    }


def used_seconds() -> float:
    """Processor seconds of this process and of those that it has ended."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


def held_mb() -> float:
    """What this process and its workers hold now; pages that they share count twice."""
    own = Path("/proc/self")
    children = [one.read_text("utf-8") for one in own.glob("task/*/children")]
    pages = 0
    for pid in (str(os.getpid()), *" ".join(children).split()):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
        except OSError:  # it has just ended
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Watch:
    """Looks at the memory every tenth of a second."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._is_over.wait(0.1):
            self._peak = max(self._peak, held_mb())

    def end(self) -> float:
        """The most that was held."""
        self._is_over.set()
        self._thread.join()
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        return max(self._peak, own)


def write_rows(path: Path, count: int, seed: int) -> dict[str, int]:
    """Write the file; what was planted in it."""
    chance = np.random.default_rng(seed)
    texts: list[str] = []
    labels: list[int] = []
    planted = {"broken": 0, "repeated": 0, "in_clusters": 0}
    fresh, draws = 0, chance.random(count) * 100
    pool, pool_labels = new_texts(chance, count)
    edited: set[int] = set()
    for draw in draws.tolist():
        is_planted = draw < AGAIN + EDITED + DISPUTED
        earlier = int(chance.integers(0, max(len(texts), 1))) if is_planted else 0
        if draw < AGAIN and texts:
            texts.append(texts[earlier])
            labels.append(labels[earlier])
            planted["repeated"] += 1
        elif AGAIN <= draw < AGAIN + EDITED and texts:
            edited |= {earlier, len(texts)}
            texts.append(edit(texts[earlier], chance))
            labels.append(labels[earlier])
        elif AGAIN + EDITED <= draw < AGAIN + EDITED + DISPUTED and texts:
            texts.append(texts[earlier])
            labels.append((labels[earlier] + 1) % LABELS)
            planted["repeated"] += 2
        else:
            texts.append(pool[fresh])
            labels.append(pool_labels[fresh])
            fresh += 1
    planted["in_clusters"] = len(edited)
    is_broken = (chance.random(count) * 100 < BROKEN).tolist()
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("text,label,at,tier\n")
        for n, (text, label, broken) in enumerate(zip(texts, labels, is_broken, strict=True)):
            day = f"2025-{n // 86_400 % 12 + 1:02}-03 {n % 86_400}"
            line = f"{text},topic-{label:02},{day},{'abc'[n % 3]}"
            file.write(f"{line},one cell too many\n" if broken else f"{line}\n")
    planted["broken"] = sum(is_broken)
    return planted


def new_texts(chance: np.random.Generator, count: int) -> tuple[list[str], list[int]]:
    """Texts that are not alike: words by Zipf's law, a third of them those of the label."""
    syllables = chance.integers(0, len(SYLLABLES), (20_000, 3))
    words = FUNCTION + ["".join(SYLLABLES[s] for s in row) for row in syllables.tolist()]
    pairs = chance.integers(0, len(HAN), (5_000, 2))
    chinese = ["".join(HAN[c] for c in row) for row in pairs.tolist()]
    labels = chance.integers(0, LABELS, count)
    kind = chance.random(count)
    texts = []
    for start in range(0, count, 10_000):
        size = min(10_000, count - start)
        english_NL = ranks(chance, (size, 26), len(words))
        chinese_NL = ranks(chance, (size, 30), len(chinese))
        for n in range(size):
            share, label = kind[start + n], int(labels[start + n])
            some = chinese_NL[n] if share > 0.55 else english_NL[n]
            if share > 0.95:
                told = [chinese[w] for w in some[:12]]
                texts.append("".join(told) + " " + " ".join(words[w] for w in english_NL[n, :12]))
            elif share > 0.55:
                texts.append("".join(chinese[w] for w in some[: 12 + label % 12]) + "。")
            else:
                told = [words[w] for w in some[: 14 + label % 12]]
                texts.append(" ".join([*told, f"{words[100 + label]}{start + n}"]))
    return texts, labels.tolist()


def ranks(chance: np.random.Generator, shape: tuple[int, int], count: int) -> NDArray[Any]:
    """Word numbers, low ones far more often."""
    found: NDArray[Any] = np.exp(chance.random(shape) * np.log(count)).astype(np.int64) - 1
    return found


def edit(text: str, chance: np.random.Generator) -> str:
    """One word or character of the middle said in another way."""
    middle = len(text) // 2 + int(chance.integers(0, 5))
    return f"{text[:middle]}{'x' if ' ' in text else '新'}{text[middle + 1 :]}"


def convert(path: Path, kind: str) -> None:
    """The same rows in another format; broken ones are left out."""
    if kind == "csv":
        return
    import pyarrow.csv
    import pyarrow.parquet as pq

    options = pyarrow.csv.ParseOptions(invalid_row_handler=lambda row: "skip")
    table = pyarrow.csv.read_csv(path, parse_options=options)
    path.unlink()
    if kind == "parquet":
        pq.write_table(table, path.with_suffix(".parquet"), row_group_size=65_536)
        return
    with path.with_suffix(".jsonl").open("w", encoding="utf-8") as file:
        for batch in table.to_batches(65_536):
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())


if __name__ == "__main__":
    sys.exit(main())
