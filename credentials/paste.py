"""The admin page on which many keys are pasted at once."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from credentials.forms import PasteForm
from credentials.importing import Report, Verdict, examine, take_in

_MOST_ROWS = 200


def paste_view(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """GET: the form. POST: what is new, there already or malformed; with `import` the new keys are taken in as well.

    What was pasted is not sent back, since no page may show a key: the page keeps it in the browser during a dry run.
    """
    form = PasteForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        report = examine(form.candidates)
        imported = "import" in request.POST
        if imported:
            take_in(report, project=form.cleaned_data["project"], priority=form.cleaned_data["priority"])
        context = {"report": report, "table": _table(report), "imported": imported}
    page = {"title": "Paste keys", "form": form, "most_rows": _MOST_ROWS}
    return TemplateResponse(request, "credentials/paste.html", model_admin.admin_site.each_context(request) | page | context)


def _table(report: Report) -> dict[str, list]:
    """The findings, what needs attention first."""
    findings = [finding for verdict in reversed(Verdict) for finding in report.of(verdict)][:_MOST_ROWS]
    rows = [[finding.verdict.capitalize(), finding.masked, finding.candidate.where, finding.note] for finding in findings]
    return {"headers": ["verdict", "key", "where", "why"], "rows": rows}
