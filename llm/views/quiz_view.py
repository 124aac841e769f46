"""Do I know it now? Questions to check oneself with, each with an explanation of its answer.

The questions of the chapters are files of TOML beside the models: ``assets/NAME.quiz.toml``, a
table ``[[question]]`` for each, whose keys are the arguments of `Question`.
"""

import hashlib
import html
import json
import math
import re
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path

from llm.views.view import FOLDER, View, strings

ASSETS = FOLDER.parent / "assets"
ENDING = ".quiz.toml"
COLUMNS = 88  # letters on a line of plain text


class Question:
    """A question, its answer and the reason ``why``. Text in `backticks` is shown as code.

    - One right choice: ``Question("…", choices=["a", "b"], answer="a", why="…")``
    - Several: the same with a list, ``answer=["a", "c"]``
    - A number: ``Question("…", answer=0.562, tolerance=0.005, why="…")``
    - To think about: ``Question("…", why="…")``; the reader compares and says who was right.

    ``hints`` say something about a wrong choice, or about a wrong number within ``tolerance``.
    Raises ``ValueError`` for an answer or hint that fits no choice, and for what is no question.
    """

    def __init__(
        self,
        text: str,
        *,
        why: str,
        choices: Iterable[str] = (),
        answer: str | Iterable[str] | float | None = None,
        tolerance: float = 0.0,
        hints: dict[str | float, str] | None = None,
    ):
        self.text, self.why = _text(text, "question"), _text(why, "why")
        self.choices = [_text(choice, "choice") for choice in choices]
        self.tolerance, self.hints = tolerance, hints or {}
        if self.choices:
            self.kind = "one" if isinstance(answer, str) else "several"
            self.answer = self._places(answer)
        else:
            self.kind = "thought" if answer is None else "number"
            self.answer = None if answer is None else _number(answer, "answer")
        self._check_tolerance()
        self.hints = self._checked_hints()

    def payload(self, inline: bool = True) -> dict:
        """The question as JSON; choices are named by their places."""
        names = ("kind", "text", "why", "choices", "answer", "tolerance", "hints")
        return {name: getattr(self, name) for name in names}

    def told(self) -> str:
        """The answer and its reason, as a text."""
        if self.kind == "thought":
            return self.why
        right = (
            [f"{self.answer:g}"]
            if self.kind == "number"
            else map(self.choices.__getitem__, self.answer)
        )
        return f"{'; '.join(right)}. {self.why}"

    def _places(self, answer) -> list[int]:
        """Where the right choices stand among all."""
        if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
            raise ValueError(f"give at least two choices, all different, got {self.choices}")
        answers = [answer] if isinstance(answer, str) else list(answer or ())
        answers = [_text(a, "answer") for a in answers]
        if not answers or not set(answers) <= set(self.choices):
            raise ValueError(f"answer {answer!r} must be among the choices {self.choices}")
        return sorted({self.choices.index(a) for a in answers})

    def _check_tolerance(self) -> None:
        if _number(self.tolerance, "tolerance") < 0:
            raise ValueError(f"tolerance must not be negative, got {self.tolerance}")
        if self.tolerance and self.kind != "number":
            raise ValueError(f"tolerance={self.tolerance} needs a number as answer, and no choices")

    def _checked_hints(self) -> list[list]:
        """Pairs of a wrong answer and what to say of it."""
        if self.kind == "number":
            hints = [[_number(key, "hint for"), hint] for key, hint in self.hints.items()]
            wrong = [key for key, _ in hints if abs(key - self.answer) > self.tolerance]
        else:
            places = {choice: i for i, choice in enumerate(self.choices)}
            hints = [[places.get(_text(k, "hint for")), hint] for k, hint in self.hints.items()]
            wrong = [key for key, _ in hints if key is not None and key not in self.answer]
        if len(wrong) < len(hints):
            raise ValueError(f"a hint belongs to a wrong answer, got hints for {[*self.hints]}")
        return [[key, _text(hint, "hint")] for key, hint in hints]


