"""Credentials that are used through Google's own Gemini CLI: API keys, and Google accounts that have logged in for it."""

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse

from credentials.account_forms import AccountForm, CliKeyForm
from credentials.accounts import gemini_cli
from credentials.admin.keys import KeyPages
from credentials.admin.login_pages import LoginPages
from credentials.forms import CredentialForm
from credentials.models import Credential, GeminiCli, Kind

_TURN = ("Its turn", {"fields": ("priority", "weight", "max_concurrent")})
_NOTES = ("Notes", {"fields": ("notes", "created_at")})


@admin.register(GeminiCli)
class GeminiCliAdmin(LoginPages, KeyPages):
    kind = Kind.GEMINI_CLI
    noun = "credential"
    form = CliKeyForm
    list_display = ("account", "state_chip", "why", "of_project", "quota_left", "lately", "last_used", "token")
    list_before_template = "credentials/cli_note.html"
    search_help_text = "Label, ends of the key, e-mail address, project, tier or notes"
    fieldsets = ((None, {"fields": ("label", "masked", "used_for", "key", "project", "enabled")}), _TURN, _NOTES)
    fieldsets_of_account = (
        (None, {"fields": ("label", "email", "used_for", "project", "enabled")}),
        _TURN,
        ("OAuth client", {"fields": ("client_id", "client_secret")}),
        _NOTES,
    )
    add_fieldsets = ((None, {"fields": ("key", "label", "project", "priority", "weight", "max_concurrent", "notes")}),)
    readonly_fields = ("masked", "email", "used_for", "created_at")

    def save_beside(self, credential: Credential, form: CredentialForm) -> bool:
        pages = LoginPages if isinstance(form, AccountForm) else KeyPages
        return pages.save_beside(self, credential, form)

    def get_form(
        self, request: HttpRequest, obj: Credential | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm]:
        form: type[CredentialForm] = AccountForm if obj is not None and obj.email else CliKeyForm
        return super().get_form(request, obj, change, form=form, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        return self.fieldsets_of_account if obj is not None and obj.email else super().get_fieldsets(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        page = {"not_installed": "" if gemini_cli.installed() else gemini_cli.NOT_INSTALLED}
        return super().changelist_view(request, page | (extra_context or {}))
