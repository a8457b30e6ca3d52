"""Checks of several credentials that somebody asked for: the list of runs, and one run with what it has found so far."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import localtime
from unfold.decorators import display

from credentials import runs
from credentials.admin.shown import ReadOnlyAdmin, link_to
from credentials.health import Outcome
from credentials.models import CheckResult, CheckRun
from credentials.strip import WORDS, Sort, sort_of

_ON_A_PAGE = 100


@admin.register(CheckRun)
class CheckRunAdmin(ReadOnlyAdmin):
    list_display = ("started", "by", "how", "done_of_total", "served")
    ordering = ("-pk",)

    def has_delete_permission(self, request, obj=None):
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[CheckRun]:
        results = CheckResult.objects.filter(run=OuterRef("pk")).order_by().values("run")
        number = results.annotate(number=Count("pk")).values("number")
        well = results.filter(outcome=Outcome.SERVED).annotate(number=Count("pk")).values("number")
        every = super().get_queryset(request)
        return every.annotate(done=Coalesce(Subquery(number), 0), well=Coalesce(Subquery(well), 0))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        if run is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        context = self.admin_site.each_context(request) | page_of(run, request)
        return TemplateResponse(request, "credentials/run.html", context)

    @display(description="started", ordering="started_at")
    def started(self, run: CheckRun) -> str:
        return f"{localtime(run.started_at):%Y-%m-%d %H:%M:%S}"

    @display(description="how", ordering="generates")
    def how(self, run: CheckRun) -> str:
        return "listing and one token" if run.generates else "listing"

    @display(description="checked")
    def done_of_total(self, run: CheckRun) -> str:
        return f"{run.done:,} of {run.total:,}"  # type: ignore[attr-defined]  # annotated above

    @display(description="all is well with")
    def served(self, run: CheckRun) -> str:
        return f"{run.well:,}"  # type: ignore[attr-defined]


def page_of(run: CheckRun, request: HttpRequest) -> dict[str, Any]:
    """How far the run is, what it has found so far, and the results of one outcome or of all."""
    so_far = runs.progress(run)
    chosen = request.GET.get("outcome", "")
    results = _results(run, chosen, request.GET.get("page", "1"))
    return {
        "title": f"Check of {run.total:,} credential{'' if run.total == 1 else 's'}",
        "run": run,
        "so_far": so_far,
        "percent": min(100, 100 * so_far.done // max(run.total, 1)),
        "missing": max(run.total - so_far.done, 0),
        "outcomes": [_found(outcome, so_far.by_outcome[outcome], run.total) for outcome in sorted(so_far.by_outcome, key=_order)],
        "chosen": chosen,
        "results": results,
        "rows": [_row(result) for result in results],
    }


def _results(run: CheckRun, outcome: str, number: str) -> Page[CheckResult]:
    results = run.results.select_related("credential").defer("credential__secret").order_by("-pk")
    chosen = results.filter(outcome=outcome) if outcome else results
    return Paginator(chosen, _ON_A_PAGE).get_page(number)


def _row(result: CheckResult) -> dict[str, Any]:
    outcome = Outcome(result.outcome)
    return {
        "credential": link_to(result.credential),
        "sort": sort_of(outcome),
        "words": WORDS[outcome].capitalize(),
        "models": result.models_listed,
        "detail": result.detail,
        "at": localtime(result.at),
    }


def _found(outcome: Outcome, number: int, total: int) -> dict[str, Any]:
    share = f"{100 * number / max(total, 1):.2f}"
    return {"outcome": outcome.value, "sort": sort_of(outcome), "words": WORDS[outcome], "number": number, "share": share}


def _order(outcome: Outcome) -> tuple[int, str]:
    """What is well first, what is dead last."""
    return list(Sort).index(sort_of(outcome)), outcome.value
