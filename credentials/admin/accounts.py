"""Google accounts: the list, and the page of one."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from credentials.account_forms import AccountForm
from credentials.admin.login_pages import LoginPages
from credentials.models import GoogleAccount, Kind


@admin.register(GoogleAccount)
class GoogleAccountAdmin(LoginPages):
    kind = Kind.OAUTH
    noun = "account"
    form = AccountForm
    list_display = ("account", "state_chip", "why", "of_project", "quota_left", "lately", "last_used", "token")
    search_help_text = "Label, e-mail address, project, tier or notes"
    empty_template = "credentials/first_account.html"
    fieldsets = (
        (None, {"fields": ("label", "email", "used_for", "project", "enabled")}),
        ("Its turn", {"fields": ("priority", "weight", "max_concurrent")}),
        ("OAuth client", {"fields": ("client_id", "client_secret")}),
        ("Notes", {"fields": ("notes", "created_at")}),
    )
    readonly_fields = ("email", "used_for", "created_at")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """An account is added by logging in with it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return redirect("admin:credentials_googleaccount_connect")
