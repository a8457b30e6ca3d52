"""Shared faults: most of the pool failed alike, and no credential is blamed for it."""

from django.contrib import admin
from django.db.models import F, QuerySet
from django.utils.timezone import localtime
from unfold.decorators import display

from credentials.admin.shown import ReadOnlyAdmin
from credentials.models import Alert
from credentials.status import describe_span
from credentials.strip import words_of


def open_alerts() -> QuerySet[Alert]:
    """What the banner tells."""
    return Alert.objects.filter(ended_at=None).order_by("-began_at")[:5]


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("began", "state_chip", "what", "which_model", "message", "lasted")
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    search_fields = ("message", "model")
    ordering = (F("ended_at").desc(nulls_first=True), "-began_at")
    fields = ("what", "which_model", "message", "began_at", "ended_at")

    def has_delete_permission(self, request, obj=None):
        return False

    @display(description="since", ordering="began_at")
    def began(self, alert: Alert) -> str:
        return f"{localtime(alert.began_at):%Y-%m-%d %H:%M}"

    @display(description="state", label={"Open": "danger", "Over": "success"})
    def state_chip(self, alert: Alert) -> str:
        return "Open" if alert.ended_at is None else "Over"

    @display(description="fault", ordering="cause")
    def what(self, alert: Alert) -> str:
        return words_of(alert.cause)

    @display(description="model", ordering="model")
    def which_model(self, alert: Alert) -> str:
        return alert.model or "all models"

    @display(description="lasted", empty_value="goes on")
    def lasted(self, alert: Alert) -> str | None:
        return describe_span(alert.ended_at - alert.began_at) if alert.ended_at else None
