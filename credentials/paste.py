"""The admin page on which many keys are pasted at once."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from credentials import runs
from credentials.forms import PasteForm
from credentials.importing import Report, Verdict, examine, take_in
from credentials.models import CheckRun

_MOST_ROWS = 200


def paste_view(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """GET: the form. POST: what is new, there already or malformed; with `import` the new keys are taken in as well.

    What was pasted is not sent back, since no page may show a key: the page keeps it in the browser during a dry run.
    """
    form = PasteForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        report = examine(form.candidates)
        context = {"report": report, "table": _table(report)}
        if "import" in request.POST:
            context |= {"imported": True, "run": _import(report, form.cleaned_data, request.user.get_username())}
    page = {"title": "Paste keys", "form": form, "most_rows": _MOST_ROWS}
    return TemplateResponse(request, "credentials/paste.html", model_admin.admin_site.each_context(request) | page | context)


def _import(report: Report, given: dict[str, Any], by: str) -> CheckRun | None:
    """Take in the new keys; returns the run that checks them, if there are any and there is a task queue."""
    started: list[CheckRun | None] = []
    project, priority = given["project"].strip(), given["priority"]
    take_in(report, project=project, priority=priority, check=lambda ids: started.append(runs.start_run(ids, by=by)))
    return started[0] if started else None


def _table(report: Report) -> dict[str, list]:
    """The findings, what needs attention first."""
    findings = [finding for verdict in reversed(Verdict) for finding in report.of(verdict)][:_MOST_ROWS]
    rows = [[finding.verdict.capitalize(), finding.masked, finding.candidate.where, finding.note] for finding in findings]
    return {"headers": ["verdict", "key", "where", "why"], "rows": rows}
