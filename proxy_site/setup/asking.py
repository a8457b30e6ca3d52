"""Asks questions, of a person at a terminal or of the flags that a script has given."""

from collections.abc import Callable, Mapping
from typing import Any

import questionary
from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from msgspec import Struct

from proxy_site.setup.screen import Screen

_STYLE = questionary.Style(
    [
        ("qmark", "fg:ansicyan bold"),
        ("question", "bold"),
        ("answer", "fg:ansigreen"),
        ("pointer", "fg:ansicyan bold"),
        ("highlighted", "fg:ansicyan"),
        ("instruction", "fg:ansibrightblack"),
        ("validation-toolbar", "noreverse fg:ansired"),
    ]
)
_LOOK: Mapping[str, Any] = {"qmark": "  ?", "style": _STYLE}
YES, NO = "yes", "no"


class Refused(ValueError):
    """An answer cannot be taken; says why in one sentence."""


class Question(Struct, frozen=True):
    """`flag` is the answer's name on the command line, without its dashes."""

    flag: str
    text: str
    why: str = ""
    """Explains it, in one line."""
    choices: tuple[tuple[str, str], ...] = ()
    """(answer, as it is shown); none: the answer is typed."""
    secret: bool = False
    check: Callable[[str], str] = str.strip
    """The answer as it is kept. Raises Refused."""


class Asker:
    """`given`: flag → answer, for those that are not to be asked."""

    def __init__(self, screen: Screen, given: Mapping[str, str], *, interactive: bool) -> None:
        self.interactive = interactive
        self._screen = screen
        self._given = given

    def has(self, flag: str) -> bool:
        return flag in self._given

    def ask(self, question: Question, default: str = "") -> str:
        """Raises KeyboardInterrupt, and CommandError for a flag that cannot be taken."""
        if question.flag in self._given:
            return self._checked(question, self._given[question.flag])
        if not self.interactive:
            return default
        self._screen.begin(apart=True)
        if question.why:
            self._screen.note(question.why)
        answer = _select(question, default) if question.choices else _type(question, default)
        return question.check(answer)

    def agrees(self, flag: str, text: str, *, why: str = "", default: bool) -> bool:
        """Yes or no."""
        choices = ((YES, _("Yes")), (NO, _("No")))
        return self.ask(Question(flag, text, why, choices), YES if default else NO) == YES

    def _checked(self, question: Question, answer: str) -> str:
        known = [value for value, _title in question.choices]
        if known and answer not in known:
            raise CommandError(
                _("--%(flag)s must be one of %(known)s, not %(answer)s.")
                % {"flag": question.flag, "known": ", ".join(known), "answer": repr(answer)}
            )
        try:
            return question.check(answer)
        except Refused as refused:
            raise CommandError(f"--{question.flag}: {refused}") from refused


def _select(question: Question, default: str) -> str:
    choices = [questionary.Choice(title, value=value) for value, title in question.choices]
    prompt = questionary.select(
        question.text,
        choices=choices,
        default=next((choice for choice in choices if choice.value == default), None),
        instruction=_("(arrow keys, Enter)"),
        pointer="   ›",
        **_LOOK,
    )
    return _answer(prompt)


def _type(question: Question, default: str) -> str:
    def validate(text: str) -> bool | str:
        try:
            question.check(text)
        except Refused as refused:
            return str(refused)
        return True

    if question.secret:
        return _answer(questionary.password(question.text, validate=validate, **_LOOK))
    return _answer(questionary.text(question.text, default=default, validate=validate, **_LOOK))


def _answer(prompt: questionary.Question) -> str:
    try:
        return str(prompt.unsafe_ask())
    except EOFError as error:  # Ctrl-D
        raise KeyboardInterrupt from error
