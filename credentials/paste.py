"""The admin page on which many keys are pasted at once, and files of keys and Google logins uploaded."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from credentials import runs
from credentials.accounts import terms
from credentials.accounts.importing.archives import shown
from credentials.accounts.importing.intake import accounts_of
from credentials.findings import Finding, Report, Verdict
from credentials.forms import PasteForm
from credentials.importing import examine, take_in
from credentials.models import CheckRun

_MOST_ROWS = 200


def paste_view(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """GET: the form. POST: what is new, there already or malformed; with `import` what is new is taken in as well.

    What was pasted is not sent back, since no page may show a key: the page keeps it in the browser during a dry run.
    """
    form = PasteForm(
        request.POST or None, request.FILES or None, may_add_accounts=request.user.has_perm("credentials.add_googleaccount")
    )
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        given, imports = form.cleaned_data, "import" in request.POST
        # Whose a login is that does not say so, Google is asked only where it is to be stored.
        report = examine(form.found, use=given["use"], ask_google=imports)
        context = {"report": report, "table": _table(report), "files": _per_file(report, [name for name, _ in given["uploads"]])}
        if imports:
            context |= {"imported": True} | _import(report, given, request.user.get_username())
    page = {"title": "Paste or upload", "form": form, "most_rows": _MOST_ROWS, "terms": terms}
    return TemplateResponse(request, "credentials/paste.html", model_admin.admin_site.each_context(request) | page | context)


def _import(report: Report, given: dict[str, Any], by: str) -> dict[str, Any]:
    """Take in what is new. `checks`: whether there is anything to check; `run`: the run that does, if there is a task queue."""
    started: list[CheckRun | None] = []
    take_in(
        report,
        project=given["project"].strip(),
        priority=given["priority"],
        use=given["use"],
        terms_accepted_by=by if given["terms"] else "",
        check=lambda ids: started.append(runs.start_run(ids, by=by)),
    )
    disabled = accounts_of(report, given["use"]).lacking_terms().filter(enabled=False).count()
    return {"checks": bool(started), "run": started[0] if started else None, "disabled": disabled}


def _table(report: Report) -> dict[str, list]:
    """The findings, what needs attention first."""
    findings = [finding for verdict in reversed(Verdict) for finding in report.of(verdict)][:_MOST_ROWS]
    rows = [[finding.verdict.capitalize(), finding.masked, finding.candidate.where, finding.note] for finding in findings]
    return {"headers": ["verdict", "key or account", "where", "why"], "rows": rows}


def _per_file(report: Report, names: list[str]) -> dict[str, list]:
    """How many of each verdict every file has brought, as a table; without files there is none."""
    rows = [[name, *_counts(_of_file(report, name))] for name in dict.fromkeys(shown(name) for name in names)]
    return {"headers": ["file", *(verdict.value for verdict in Verdict)], "rows": rows}


def _of_file(report: Report, name: str) -> Iterable[Finding]:
    """What stands in an archive is named after it."""
    return (one for one in report.findings if f"{one.candidate.where}, ".startswith((f"{name}, ", f"{name}/")))


def _counts(findings: Iterable[Finding]) -> list[int]:
    verdicts = [finding.verdict for finding in findings]
    return [verdicts.count(verdict) for verdict in Verdict]
