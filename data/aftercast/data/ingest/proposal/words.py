"""Words of people for the values that the contract lists, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aftercast.data.contract import TABLES
from aftercast.data.ingest.proposal.contents import Content
from aftercast.data.ingest.proposal.names import EXACT, likeness

WORDS: Final[Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]]] = {
    ("repairs", "kind"): {
        "corrective": ("repair", "breakdown", "unplanned", "failure", "emergency", "fault", "reactive", "cm",
                       "维修", "故障维修", "纠正", "抢修", "事后", "故障"),
        "preventive": ("preventative", "planned", "scheduled", "periodic", "routine", "pm",
                       "保养", "预防", "定期", "计划"),
        "proactive": ("predictive", "condition based", "预测", "主动"),
        "inspection": ("inspect", "check", "检查", "巡检", "点检"),
    },
    ("repairs", "outcome"): {
        "fault_confirmed": ("confirmed", "fault found", "repaired", "已修复", "确认故障"),
        "no_fault_found": ("nff", "no fault", "not reproducible", "无故障", "未发现故障"),
        "replaced": ("exchange", "更换", "已更换"),
        "adjusted": ("adjust", "calibrated", "调整", "校准"),
        "customer_education": ("training", "instruction", "用户指导"),
        "unknown": ("other", "未知", "其他"),
    },
    ("contacts", "kind"): {
        "complaint": ("complaint", "投诉"),
        "question": ("inquiry", "enquiry", "information", "咨询", "询问"),
        "repair_request": ("repair", "service request", "报修", "维修申请"),
        "survey": ("feedback", "回访", "调查"),
    },
    ("actions", "arm"): {"treated": ("treatment", "done", "执行"), "holdout": ("control", "对照")},
}  # fmt: skip


def map_word(word: str, choices: tuple[str, str]) -> str | None:
    """Value of the contract that a word stands for, None where nobody can tell.

    >>> map_word("Breakdown repair", ("repairs", "kind")), map_word("PM01", ("repairs", "kind"))
    ('corrective', None)
    """
    known = WORDS.get(choices, {})
    scores = sorted(((_likeness(word, (value, *others)), value) for value, others in known.items()), reverse=True)
    if not scores or scores[0][0] == 0:
        return None
    best = [value for score, value in scores if score == scores[0][0]]
    return best[0] if len(best) == 1 else None


def _likeness(word: str, known: tuple[str, ...]) -> float:
    """Likeness to words, to short ones only where it is the very same; codes with digits are like none."""
    if any(sign.isdigit() for sign in word):
        return 0.0
    near = (likeness(word, each) for each in known)
    return max(
        (like for like, each in zip(near, known, strict=True) if like == EXACT or len(each) > 3 or not each.isascii()),
        default=0.0,
    )


def can_map(content: Content, choices: tuple[str, str]) -> bool:
    """Whether every word of a column stands for a value of the contract."""
    listed = TABLES[choices[0]].column(choices[1])
    values = () if listed is None or listed.choices is None else listed.choices
    return all(word in values or map_word(word, choices) is not None for word in content.held)
