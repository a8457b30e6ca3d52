"""What the pages of Google accounts and of Gemini CLI credentials share: all that has to do with a login."""

import time
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.timezone import now
from django.views.decorators.debug import sensitive_post_parameters
from unfold.decorators import action, display

from credentials import store
from credentials.account_forms import AccountForm, AcknowledgeForm
from credentials.accounts import oauth, saving, terms
from credentials.admin.account_page import about_login, quota_of, token_of, worst_of
from credentials.admin.advice import advice_for, login_again, login_of, project_of
from credentials.admin.bulk import Question, answers
from credentials.admin.connect import connect_view
from credentials.admin.detail import Button
from credentials.admin.filters import (
    AccountProjectFilter,
    LastErrorFilter,
    ReasonFilter,
    StateFilter,
    UsedFilter,
    UseFilter,
)
from credentials.admin.pooled import CredentialAdmin
from credentials.admin.shown import ago
from credentials.forms import CredentialForm
from credentials.models import Credential, CredentialQuerySet, GoogleLogin, PoolVersion, ProjectSource, Use
from credentials.signals import request_check

REVOKING_LASTS = 30.0
"""Seconds that a page waits while logins are revoked at Google, one after the other."""


class LoginPages(CredentialAdmin):
    change_form_outer_before_template = "credentials/account_now.html"
    actions = (*CredentialAdmin.actions, "acknowledge_terms")
    actions_list: tuple[str, ...] = ("connect", "who_would_serve")
    search_fields = (*CredentialAdmin.search_fields, "email", "login__project", "login__tier_name")
    list_filter = (UseFilter, StateFilter, ReasonFilter, LastErrorFilter, AccountProjectFilter, UsedFilter)

    def get_queryset(self, request: HttpRequest) -> CredentialQuerySet:
        # Not a row each, and no token: nothing shown here needs one.
        return (
            super().get_queryset(request).select_related("login").defer("secret", "login__access_token", "login__client_secret")
        )

    def on_page_of(self, credential: Credential, request: HttpRequest) -> dict[str, Any]:
        page = super().on_page_of(credential, request) | {"show_save_and_add_another": False}
        login = login_of(credential)
        about = about_login(credential, login) if login is not None else []
        page |= {"advice": advice_for(credential), "facts": page["facts"] + about}
        if login is not None:
            page |= {"quota": quota_of(login), "quota_at": ago(login.quota_at), "login_again": login_again(credential)}
        return page

    def buttons(self, credential: Credential) -> list[Button]:
        return [Button("acknowledge_terms", "Acknowledge Google's terms …")] if credential.lacks_terms else []

    @display(description="account", ordering="email")
    def account(self, credential: Credential) -> str:
        """Who it is, what it is used for, and when its turn is, where that is anything special."""
        named = self.name(credential) if credential.label else format_html('<span class="two-lines">{}</span>', credential.masked)
        weight = f" ×{credential.weight}" if credential.weight != 1 else ""
        turn = f"priority {credential.priority}{weight}" if credential.priority or weight else ""
        below = " · ".join(filter(None, (self.used_for(credential), turn)))
        lacks = format_html('<small class="is-lacking">{}</small>', "terms not acknowledged") if credential.lacks_terms else ""
        return format_html('{}<span class="two-lines"><small>{}</small>{}</span>', named, below, lacks)

    @display(description="use")
    def used_for(self, credential: Credential) -> str:
        return Use(credential.use).label if credential.use else ""

    @display(description="project · tier", ordering="project")
    def of_project(self, credential: Credential) -> str:
        login = login_of(credential)
        tier = login.tier_name or login.tier if login is not None else ""
        return format_html('<span class="project">{}<small>{}</small></span>', project_of(credential), tier)

    @display(description="quota left")
    def quota_left(self, credential: Credential) -> str:
        login = login_of(credential)
        return worst_of(login) if login is not None else ""

    @display(description="token", ordering="login__access_until")
    def token(self, credential: Credential) -> str:
        login = login_of(credential)
        return format_html('<small class="once">{}</small>', token_of(login)) if login is not None else ""

    def save_beside(self, credential: Credential, form: CredentialForm) -> bool:
        moved = "project" in form.changed_data
        if moved:
            self._move(credential, form.cleaned_data["project"])
        if isinstance(form, AccountForm) and form.changes_client:
            given = form.cleaned_data
            kept = {} if given["client_id"] and not given["client_secret"] else {"client_secret": given["client_secret"]}
            GoogleLogin.objects.filter(pk=credential.pk).update(client_id=given["client_id"], **kept)
        return moved

    def _move(self, credential: Credential, project: str) -> None:
        if credential.use == Use.CODE_ASSIST:
            GoogleLogin.objects.filter(pk=credential.pk).update(project=project)
            PoolVersion.bump()
        else:
            store.set_project([credential.pk], project, ProjectSource.TYPED)

    def give_project(self, queryset: CredentialQuerySet, project: str) -> int:
        assisted = list(queryset.filter(use=Use.CODE_ASSIST).values_list("pk", flat=True))
        changed = super().give_project(queryset.exclude(use=Use.CODE_ASSIST), project)
        moved = GoogleLogin.objects.filter(pk__in=assisted).exclude(project=project).update(project=project)
        PoolVersion.bump()
        request_check(queryset.values_list("pk", flat=True))
        return changed + moved

    @admin.action(description="Acknowledge Google's terms …", permissions=["change"])
    def acknowledge_terms(self, request: HttpRequest, queryset: CredentialQuerySet) -> HttpResponse | None:
        lacking = queryset.lacking_terms()
        if not lacking.exists():
            self.message_user(request, "None of them lacks it.", messages.WARNING)
            return None

        def effect(data: dict[str, Any]) -> str:
            by, ids = request.user.get_username()[:150], list(lacking.values_list("pk", flat=True))
            enabled = {"enabled": True} if data["enable"] else {}
            number = self.model.objects.filter(pk__in=ids).update(terms_accepted_at=now(), terms_accepted_by=by, **enabled)
            PoolVersion.bump()
            request_check(ids)
            return f"{self.number(number)} allowed to serve Code Assist: {by} has acknowledged the terms."

        page = "credentials/terms.html"
        return self.ask(request, lacking, Question(terms.TITLE, "Acknowledge", AcknowledgeForm(answers(request)), effect, page))

    @action(description="Connect Google account", icon="login", permissions=["add"])
    @method_decorator(sensitive_post_parameters("client_secret"))
    def connect(self, request: HttpRequest) -> HttpResponse:
        return connect_view(self, request, kind=self.kind)

    def delete_model(self, request: HttpRequest, obj: Credential) -> None:
        self.delete_queryset(request, self.model.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: CredentialQuerySet) -> None:
        if "revoke" not in request.POST:
            queryset.delete()
            return
        accounts = self.model.objects.filter(pk__in=list(queryset.values_list("pk", flat=True)))
        logins = accounts.exclude(login=None).count()
        tokens = saving.forget(accounts)
        transaction.on_commit(lambda: self._revoke(request, tokens, of=logins))

    def _revoke(self, request: HttpRequest, tokens: list[str], *, of: int) -> None:
        """`of`: how many logins there were; those that others share have no token here."""
        if left := of - revoke_all(tokens):
            why = "Google did not answer, or the account is used here in another way as well"
            where = "Access can be taken away at https://myaccount.google.com/permissions."
            self.message_user(request, f"{left:,} of the logins were not ended at Google: {why}. {where}", messages.WARNING)


def revoke_all(tokens: list[str]) -> int:
    """How many of them Google has ended in the time that there is for it."""
    gives_up, revoked = time.monotonic() + REVOKING_LASTS, 0
    for token in tokens:
        if time.monotonic() > gives_up:
            break
        revoked += oauth.revoke(token)
    return revoked
