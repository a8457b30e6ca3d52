"""The admin's forms of Google accounts and of the Gemini CLI. Tokens and client secrets never come out by them."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from credentials.accounts import gemini_cli, terms
from credentials.accounts.login_forms import OwnClientForm
from credentials.accounts.wanted import NO_PROJECT_ID, LoginFailed, Wanted, checked, is_project_id
from credentials.forms import CredentialForm, KeyForm
from credentials.models import Credential, GoogleLogin, Kind, Use

PROJECT_OF = {
    Use.CODE_ASSIST: "The id of the project that Code Assist is asked for. Quota is the account's own: it rests alone.",
    Use.GEMINI_API: "The id of the project whose quota is used, and which pays. What shares a project rests together.",
}


class AccountForm(CredentialForm):
    """Of a credential that somebody has logged in with."""

    client_id = forms.CharField(
        required=False,
        label="Client ID",
        max_length=200,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off", "spellcheck": "false"}),
        help_text="Empty: GOOGLE_OAUTH_CLIENT_ID. After a change the account must log in again: a login belongs to its client.",
    )
    client_secret = forms.CharField(
        required=False,
        label="Client secret",
        strip=True,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "off"}),
        help_text="Leave it empty to keep the stored one, which is never shown.",
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        login: GoogleLogin = self.instance.login
        if "label" in self.fields:
            self.fields["label"].help_text = "A name for people. Empty: the e-mail address is shown."
        if "client_id" in self.fields:
            self.initial["client_id"] = login.client_id
        if "project" in self.fields:
            self.fields["project"].help_text = PROJECT_OF[Use(self.instance.use)]
            if self.instance.use == Use.CODE_ASSIST:
                self.initial["project"] = login.project

    def clean_project(self) -> str:
        project = super().clean_project()
        if project and not is_project_id(project):
            raise ValidationError(NO_PROJECT_ID)
        return project

    def clean_client_id(self) -> str:
        return self.cleaned_data["client_id"].strip()

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("client_secret") and not given.get("client_id"):
            self.add_error("client_id", "A secret belongs to a client: give its ID as well.")
        if given.get("client_id") and not given.get("client_secret") and "client_id" in self.changed_data:
            self.add_error("client_secret", "Give the secret of the new client as well.")
        return given

    @property
    def changes_client(self) -> bool:
        return bool({"client_id", "client_secret"} & set(self.changed_data))


class CliKeyForm(KeyForm):
    """Of a key that is used through the Gemini CLI."""

    kind = Kind.GEMINI_CLI

    def clean(self) -> dict[str, Any]:
        if not self.instance.pk and not gemini_cli.installed():
            raise ValidationError(gemini_cli.NOT_INSTALLED)
        return super().clean() or self.cleaned_data

    def save(self, commit: bool = True) -> Credential:
        self.instance.use = Use.GEMINI_API
        return super().save(commit)


def _use_field(choices: list[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(label="What is it used for?", choices=choices, widget=UnfoldAdminRadioSelectWidget())


class ConnectForm(OwnClientForm):
    """What must be known before somebody is sent to Google. Nothing is chosen beforehand: each use has terms of its own."""

    use = _use_field(Use.choices)
    project = forms.CharField(
        required=False,
        label="Google Cloud project",
        max_length=100,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off", "spellcheck": "false"}),
        help_text="Its id, such as my-project-123456.",
    )
    label = forms.CharField(
        required=False, max_length=100, widget=UnfoldAdminTextInputWidget(), help_text="A name for people, if you like."
    )
    terms = forms.BooleanField(
        required=False, label=terms.ACKNOWLEDGEMENT, widget=UnfoldBooleanWidget(), help_text="Needed for Code Assist only."
    )

    def __init__(self, *args, kind: Kind, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._kind = kind
        if kind == Kind.GEMINI_CLI:
            self.fields["use"] = _use_field([(Use.CODE_ASSIST.value, Use.CODE_ASSIST.label)])
        if settings.GOOGLE_CLOUD_PROJECT:
            self.fields["project"].help_text += f" Empty: {settings.GOOGLE_CLOUD_PROJECT} (GOOGLE_CLOUD_PROJECT)."

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not settings.GOOGLE_OAUTH_CLIENT_ID and not given.get("client_id") and "client_id" not in self.errors:
            self.add_error("client_id", "There is no client in the settings (GOOGLE_OAUTH_CLIENT_ID): the account needs its own.")
        if not self.errors:
            self._check_use()
        return given

    def _check_use(self) -> None:
        use, project = self.cleaned_data["use"], self.cleaned_data["project"].strip()
        if use == Use.CODE_ASSIST and not self.cleaned_data["terms"]:
            self.add_error("terms", "Code Assist needs it. For the Gemini API you need not acknowledge anything.")
        if use == Use.GEMINI_API and not (project or settings.GOOGLE_CLOUD_PROJECT):
            self.add_error("project", "The Gemini API needs a project, whose quota is used.")
        try:
            checked(Wanted(use=use, kind=self._kind, project=project))
        except LoginFailed as failure:
            self.add_error("project", f"{failure.message} {failure.remedy}")


class AcknowledgeForm(forms.Form):
    terms = forms.BooleanField(label=terms.ACKNOWLEDGEMENT, widget=UnfoldBooleanWidget())
    enable = forms.BooleanField(label="Enable them as well", required=False, initial=True, widget=UnfoldBooleanWidget())
