"""Having the requests of a token, or those that take a route, kept in the request log for a while."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import ModelAdmin as PlainModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.timezone import localtime, now
from unfold.admin import ModelAdmin
from unfold.decorators import display

from credentials.admin.shown import PoolPages, how_many
from credentials.models import ClientToken, ModelRoute, PoolVersion

MAY_RECORD, MAY_READ = "openai_api.record_requests", "openai_api.view_loggedrequest"

Recorded = ClientToken | ModelRoute


class RecordingAdmin(PoolPages, ModelAdmin):
    """For what has a `record_until`."""

    recording_actions = ("record_15_minutes", "record_1_hour", "record_24_hours", "stop_recording")
    change_form_outer_before_template = "credentials/recording.html"
    records_what = ""
    """What a person calls the requests that are kept."""

    @display(description="recorded", label={"until": "warning"})
    def recorded(self, row: Recorded) -> tuple[str, str] | None:
        until = recorded_until(row)
        return ("until", f"Until {_moment(until)}") if until is not None else None

    def has_record_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_change_permission(request) and request.user.has_perm(MAY_RECORD))

    @admin.action(description="Record for 15 minutes", permissions=["record"])
    def record_15_minutes(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._record(request, queryset, timedelta(minutes=15))

    @admin.action(description="Record for 1 hour", permissions=["record"])
    def record_1_hour(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._record(request, queryset, timedelta(hours=1))

    @admin.action(description="Record for 24 hours", permissions=["record"])
    def record_24_hours(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._record(request, queryset, timedelta(hours=24))

    @admin.action(description="Stop recording", permissions=["record"])
    def stop_recording(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        rows = [row for row in queryset if recorded_until(row) is not None]
        self._set(request, rows, None, "Recording was switched off.")
        self.message_user(request, f"{how_many(len(rows), self.opts.verbose_name)} no longer recorded.")
        return self._back(request, queryset)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        page = self._on_page_of(row, request) if row is not None else {}
        return super().change_view(request, object_id, form_url, page | (extra_context or {}))

    def _on_page_of(self, row: Recorded, request: HttpRequest) -> dict[str, Any]:
        until = recorded_until(row)
        return {
            "recorded_row": row,
            "recorded_until": until and localtime(until),
            "records_what": self.records_what,
            "may_record": self.has_record_permission(request),
            "request_log": reverse("admin:openai_api_loggedrequest_changelist") if request.user.has_perm(MAY_READ) else "",
            "list_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
        }

    def _record(self, request: HttpRequest, queryset: QuerySet[Any], span: timedelta) -> HttpResponse | None:
        until = now() + span
        rows = list(queryset)
        self._set(request, rows, until, f"Recording was switched on until {localtime(until):%Y-%m-%d %H:%M:%S %Z}.")
        self.message_user(request, f"{how_many(len(rows), self.opts.verbose_name)} recorded until {_moment(until)}.")
        return self._back(request, queryset)

    def _back(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """To the page on which it was asked for; None: to the list."""
        row = queryset.first()
        if "on_its_page" not in request.POST or row is None:
            return None
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", row.pk)

    def _set(self, request: HttpRequest, rows: list[Any], until: datetime | None, said: str) -> None:
        self.model.objects.filter(pk__in=[row.pk for row in rows]).update(record_until=until)
        PoolVersion.bump()
        for row in rows:
            PlainModelAdmin.log_change(self, request, row, said)


def recorded_until(row: Recorded) -> datetime | None:
    """None where nothing is recorded now."""
    return row.record_until if row.record_until is not None and row.record_until > now() else None


def _moment(until: datetime) -> str:
    return f"{localtime(until):%Y-%m-%d %H:%M}"
