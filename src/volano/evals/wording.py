"""Tables of our own for texts that are altered by rule: keys, look-alikes, words of one meaning.

What a table says of a pair holds where the pair stands in almost any text: a word that is only
sometimes the same as another is left out, and so is what a label may hang on (thanks, numbers,
negations, opposites).
"""

from __future__ import annotations

from typing import TypeAlias

__all__ = [
    "CLOSINGS",
    "CONTRACTIONS",
    "ENGLISH",
    "GREETINGS",
    "KEPT_CHARACTERS",
    "KEPT_WORDS",
    "LOOK_ALIKES",
    "NEIGHBOURS",
    "Phrases",
    "QUESTIONS",
    "SYNONYMS",
]

Phrases: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """The letters beside each letter on a keyboard, and those above and below it."""
    place = {letter: (row, 2 * x + row) for row, keys in enumerate(_KEYS)
             for x, letter in enumerate(keys)}  # fmt: skip
    return {
        one: "".join(
            other
            for other, (row, x) in place.items()
            if other != one and abs(row - place[one][0]) <= 1 and abs(x - place[one][1]) <= 2
        )
        for one in place
    }


NEIGHBOURS = _neighbours()

# Words that no typing error may touch or make.
_KEPT = (
    "no not nor none never nobody nothing nowhere neither without cannot cant dont doesnt didnt "
    "isnt arent wasnt werent wont wouldnt couldnt shouldnt hasnt havent hadnt unable hardly barely "
    "only more less before after"
)
KEPT_WORDS = frozenset(_KEPT.split())
# Negations, numbers, and what turns into its opposite by one stroke or by its place.
KEPT_CHARACTERS = frozenset(
    "不没无未非别勿莫否休禁免零〇一二三四五六七八九十百千万亿两半第上下左右前后大小多少高低"
    "买卖进出入内外男女开关早晚来去增减加"
)

# Characters that are typed or read for each other, by sound or by shape.
_ALIKE = (
    "的得地 在再 做作 那哪 他她它 已以 账帐 像象向 须需 型形 按安 带戴 座坐 份分 班般 决绝 尽进 "
    "练炼 历厉 密秘 迷谜 漂飘 气汽 清请情 晴睛 时是事 熟孰 提题 同通 完玩 往网 望忘 为位 问闻 "
    "物务 现线 想响 消销 信心 行型 姓性 续序 要药 也页 应因 用永 由邮 于与 原元 员圆 愿缘 找照 "
    "折拆 真直 整正 支只 值置 至致 质制 中种 重种 住主 注柱 状壮 准淮 资自 总综 组阻 己已 土士 "
    "日曰 人入 话活 扣和 退推 递梯 快块 单旦 钱线 换唤 包饱 裹果 登蹬 录绿 码吗 验检 证征 件建 "
    "箱相 订定 金今 银根 卡咔 转传 电由 视现"
)


def _look_alikes() -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for group in _ALIKE.split():
        usable = set(group) - KEPT_CHARACTERS
        for one in usable:
            found.setdefault(one, set()).update(usable - {one})
    return {one: "".join(sorted(others)) for one, others in found.items() if others}


LOOK_ALIKES = _look_alikes()

# Words by which a text is known for English: so common that few texts lack all of them.
_COMMON = (
    "the i my me you your is are am be to of and it its this that for have has do does did how "
    "what when where why which can could will would i'm i've don't can't it's isn't with on but"
)
ENGLISH = frozenset(_COMMON.split())

