"""What was asked, who answered, and what it took; and the files that were uploaded."""

from django.contrib import admin, messages
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import localtime, now
from kombu.exceptions import OperationalError
from unfold.admin import ModelAdmin
from unfold.decorators import display

from credentials.admin.shown import LINK, ReadOnlyAdmin, how_many, link_to
from credentials.status import describe_span
from openai_api.models import LoggedRequest, UploadedFile, UsageRecord
from openai_api.request_log import admin as request_log_admin
from openai_api.results import COLOURS, ResultFilter, result_of

__all__ = ["UploadedFileAdmin", "UsageRecordAdmin", "request_log_admin"]


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
    readonly_fields = ("recorded",)

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def get_fields(self, request, obj=None):
        fields = super().get_fields(request, obj)
        may_read = request.user.has_perm("openai_api.view_loggedrequest")
        return fields if may_read else [name for name in fields if name != "recorded"]

    @display(description="request log", empty_value="-")
    def recorded(self, record: UsageRecord) -> str:
        logged = LoggedRequest.objects.filter(usage_uid=record.uid).values_list("pk", flat=True).first()
        if logged is None:
            return ""
        address = reverse("admin:openai_api_loggedrequest_change", args=[logged])
        return format_html('<a class="{}" href="{}">What was said</a>', LINK, address)

    @display(description="model", ordering="model_served")
    def models(self, record: UsageRecord) -> str:
        if record.model_served in ("", record.model_asked):
            return format_html('<span style="white-space: nowrap">{}</span>', record.model_asked)
        return format_html('<span style="white-space: nowrap">{} →<br>{}</span>', record.model_asked, record.model_served)

    @display(description="credential", ordering="credential_label", empty_value="-")
    def served_by(self, record: UsageRecord) -> str:
        return record.credential_label

    @display(description="result", ordering="status", label=COLOURS)
    def result(self, record: UsageRecord) -> tuple[str, str]:
        return result_of(record)

    @display(description="tokens in / out")
    def tokens(self, record: UsageRecord) -> str:
        text = f"{record.prompt_tokens:,} / {record.completion_tokens:,}"
        return format_html('<span title="estimated">≈ {}</span>', text) if record.estimated else text

    @display(description="first token / total, ms", ordering="total_ms")
    def times(self, record: UsageRecord) -> str:
        first = "-" if record.first_token_ms is None else f"{record.first_token_ms:,.0f}"
        return f"{first} / {record.total_ms:,.0f}"


@admin.register(UploadedFile)
class UploadedFileAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "owner", "filename", "mime_type", "size", "state_chip", "kept_by", "time_left")
    list_filter = ("status", "purpose", "owner")
    list_select_related = ("owner", "credential")
    search_fields = ("id", "filename", "google_name", "project")
    ordering = ("-created_at",)
    fields = (
        *("id", "owner", "filename", "mime_type", "size", "purpose", "state_chip", "detail"),
        *("credential", "project", "google_name", "uri", "created_at", "expires_at"),
    )
    actions = ("delete_files",)

    def has_delete_permission(self, request, obj=None):
        return False  # That would leave the file at Google: there is an action for it.

    def has_wipe_permission(self, request):
        return request.user.has_perm("openai_api.delete_uploadedfile")

    @admin.action(description="Delete, also at Google", permissions=["wipe"])
    def delete_files(self, request, queryset):
        from openai_api.tasks import delete_files_soon  # Only now: the web process needs neither httpx nor Celery to start.

        ids = list(queryset.values_list("pk", flat=True))
        try:
            delete_files_soon(ids)
        except (OperationalError, OSError):
            self.message_user(request, "The task queue cannot be reached. Try again in a moment.", messages.ERROR)
            return
        self.message_user(request, f"{how_many(len(ids), 'file')} being deleted, here and at Google.")

    @display(description="size", ordering="bytes")
    def size(self, file: UploadedFile) -> str:
        return filesizeformat(file.bytes)

    @display(
        description="state",
        ordering="status",
        label={"Ready": "success", "Being processed": "warning", "Unusable": "danger", "Expired": None},
    )
    def state_chip(self, file: UploadedFile) -> str:
        return "Expired" if file.expires_at <= now() else file.get_status_display()

    @display(description="kept by", ordering="project", empty_value="-")
    def kept_by(self, file: UploadedFile) -> str:
        return file.project or link_to(file.credential)

    @display(description="expires in", ordering="expires_at")
    def time_left(self, file: UploadedFile) -> str:
        left = file.expires_at - now()
        return describe_span(left) if left.total_seconds() > 0 else f"{localtime(file.expires_at):%Y-%m-%d %H:%M}"
