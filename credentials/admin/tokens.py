"""What clients present and what they may call models: client tokens and model aliases."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import now
from unfold.admin import ModelAdmin
from unfold.decorators import display

from credentials.admin.recording import RecordingAdmin
from credentials.admin.shown import some
from credentials.forms import ClientTokenForm, ModelAliasForm
from credentials.models import ClientToken, ModelAlias, OnDisconnect, PoolVersion


@admin.register(ClientToken)
class ClientTokenAdmin(RecordingAdmin):
    form = ClientTokenForm
    records_what = "the requests of this token"
    list_display = (
        *("__str__", "owner", "state_chip", "recorded", "may_use", "hang_up"),
        *("expires_at", "last_used_at", "created_at"),
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "owner")
    list_select_related = ("owner",)
    search_fields = ("label", "prefix", "owner__username")
    autocomplete_fields = ("owner",)
    ordering = ("-pk",)
    list_per_page = 50
    actions = ("revoke", *RecordingAdmin.recording_actions)
    fieldsets = (
        (None, {"fields": ("owner", "label", "models", "expires_at", "on_disconnect")}),
        ("State", {"fields": ("prefix", "status", "revoked_at", "last_used_at", "created_at")}),
    )
    add_fieldsets = (fieldsets[0],)
    readonly_fields = ("prefix", "status", "revoked_at", "last_used_at", "created_at")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk} | super().get_changeform_initial_data(request)

    @display(
        description="state", label={"Live": "success", "Expired": "warning", "Revoked": "danger", "Owner inactive": "danger"}
    )
    def state_chip(self, token: ClientToken) -> str:
        if token.revoked_at:
            return "Revoked"
        if not token.owner.is_active:
            return "Owner inactive"
        return "Expired" if token.expires_at and token.expires_at <= now() else "Live"

    @display(description="state")
    def status(self, token: ClientToken) -> str:
        return self.state_chip(token)

    @display(description="models")
    def may_use(self, token: ClientToken) -> str:
        return some(token.allowed_models) if token.allowed_models else "all"

    @display(description="when the client hangs up", ordering="on_disconnect")
    def hang_up(self, token: ClientToken) -> str:
        return "answer is read to its end" if token.on_disconnect == OnDisconnect.DRAIN else "call is ended"

    def save_model(self, request: HttpRequest, obj: ClientToken, form: ClientTokenForm, change: bool) -> None:
        if not change:
            obj.set_plain()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ClientToken, post_url_continue: str | None = None) -> HttpResponse:
        """Show the plain token in the answer itself: a message would travel through a cookie or the session table."""
        page = {"title": "The new token", "token": obj, "base_url": request.build_absolute_uri("/v1")}
        context = self.admin_site.each_context(request) | page
        return TemplateResponse(request, "credentials/new_token.html", context, headers={"Cache-Control": "no-store"})

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ClientToken]) -> None:
        revoked = queryset.filter(revoked_at=None).update(revoked_at=now())
        PoolVersion.bump()
        self.message_user(request, f"{revoked} {'token is' if revoked == 1 else 'tokens are'} revoked.")


@admin.register(ModelAlias)
class ModelAliasAdmin(ModelAdmin):
    form = ModelAliasForm
    list_display = ("pattern", "target", "enabled", "note")
    list_editable = ("target", "enabled")
    list_filter = ("enabled",)
    search_fields = ("pattern", "target")
