"""What customers write: a small grammar of English and Chinese sentences about a component, an outlet and a wait."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ENGLISH = {
    "open": ("Hello, ", "Good morning, ", "", "Hi team, ", "To whom it may concern: ", "Again: "),
    "complaint": (
        "the {part} has failed again",
        "I have waited {wait} days for {outlet}",
        "the {part} broke and nobody came",
        "your visit did not fix the {part}",
        "the noise from the {part} is back",
        "{outlet} never called me",
    ),
    "question": (
        "how often should the {part} be cleaned?",
        "is the {part} covered by warranty?",
        "where is {outlet}?",
        "which setting saves power?",
        "can I order a {part} myself?",
        "what does the blinking light mean?",
    ),
    "repair_request": (
        "please repair the {part}",
        "the {part} stopped working today",
        "the machine shows an error of the {part}",
        "I need a visit for the {part}",
        "water everywhere, I think it is the {part}",
        "the {part} overheats",
    ),
    "survey": (
        "the technician from {outlet} was kind",
        "the wait of {wait} days was long",
        "all good",
        "the {part} works again",
        "price is too high",
        "quick and clean work",
    ),
    "close": (".", ". Thank you.", ", please answer soon.", ". I am disappointed.", "!", ". Best regards"),
}
CHINESE = {
    "open": ("您好，", "你好，", "", "早上好，", "麻烦看一下，", "再次反映："),
    "complaint": (
        "{part}又坏了",
        "我等{outlet}上门等了{wait}天",
        "{part}坏了一直没人来",
        "上次没有修好{part}",
        "{part}又有异响",
        "{outlet}没有回电话",
    ),
    "question": (
        "{part}多久清洗一次？",
        "{part}在保修范围内吗？",
        "{outlet}在哪里？",
        "哪个档位省电？",
        "可以自己买{part}吗？",
        "指示灯闪是什么意思？",
    ),
    "repair_request": (
        "请安排维修{part}",
        "{part}今天不工作了",
        "机器显示{part}故障",
        "需要上门检查{part}",
        "漏水了，可能是{part}",
        "{part}过热",
    ),
    "survey": (
        "{outlet}的师傅态度很好",
        "等了{wait}天太久了",
        "一切都好",
        "{part}修好了",
        "价格太贵",
        "服务又快又干净",
    ),
    "close": ("。", "，谢谢。", "，请尽快回复。", "，非常失望。", "！", "，祝好。"),
}
PARTS_ZH = {"pump": "水泵", "motor": "电机", "heater": "加热器", "valve": "阀门"}


class Topic(NamedTuple):
    """What a message is about: component, outlet, days waited."""

    part: str
    outlet: str
    wait: int


def write_text(rng: np.random.Generator, kind: str, language: str, topic: Topic) -> str:
    """Return one message of a contact kind in ``en`` or ``zh``."""
    grammar = CHINESE if language == "zh" else ENGLISH
    words = [grammar[slot][int(rng.integers(6))] for slot in ("open", kind, "close")]
    part = PARTS_ZH[topic.part] if language == "zh" else topic.part
    return "".join(words).format(part=part, outlet=topic.outlet, wait=topic.wait)
