"""Servers of OpenAI's dialect, their keys, and the routes that say which models go where."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.timezone import now
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from credentials import runs, store
from credentials.admin.filters import LastErrorFilter, ReasonFilter, ServerFilter, StateFilter, UsedFilter
from credentials.admin.pooled import CredentialAdmin
from credentials.admin.recording import RecordingAdmin
from credentials.admin.shown import LINK, PoolPages, ago, how_many, some
from credentials.forms import CredentialForm
from credentials.health import State
from credentials.models import Credential, CredentialQuerySet, Kind, ModelRoute, Server, ServerKey
from credentials.server_forms import STREAM_INTERNALLY, ModelRouteForm, ServerForm, ServerKeyForm, ServerKeysForm
from credentials.servers import add_keys
from credentials.signals import MOST_CHECKS
from credentials.status import shown_as
from credentials.stop_tags import write_lines

_BULK = tuple(name for name in CredentialAdmin.actions if name != "set_project")


@admin.register(Server)
class ServerAdmin(PoolPages, ModelAdmin):
    form = ServerForm
    list_display = ("name", "base_url", "keys", "models", "reached")
    search_fields = ("name", "base_url")
    fieldsets = ((None, {"fields": ("name", "base_url")}), ("Keys", {"fields": ("keys", "keyless")}))
    list_fullwidth = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        serving = Q(credentials__in=Credential.objects.filter(shown_as(State.AVAILABLE, at=now())))
        return (
            super()
            .get_queryset(request)
            .annotate(
                number=Count("credentials", distinct=True),
                available=Count("credentials", filter=serving, distinct=True),
                listed=Count("credentials__served_models__name", distinct=True),
            )
        )

    @display(description="available keys", ordering="available")
    def keys(self, server: Any) -> str:
        address = f"{reverse('admin:credentials_serverkey_changelist')}?server={server.pk}"
        return format_html('<a class="{}" href="{}">{} of {}</a>', LINK, address, server.available, server.number)

    @display(description="models", ordering="listed")
    def models(self, server: Any) -> str:
        return f"{server.listed:,}"

    @display(description="reached", label={"yes": "success", "no": "danger"})
    def reached(self, server: Server) -> tuple[str, str]:
        if server.unreachable_since is None:
            return "yes", "Yes"
        return "no", f"Not since {ago(server.unreachable_since)}"

    def save_model(self, request: HttpRequest, obj: Server, form: ServerForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        request.to_be_checked = add_keys(obj, form.added)  # type: ignore[attr-defined]  # for `changeform_view`

    def has_keys_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("credentials.add_serverkey"))

    def get_fieldsets(self, request: HttpRequest, obj: Server | None = None) -> Any:
        return self.fieldsets if self.has_keys_permission(request) else self.fieldsets[:1]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().changeform_view(request, *args, **kwargs)
        # Only now: a worker may be faster than the form's transaction.
        if ids := getattr(request, "to_be_checked", []):
            run = runs.start_run(ids[:MOST_CHECKS], by=request.user.get_username())
            said = "being checked" if run else "new; they are checked as soon as the task queue can be reached"
            self.message_user(request, f"{how_many(len(ids), 'key')} {said}.")
        return response


@admin.register(ServerKey)
class ServerKeyAdmin(CredentialAdmin):
    kind = Kind.OPENAI_COMPATIBLE
    form = ServerKeyForm
    actions = _BULK
    list_display = ("name", "server", "state_chip", "why", "lately", "turn", "last_used")
    list_select_related = ("server",)
    list_filter = (StateFilter, ServerFilter, ReasonFilter, LastErrorFilter, UsedFilter)
    search_fields = ("label", "masked", "server__name", "notes")
    search_help_text = "Label, ends of the key, server or notes"
    actions_list = ("paste_keys", "who_would_serve")
    fieldsets = (
        (None, {"fields": ("server", "label", "masked", "key", "enabled")}),
        ("Its turn", {"fields": ("priority", "weight", "max_concurrent")}),
        ("Notes", {"fields": ("notes", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("server", "key", "label", "priority", "weight", "max_concurrent", "notes")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        return (*self.readonly_fields, "server") if obj is not None else self.readonly_fields

    def get_queryset(self, request: HttpRequest) -> CredentialQuerySet:
        return super().get_queryset(request).select_related("server")

    def save_beside(self, credential: Credential, form: CredentialForm) -> bool:
        replaced = isinstance(form, ServerKeyForm) and form.replaced
        if replaced:
            credential.save(update_fields=["secret", "fingerprint", "masked"])
            store.return_to_service([credential])
        return replaced

    @action(description="Paste keys", icon="content_paste", permissions=["add"])
    def paste_keys(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ServerKeysForm(request.POST or None, initial={"server": Server.objects.first()})
        if request.method == "POST" and form.is_valid():
            return self._add(request, form.cleaned_data)
        page = {"title": "Paste keys of a server", "form": form}
        return TemplateResponse(request, "credentials/server_keys.html", self.admin_site.each_context(request) | page)

    def _add(self, request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
        ids = add_keys(given["server"], given["keys"], priority=given["priority"])
        known = len(given["keys"]) - len(ids)
        beside = f", {known} there already" if known else ""
        self.message_user(request, f"{len(ids)} added to {given['server']}{beside}.")
        return (self.start_checks(request, ids) if ids else None) or self.response_post_save_add(request, None)


@admin.register(ModelRoute)
class ModelRouteAdmin(RecordingAdmin):
    form = ModelRouteForm
    records_what = "the requests that take this route"
    actions = RecordingAdmin.recording_actions
    list_display = ("pattern", "priority", "leads_to", "stand_in", "cut_at", "collected", "recorded", "enabled", "note")
    list_editable = ("enabled",)
    list_filter = ("enabled", "server")
    list_select_related = ("server",)
    search_fields = ("pattern", "note")
    fieldsets = (
        (None, {"fields": ("pattern", "priority", "server", "kind", "project", "models", "enabled", "note")}),
        ("Its answers", {"fields": ("tags", "stream_internally")}),
    )

    @display(description="asked", ordering="server")
    def leads_to(self, route: ModelRoute) -> str:
        if route.server:
            return str(route.server)
        return " · ".join(filter(None, ("Gemini", route.get_kind_display(), route.project)))

    @display(description="may stand in")
    def stand_in(self, route: ModelRoute) -> str:
        return some(route.fallback) if route.fallback else ""

    @display(description="cut at")
    def cut_at(self, route: ModelRoute) -> str:
        return some([Truncator(tag).chars(20) for tag in write_lines(route.stop_tags).split("\n")])

    @display(description="collected")
    def collected(self, route: ModelRoute) -> str:
        return "" if route.stream_internally is None else dict(STREAM_INTERNALLY)[str(route.stream_internally)]
