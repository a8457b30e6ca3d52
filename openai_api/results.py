"""How a request ended, as the admin's lists tell it."""

from django.contrib import admin
from django.db.models import Q

from openai_api.models import CLIENT_GONE, LoggedRequest, UsageRecord

COLOURS = {"answered": "success", "left": None, "refused": "warning", "failed": "danger"}


class ResultFilter(admin.SimpleListFilter):
    title = "result"
    parameter_name = "result"
    RESULTS = {
        "answered": ("Answered", Q(status__gte=200, status__lt=300)),
        "refused": ("Refused (4xx)", Q(status__gte=400, status__lt=500) & ~Q(status=CLIENT_GONE)),
        "left": ("Client hung up (499)", Q(status=CLIENT_GONE)),
        "failed": ("Failed (5xx)", Q(status__gte=500) | Q(status=0)),
    }

    def lookups(self, request, model_admin):
        return [(name, label) for name, (label, _) in self.RESULTS.items()]

    def queryset(self, request, queryset):
        return queryset.filter(self.RESULTS[self.value()][1]) if self.value() in self.RESULTS else queryset


def result_of(record: UsageRecord | LoggedRequest) -> tuple[str, str]:
    text = f"{record.status} {record.error}".strip()
    if 200 <= record.status < 300:
        return "answered", text
    if record.status == CLIENT_GONE:
        return "left", f"{record.status} client hung up"
    return "refused" if 400 <= record.status < 500 else "failed", text