class Quiz(View):
    """Questions with answers to check, hints, and a score of what was right at the first try.

    The questions are :class:`Question` objects, or those of a chapter by its name, or of a TOML
    file by its :class:`pathlib.Path`. Answers stay in the reader's browser. Raises ``ValueError``
    for no question, for something else, and for a name or a file that gives none.

    >>> Quiz("tokenization")
    Quiz(6 questions)
    """

    name = "quiz"

    def __init__(
        self,
        *questions: Question | str | Path,
        title: str | None = None,
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        self.title = None if title is None else _text(title, "title")
        self.questions = [question for source in questions for question in _questions(source)]
        if not self.questions:
            raise ValueError('a quiz needs a question: Quiz(Question("…", why="…"))')

    def __repr__(self) -> str:
        return f"Quiz({len(self.questions)} question{'s' * (len(self.questions) > 1)})"

    def payload(self, inline: bool = True) -> dict:
        """Title and questions, with a digest by which kept answers know their questions."""
        questions = [question.payload() for question in self.questions]
        digest = hashlib.sha256(json.dumps(questions).encode()).hexdigest()[:10]
        return {"title": self._heading(), "digest": digest, "questions": questions}

    def describe(self) -> str:
        """The questions, and at the end the answers."""
        start = f"{self!r}: {self._heading()}"
        words = strings(self.name)
        return "\n".join([start, *self._lines(_asked), words["answers"], *self._lines(_told)])

    def fallback(self) -> str:
        """The questions as a list, each with its answer folded away."""
        words = strings(self.name)
        items = "".join(_item(question, words["answer"]) for question in self.questions)
        return f'<p class="llm-question">{html.escape(self._heading())}</p><ol>{items}</ol>'

    def figure(self):
        """The questions and their choices as text, without the answers."""
        from llm.plots import Figure, _drawable
        from llm.style import INK, figure_style

        lines = [self._heading(), *self._lines(_asked)]
        style = {"family": "DejaVu Sans Mono", "size": 8, "color": INK["light"], "va": "top"}
        with figure_style():
            figure = Figure(figsize=(8, 0.14 * len(lines) + 0.2))
            figure.text(0.02, 0.98, "\n".join(map(_drawable, lines)), parse_math=False, **style)
        figure.description = repr(self)
        return figure

    def _lines(self, part) -> list[str]:
        """The lines that ``part`` makes of each question and its number."""
        return [line for i, question in enumerate(self.questions, 1) for line in part(i, question)]

    def _title(self) -> str:
        return self.title or super()._title()

    def _heading(self) -> str:
        """The line above the questions."""
        words = strings(self.name)
        return self.title or words["question"]


def _questions(source: Question | str | Path) -> list[Question]:
    """The questions of a chapter or a file; a question by itself."""
    if isinstance(source, Question):
        return [source]
    if isinstance(source, Path):
        return _read(source)
    names = sorted(path.name.removesuffix(ENDING) for path in ASSETS.glob(f"*{ENDING}"))
    if source not in names:
        raise ValueError(f"give Question(…), a Path, or one of {', '.join(names)}, got {source!r}")
    return _read(ASSETS / f"{source}{ENDING}")


def _read(path: Path) -> list[Question]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["question"]
        return [Question(**table) for table in tables]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no quiz ({type(error).__name__}: {error}): give each question a table "
            "[[question]] with text, why, and choices and answer"
        ) from error


def _text(value: str, what: str) -> str:
    """``value`` without lone surrogates; ``ValueError`` where it is no text."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{what} must be a text, got {value!r}")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(value: float | str, what: str) -> float:
    """``value`` as a finite number; keys of a TOML file are texts."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{what} must be a finite number, or give choices, got {value!r}")
    return number


def _asked(number: int, question: Question) -> list[str]:
    """A question with its choices as lines of plain text."""
    sign = {"one": "( ) ", "several": "[ ] "}.get(question.kind, "")
    choices = [line for c in question.choices for line in _wrapped(c, f"   {sign}")]
    return [*_wrapped(question.text, f"{number}. "), *choices]


def _told(number: int, question: Question) -> list[str]:
    return _wrapped(question.told(), f"{number}. ")


def _wrapped(text: str, start: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS, initial_indent=start, subsequent_indent=" " * len(start))


def _item(question: Question, word: str) -> str:
    choices = "".join(f"<li>{_marked(choice)}</li>" for choice in question.choices)
    return (
        f"<li><p>{_marked(question.text)}</p>{choices and f'<ul>{choices}</ul>'}"
        f"<details><summary>{word}</summary><p>{_marked(question.told())}</p></details></li>"
    )


def _marked(text: str) -> str:
    """``text`` as HTML, with what stands in backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))
