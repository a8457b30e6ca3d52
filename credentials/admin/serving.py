"""Who would serve a request for some model now, in which order, and why each other credential is passed over."""

from collections import Counter
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import now

from credentials import explain
from credentials.accounts import gemini_cli
from credentials.admin.shown import link_to_page, visible_kinds
from credentials.models import Credential, Kind, Use
from credentials.pool import Pool, pool
from credentials.roster import Entry, Roster
from credentials.routing import steps
from credentials.status import describe_span

_MOST_ROWS = 200
_KINDS = {Use.CODE_ASSIST.value: Kind.OAUTH}


def who_would_serve_view(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """GET with `model`: the candidates in order, then those that are passed over, counted by reason."""
    picture = pool if pool.loaded else explain.snapshot()
    asked_for = request.GET.get("model", "").strip()[:100]
    known = sorted({*picture.roster.models, *picture.roster.elsewhere, *picture.roster.aliases})
    page = {"title": "Who would serve?", "model": asked_for, "known_models": known}
    if asked_for:
        page["answers"] = picture.roster.resolve(asked_for)
        page["then"] = _then(picture.roster, asked_for)
        page |= _sides(_explained(picture, asked_for), visible_kinds(request.user))
        page["not_installed"] = gemini_cli.NOT_INSTALLED if _lacks_the_cli(picture) else ""
    return TemplateResponse(request, "credentials/who_would_serve.html", model_admin.admin_site.each_context(request) | page)


def _explained(picture: Pool, model: str) -> list[explain.Candidate]:
    async def look() -> list[explain.Candidate]:
        kinds = picture.roster.googles - {Kind.GEMINI_CLI} if _lacks_the_cli(picture) else None
        return explain.explain(picture, model, kinds=kinds, at=now().timestamp())

    # The pool of a web process belongs to its event loop, and this page is made in a thread.
    return async_to_sync(look)()


def _then(roster: Roster, model: str) -> list[str]:
    """Who is asked where nobody of those can serve: another server, or another model."""
    others = steps(roster, roster.resolve(model))[1:]
    names = {server.id: server.name for server in roster.servers.values()}
    return [f"{step.model} of {names.get(step.server, 'Gemini')}" for step in others]


def _lacks_the_cli(picture: Pool) -> bool:
    """Whether there are credentials that nobody can be served with, since the Gemini CLI is missing here."""
    return Kind.GEMINI_CLI in picture.roster.kinds and not gemini_cli.installed()


def _sides(candidates: list[explain.Candidate], kinds: list[Kind]) -> dict[str, Any]:
    """Those that would be asked, and those that would not; of each side so many rows, and how many there are."""
    asked = [one for one in candidates if one.rank]
    skipped = [one for one in candidates if not one.rank]
    return {
        "asked": [_row(one, kinds) for one in asked[:_MOST_ROWS]],
        "asked_number": len(asked),
        "skipped": [_row(one, kinds) for one in skipped[:_MOST_ROWS]],
        "skipped_number": len(skipped),
        "reasons": Counter(one.why for one in skipped).most_common(),
        "disabled": Credential.objects.filter(enabled=False).count(),
        "most_rows": _MOST_ROWS,
    }


def _row(one: explain.Candidate, kinds: list[Kind]) -> dict[str, Any]:
    back = "" if one.until is None else f"in {describe_span(timedelta(seconds=one.until - now().timestamp()))}"
    kind, _, name = one.entry.group.partition(":")
    return {
        "rank": one.rank,
        "credential": _named(one.entry, kinds),
        "entry": one.entry,
        "quota": f"project {name}" if kind == "project" else "its own",
        "last_resort": one.last_resort,
        "why": one.why,
        "back": back,
    }


def _named(entry: Entry, kinds: list[Kind]) -> str:
    """Whoever may not see credentials of its kind is not told which one it is."""
    # In the roster an account for Code Assist is of a kind of its own, and so are the keys of each server.
    kind = _KINDS.get(entry.kind) or (Kind.OPENAI_COMPATIBLE if entry.server else Kind(entry.kind))
    return link_to_page(entry.id, kind, entry.label) if kind in kinds else f"a {kind.label}"
