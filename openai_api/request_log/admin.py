"""The request log in the admin: what was recorded, and who has read it."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.timezone import localtime
from unfold.decorators import action, display

from credentials.admin.shown import ReadOnlyAdmin, how_many
from credentials.crypto import decrypt
from openai_api.models import LoggedRequest
from openai_api.request_log.kept import unpacked
from openai_api.request_log.page import kind_of, page_of
from openai_api.results import COLOURS, ResultFilter, result_of

SEARCHED = 300
"""The newest ones, in whose texts is searched too: each has to be decrypted for it."""
_NAMED = 20


@admin.register(LoggedRequest)
class LoggedRequestAdmin(ReadOnlyAdmin):
    list_display = ("at", "result", "asked", "whose", "took", "attempts")
    list_filter = (ResultFilter, "started_at", ("token", admin.RelatedOnlyFieldListFilter), "model_served", "stream")
    list_select_related = ("owner", "token")
    search_fields = (
        *("request_id__startswith", "model_asked", "model_served", "token_label", "owner__username", "path", "error"),
        "dialect",
    )
    search_help_text = f"Request id, model, token, owner or path; and what was said in the newest {SEARCHED}"
    ordering = ("-started_at",)
    actions_list = ("delete_all",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LoggedRequest]:
        return super().get_queryset(request).defer("content")  # It is decrypted as it is read.

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[LoggedRequest], search_term: str
    ) -> tuple[QuerySet[LoggedRequest], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        if search_term:
            found = found | queryset.filter(pk__in=_saying(queryset, search_term))
        return found, duplicates

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        record = self.get_object(request, object_id)
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        self.log_change(request, record, "Read.")
        page = {
            "title": f"Request {record.request_id}",
            "opts": self.opts,
            "status_text": f"{record.status} {record.error}".strip(),
            "status_kind": kind_of(record.status),
            "may_delete": self.has_delete_permission(request, record),
            "may_see_usage": request.user.has_perm("openai_api.view_usagerecord"),
        }
        try:
            page |= page_of(record, unpacked(record.content), address=request.build_absolute_uri("/").rstrip("/"))
        except ImproperlyConfigured:  # Its key is no longer among CREDENTIAL_ENCRYPTION_KEYS.
            page |= {"record": record, "is_sealed": True}
        context = self.admin_site.each_context(request) | page
        return TemplateResponse(request, "openai_api/logged_request.html", context)

    @action(description="Delete all …", icon="delete_sweep", permissions=["delete"])
    def delete_all(self, request: HttpRequest) -> HttpResponse:
        if not self.has_delete_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            number, _ = LoggedRequest.objects.all().delete()
            said = f"{how_many(number, 'recorded request')} deleted."
            kind = ContentType.objects.get_for_model(LoggedRequest)
            LogEntry.objects.create(
                user=cast(User, request.user), content_type=kind, object_repr="all", action_flag=DELETION, change_message=said
            )
            self.message_user(request, said)
            return redirect("admin:openai_api_loggedrequest_changelist")
        page = {"title": "Delete all recorded requests", "opts": self.opts, "number": LoggedRequest.objects.count()}
        return TemplateResponse(request, "openai_api/delete_all_requests.html", self.admin_site.each_context(request) | page)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Nothing hangs on them, and none of them need be decrypted to be deleted."""
        number = len(objs)
        named = [str(record) for record in objs[:_NAMED]] + (["…"] if number > _NAMED else [])
        missing = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return named, {str(self.opts.verbose_name_plural): number}, missing, []

    @display(description="time", ordering="started_at")
    def at(self, record: LoggedRequest) -> str:
        return format_html('<span class="once number">{}</span>', f"{localtime(record.started_at):%Y-%m-%d %H:%M:%S}")

    @display(description="result", ordering="status", label=COLOURS)
    def result(self, record: LoggedRequest) -> tuple[str, str]:
        return result_of(record)

    @display(description="asked", ordering="model_served")
    def asked(self, record: LoggedRequest) -> str:
        models = dict.fromkeys(filter(None, (record.model_asked, record.model_served)))
        return _two_lines(" → ".join(models) or record.method, record.path, "18rem")

    @display(description="token", ordering="token_label", empty_value="-")
    def whose(self, record: LoggedRequest) -> str:
        return _two_lines(record.token_label, record.owner or "")

    @display(description="ms", ordering="total_ms")
    def took(self, record: LoggedRequest) -> str:
        return f"{record.total_ms:,.0f}"


def _two_lines(first: str, second: object, width: str = "9.5rem") -> str:
    return format_html('<span class="two-lines" style="max-width: {}"><b>{}</b><small>{}</small></span>', width, first, second)


def _saying(queryset: QuerySet[LoggedRequest], text: str) -> list[int]:
    """Of the newest, those in whose texts this stands."""
    wanted, found = text.casefold(), []
    # As ciphertext: one that no key opens must not keep the others from being found.
    sealed = queryset.order_by("-started_at").annotate(sealed=Cast("content", TextField())).values_list("pk", "sealed")
    for pk, ciphertext in sealed[:SEARCHED].iterator(chunk_size=10):  # Each may be some megabytes.
        try:
            kept = unpacked(decrypt(ciphertext))
        except ImproperlyConfigured:
            continue
        if any(wanted in said.casefold() for said in kept.texts()):
            found.append(pk)
    return found
