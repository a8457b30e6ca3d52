"""What several of the lists have in common: how moments, names and numbers are told, and lists that nobody edits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime, now
from unfold.admin import ModelAdmin

from credentials.health import State
from credentials.models import Credential, Kind
from credentials.status import DISABLED, describe_span

COLOURS = {State.AVAILABLE: "success", State.RATE_LIMITED: "warning", State.INVALID: "danger", DISABLED: None}
"""Which of Unfold's kinds of labels each state is."""

PAGES = {
    Kind.API_KEY: "credentials_apikey",
    Kind.OAUTH: "credentials_googleaccount",
    Kind.GEMINI_CLI: "credentials_geminicli",
    Kind.OPENAI_COMPATIBLE: "credentials_serverkey",
}
"""The admin's name of the pages of each kind of credential."""
LINK = "text-primary-600 dark:text-primary-500"


class PoolPages:
    class Media:
        css = {"all": ("credentials/pool.css",)}


class ReadOnlyAdmin(PoolPages, ModelAdmin):
    """What Castor writes itself: there to be read, and perhaps deleted."""

    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False


def ago(moment: datetime | None) -> SafeString | None:
    """How long ago, with the moment itself for who points at it."""
    if moment is None:
        return None
    exactly = f"{localtime(moment):%Y-%m-%d %H:%M:%S %Z}"
    return format_html('<time class="once" title="{}">{} ago</time>', exactly, describe_span(now() - moment))


def some(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3:,} more" if len(names) > 3 else shown


def how_many(number: int, noun: str) -> str:
    """`1 key is`, `2 keys are`."""
    return f"1 {noun} is" if number == 1 else f"{number:,} {noun}s are"


def link_to(credential: Credential | None) -> SafeString | str:
    return link_to_page(credential.pk, credential.kind, str(credential)) if credential else ""


def link_to_page(pk: int, kind: str, name: str) -> SafeString:
    address = reverse(f"admin:{PAGES[Kind(kind)]}_change", args=[pk])
    return format_html('<a class="{}" href="{}">{}</a>', LINK, address, name)


def visible_kinds(user: Any) -> list[Kind]:
    """The kinds of credentials that somebody may see."""
    return [kind for kind, page in PAGES.items() if user.has_perm(page.replace("_", ".view_"))]