# Each is a pattern and what it becomes; the last word of a sentence is never shortened.
_NEXT = r"(?=\s+[a-z])"
CONTRACTIONS: tuple[tuple[str, str], ...] = (
    (r"\bI['’]m\b", "I am"),
    (r"\bI['’]ve\b", "I have"),
    (r"\bI['’]ll\b", "I will"),
    (r"\b(you|we|they)['’]re\b", r"\1 are"),
    (r"\b(you|we|they)['’]ve\b", r"\1 have"),
    (r"\b(it|that|what|where|how|there)['’]s\b(?!\s+(?:been|got|had|gone|\w+ed)\b)", r"\1 is"),
    (r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should)n['’]t\b", r"\1 not"),
    (r"\bcan['’]t\b", "cannot"),
    (r"\bwon['’]t\b", "will not"),
    (r"\bI am" + _NEXT, "I'm"),
    (r"\bI will" + _NEXT, "I'll"),
    (r"\bI have(?=\s+(?:not|never|been|got|lost|made|sent|tried|had|already|just)\b)", "I've"),
    (r"\b(you|we|they) are" + _NEXT, r"\1're"),
    (r"\b(it|that|what|where) is" + _NEXT, r"\1's"),
    (r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should) not" + _NEXT, r"\1n't"),
    (r"\b(?:cannot|can not)\b", "can't"),
)

GREETINGS = {
    "en": ("Hi, ", "Hello, ", "Good day, ", "Excuse me, "),
    "zh": ("您好，", "你好，", "打扰一下，", "您好！"),
}
CLOSINGS = {
    "en": ("Kind regards", "Best regards", "Best wishes", "Regards"),
    "zh": ("麻烦了。", "麻烦看一下。", "劳驾了。"),
}

# Phrases of one meaning; each may become any other of its line.
_SAME_ENGLISH = (
    "want to/would like to/wish to",
    "need to/have to",
    "how do i/how can i",
    "tell me/let me know",
    "help me/assist me",
    "right away/immediately/at once",
    "begin/start",
    "often/frequently",
    "maybe/perhaps",
    "almost/nearly",
    "wrong/incorrect",
    "purchase/buy",
    "purchased/bought",
    "mobile phone/cell phone",
    "picture/photo",
    "movie/film",
    "kids/children",
    "a lot of/lots of/plenty of",
    "at the moment/right now/currently",
    "as soon as possible/asap",
    "is it possible to/is there a way to",
    "why is that/how come",
    "difficult/hard",
    "large/big",
    "allowed to/permitted to",
    "got/received",
    "strange/odd",
    "seems to/appears to",
    "show me/let me see",
    "information/info",
    "approximately/roughly",
)
# One way only: what stands on the left in running text, with what may not stand beside it.
_SAME_CHINESE: Phrases = (
    ("我想(?![要念起到法不是])", ("我要",)),
    ("我要(?![求不么紧是])", ("我想",)),
    ("怎么(?![样了着办回都也])", ("如何", "怎样")),
    ("如何(?!是好)", ("怎么", "怎样")),
    ("怎样", ("怎么",)),
    ("为什么", ("为何",)),
    ("为何", ("为什么",)),
    ("什么时候", ("何时",)),
    ("(?<!几)何时", ("什么时候",)),
    ("能不能", ("可不可以", "能否")),
    ("可不可以", ("能不能", "可否")),
    ("(?<![出显体表实重])现在", ("目前", "如今")),
    ("目前", ("现在",)),
    ("马上", ("立刻",)),
    ("立刻|立即", ("马上",)),
    ("帮我", ("替我",)),
    ("因为", ("由于",)),
    ("(?<!不)但是", ("不过",)),
    ("可是", ("但是",)),
    ("如果", ("要是",)),
    ("要是", ("如果",)),
    ("非常(?![规时])", ("十分",)),
    ("已经", ("已",)),
    ("告诉", ("告知",)),
    ("大概", ("大约",)),
    ("经常", ("常常",)),
    ("突然", ("忽然",)),
    ("一直", ("始终",)),
    ("刚刚", ("刚才",)),
    ("没有收到", ("没收到",)),
    ("没收到", ("没有收到",)),
    ("哪里", ("哪儿",)),
    ("这里", ("这儿",)),
    ("觉得", ("感觉",)),
)


def _either_way(lines: tuple[str, ...]) -> Phrases:
    phrases = [line.split("/") for line in lines]
    return tuple(
        (rf"\b{one}\b", tuple(other for other in line if other != one))
        for line in phrases
        for one in line
    )


# By language, each a pattern and what it may become.
SYNONYMS: dict[str, Phrases] = {"en": _either_way(_SAME_ENGLISH), "zh": _SAME_CHINESE}

# How something is asked: by language, a pattern over the whole text and what it may become.
_ASKED_IN_ENGLISH: Phrases = (
    (r"^how (?:do|can) i (.+?)\s*\?*$", (r"Can you tell me how to \1?", r"What do I do to \1?")),
    (r"^can you (.+)$", (r"Could you \1", r"Would you \1")),
    (r"^could you (.+)$", (r"Can you \1",)),
    (r"^can i (.+)$", (r"Am I able to \1", r"May I \1")),
    (r"^is there a way to (.+)$", (r"Is it possible to \1",)),
    (
        r"^((?:why|what|when|where|which|who|how|is|are|do|does|did|has|have|will) .+\?)$",
        (r"I have a question: \1", r"I would like to know: \1"),
    ),
)
_ASKED_IN_CHINESE: Phrases = (
    (r"^请(?![问求教客假示])(.+)$", (r"麻烦\1", r"麻烦您\1")),
    (r"^能(?![不否够])([^，。？！]+)吗([？?]?)$", (r"能不能\1\2", r"能否\1\2")),
    (r"^能不能([^，。？！]+?)([？?]?)$", (r"能\1吗\2",)),
    (r"^可以([^，。？！]+)吗([？?]?)$", (r"可不可以\1\2",)),
    (r"^(?!.*请问)(.*(?:吗|怎么|如何|什么|多少|哪里|为何|能不能|是不是|是否|[？?]).*)$",
     (r"请问\1", r"请问一下，\1", r"想问一下，\1")),
    (r"^(.*(?:怎么|如何|什么|多少|哪里|为何|能不能).*[^吗呢吧啊呀])([？?]?)$", (r"\1呢\2",)),
)  # fmt: skip
QUESTIONS: dict[str, Phrases] = {"en": _ASKED_IN_ENGLISH, "zh": _ASKED_IN_CHINESE}
