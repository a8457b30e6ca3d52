"""What was asked, who answered, and what it took."""

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from openai_api.models import UsageRecord


class ResultFilter(admin.SimpleListFilter):
    title = "result"
    parameter_name = "result"
    RESULTS = {
        "answered": ("Answered", Q(status__gte=200, status__lt=300)),
        "refused": ("Refused (4xx)", Q(status__gte=400, status__lt=500)),
        "failed": ("Failed (5xx)", Q(status__gte=500) | Q(status=0)),
    }

    def lookups(self, request, model_admin):
        return [(name, label) for name, (label, _) in self.RESULTS.items()]

    def queryset(self, request, queryset):
        return queryset.filter(self.RESULTS[self.value()][1]) if self.value() in self.RESULTS else queryset


@admin.register(UsageRecord)
class UsageRecordAdmin(ModelAdmin):
    list_display = ("started_at", "owner", "models", "result", "tokens", "times", "served_by", "attempts")
    list_filter = (ResultFilter, "stream", "owner")
    list_select_related = ("owner",)
    search_fields = ("request_id__startswith", "model_asked", "model_served", "credential_label", "error")
    date_hierarchy = "started_at"
    ordering = ("-started_at",)
    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    @display(description="model", ordering="model_served")
    def models(self, record: UsageRecord) -> str:
        if record.model_served in ("", record.model_asked):
            return format_html('<span style="white-space: nowrap">{}</span>', record.model_asked)
        return format_html('<span style="white-space: nowrap">{} →<br>{}</span>', record.model_asked, record.model_served)

    @display(description="credential", ordering="credential_label", empty_value="-")
    def served_by(self, record: UsageRecord) -> str:
        return record.credential_label

    @display(description="result", ordering="status", label={"answered": "success", "refused": "warning", "failed": "danger"})
    def result(self, record: UsageRecord) -> tuple[str, str]:
        text = f"{record.status} {record.error}".strip()
        if 200 <= record.status < 300:
            return "answered", text
        return "refused" if 400 <= record.status < 500 else "failed", text

    @display(description="tokens in / out")
    def tokens(self, record: UsageRecord) -> str:
        return f"{record.prompt_tokens:,} / {record.completion_tokens:,}"

    @display(description="first token / total, ms", ordering="total_ms")
    def times(self, record: UsageRecord) -> str:
        first = "-" if record.first_token_ms is None else f"{record.first_token_ms:,.0f}"
        return f"{first} / {record.total_ms:,.0f}"
