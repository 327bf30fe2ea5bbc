"""Questions that data leave open, each with a name by which an answer is given, at a prompt or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

NONE: Final = "none"
"""Answer that leaves a thing out."""
SECTION: Final = "answers"


@dataclass(frozen=True)
class Question:
    """One thing nobody can know from the data.

    Attributes
    ----------
    name
        By which it is answered, as ``repairs.kind.PM01``.
    text
        For people, with an example of the data.
    choices
        The only answers; empty where it is open.
    example
        An answer to show where it is open.
    """

    name: str
    text: str
    choices: tuple[str, ...] = ()
    example: str = ""

    @property
    def line(self) -> str:
        """Line of an answers file, to be completed."""
        options = f"   # one of {', '.join(self.choices)}" if self.choices else ""
        return f'"{self.name}" = "{self.example or self.choices[0]}"{options}'


@dataclass
class Inquiry:
    """Answers given so far, the questions still open, and what was assumed without asking."""

    answers: Mapping[str, str]
    questions: dict[str, Question] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def ask(
        self,
        question: Question,
        check: Callable[[str], object] | None = None,
    ) -> str | None:
        """Return the answer; None while there is none.

        Raises
        ------
        InputError
            If the answer is none of the choices, or the check refuses it.
        """
        answer = self.given(question.name)
        if answer is None:
            self.questions.setdefault(question.name, question)
            return None
        if question.choices and answer not in question.choices:
            said = f"'{answer}' is no answer to {question.name}."
            raise InputError(said, suggestion(answer, question.choices, "Answers"))
        if check is not None:
            check(answer)
        return answer

    def given(self, name: str) -> str | None:
        """Return the answer of this name, None where there is none."""
        if name in self.answers:
            self.used.add(name)
        return self.answers.get(name)

    def assume(self, text: str) -> None:
        """Note what was taken as so without asking."""
        if text not in self.assumed:
            self.assumed.append(text)


def flat_answers(raw: Mapping[str, Any]) -> dict[str, str]:
    """Answers of a file by name; tables within tables are names with points.

    >>> flat_answers({"answers": {"zone": "UTC", "repairs": {"kind": {"PM01": "corrective"}}}})
    {'zone': 'UTC', 'repairs.kind.PM01': 'corrective'}
    """
    return dict(_flat(raw.get(SECTION, raw), ""))


def _flat(content: Mapping[str, Any], before: str) -> Iterable[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def unanswered(questions: Iterable[Question], where: str) -> InputError:
    """Error that lists every open question with the line that answers it."""
    asked = list(questions)
    told = "\n".join(f"  {number}. {question.text}" for number, question in enumerate(asked, start=1))
    lines = "\n".join(f"  {question.line}" for question in asked)
    return InputError(
        f"{where} leaves {len(asked)} questions open:\n{told}\n",
        f"Answer them in a file, and name it with --answers FILE:\n  [{SECTION}]\n{lines}",
    )
