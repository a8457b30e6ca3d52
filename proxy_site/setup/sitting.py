"""One run of the wizard: what is there, who is asked, and what has been answered."""

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from msgspec import Struct

from proxy_site.setup.asking import Asker, Question
from proxy_site.setup.detect import Surroundings
from proxy_site.setup.plan import Plan
from proxy_site.setup.screen import Screen
from proxy_site.setup.state import State


class Sitting(Struct):
    screen: Screen
    asker: Asker
    around: Surroundings
    state: State
    plan: Plan
    fixed: frozenset[str]
    """Settings that the environment gives. It wins over `.env`, so it makes no sense to ask for them."""
    running: bool
    """Whether a Castor runs here."""

    def ask_setting(self, name: str, question: Question, current: str) -> str:
        """Ask for a setting; planned is what differs from the current one."""
        if name in self.fixed:
            if self.asker.has(question.flag):
                raise CommandError(
                    _("--%(flag)s: %(name)s is set in the environment, which wins over .env. Change it there.")
                    % {"flag": question.flag, "name": name}
                )
            return current
        answer = self.asker.ask(question, current)
        if answer != current:
            self.plan.settings[name] = answer
        return answer
