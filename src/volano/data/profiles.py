"""What a column looks like, for guessing which part it plays."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any

from volano.core.cells import read_number
from volano.data.moments import read_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NAMES", "Column", "split_separator"]

_WORDS = {
    "text": """text body message content utterance sentence comment review description question
        query ask 文本 正文 内容 消息 评论 描述 问题 句子""",
    "title": "title headline summary 标题 摘要",
    "target": """label labels target class category intent topic tag tags sentiment emotion
        标签 类别 分类 意图 主题 情感""",
    "subject": """customer user author client member account patient person uid sender
        客户 用户 作者 会员 账户 患者 病人 客户号 客户编号 用户号 用户编号 会员号 会员编号 患者编号
        病历号 身份证号 身份证号码 卡号 账号 学号 工号 员工编号""",
    "group": """tier segment gender sex region country channel plan language product department
        topic 等级 级别 性别 地区 渠道 语言 部门 产品""",
    "time": "time date created timestamp datetime when 时间 日期",
    "key": "id key uuid ticket number 编号 序号 工单",
}
# Words of a column name that tell its part, the most telling first.
NAMES: Mapping[str, tuple[str, ...]] = {part: tuple(w.split()) for part, w in _WORDS.items()}
_SEPARATORS = (",", ";", "|", "，", "；", "、", "/")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_SAMPLE = 5_000
_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class Column:
    """A column's name and its cells as text, empty ones as ``""``."""

    name: str
    cells: tuple[str, ...]

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> Column:
        """A column of any values."""
        return cls(name, tuple("" if v is None else str(v).strip() for v in values))

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value stands; empty cells are no value."""
        return Counter(cell for cell in self.cells if cell)

    @property
    def num_filled(self) -> int:
        """Cells that hold something."""
        return self.counts.total()

    @property
    def num_values(self) -> int:
        """Different values."""
        return len(self.counts)

    @property
    def variety(self) -> float:
        """Different values per filled cell: 1 where no value stands twice."""
        return self.num_values / max(self.num_filled, 1)

    @cached_property
    def mean_length(self) -> float:
        """Characters of a filled cell; a Chinese one counts as two."""
        sample = [cell for cell in self.cells[:_SAMPLE] if cell]
        wide = sum(len(cell) + sum(c > "\u2e80" for c in cell) for cell in sample)
        return wide / max(len(sample), 1)

    @cached_property
    def is_prose(self) -> bool:
        """Whether most cells are words: with spaces between them, or in a script without."""
        sample = [cell for cell in self.cells[:_SAMPLE] if cell]
        prose = sum(" " in cell or any(c > "\u2e80" for c in cell) for cell in sample)
        return prose > 0.3 * len(sample)

    @cached_property
    def is_numeric(self) -> bool:
        """Whether nearly all filled cells are numbers, as people write them."""
        numbers = sum(count for value, count in self.counts.items() if _is_number(value))
        return bool(self.counts) and numbers >= _NEARLY_ALL * self.num_filled

    @cached_property
    def is_time(self) -> bool:
        """Whether nearly all filled cells are dates or times."""
        filled = [cell for cell in self.cells[:200] if cell]
        if not filled or self.is_numeric:
            return False
        return all(read_seconds(cell.strip()) is not None for cell in filled)

    @property
    def is_row_number(self) -> bool:
        """Whether it only counts the rows, from any number up."""
        if not all(cell.isdecimal() for cell in self.cells):
            return False
        first = int(self.cells[0])
        return all(int(cell) == first + place for place, cell in enumerate(self.cells))

    def hint(self, part: str) -> float:
        """How strongly the name tells that it plays ``part``, 0 to 1."""
        name = re.sub(r"([a-z])([A-Z])", r"\1_\2", self.name).casefold()
        words = re.split(r"[\W_]+", name)
        known = NAMES[part]
        for place, word in enumerate(known):
            if word in words or (word > "\u2e80" and word in name):
                return 1.0 - 0.5 * place / len(known)
        return 0.0


def _is_number(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value)) or (":" not in value and isfinite(read_number(value)))


def split_separator(column: Column) -> str:
    """What separates several labels in a cell: splitting by it leaves far fewer values."""
    for separator in _SEPARATORS:
        joined = [value for value in column.counts if separator in value]
        if sum(column.counts[value] for value in joined) < 0.01 * column.num_filled:
            continue
        parts = {part.strip() for value in column.counts for part in value.split(separator)} - {""}
        alone = {value for value in column.counts if separator not in value}
        within = {part.strip() for value in joined for part in value.split(separator)} - {""}
        if len(parts) < column.num_values and len(within & alone) >= 0.5 * len(within):
            return separator
    return ""
