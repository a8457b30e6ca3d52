"""What is asked before and after the visit at Google."""

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from credentials.accounts import terms
from credentials.accounts.oauth import OAuthClient
from credentials.accounts.wanted import Wanted
from credentials.models import Use


class OwnClientForm(forms.Form):
    """The OAuth client by which an account is logged in, if it is not to be the operator's. Its secret never comes out."""

    client_id = forms.CharField(
        required=False,
        label="Client ID",
        max_length=200,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off", "spellcheck": "false"}),
        help_text="Such as 1234-abcd.apps.googleusercontent.com.",
    )
    client_secret = forms.CharField(
        required=False,
        label="Client secret",
        max_length=500,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "off"}),
        help_text="It is kept encrypted, and never shown again.",
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("client_secret") and not given.get("client_id"):
            self.add_error("client_id", "A secret belongs to a client: give its ID as well.")
        if given.get("client_id") and not given.get("client_secret"):
            self.add_error("client_secret", "Give the secret of the client as well.")
        return given

    @property
    def client(self) -> OAuthClient | None:
        given = self.cleaned_data
        return OAuthClient(given["client_id"], given["client_secret"]) if given["client_id"] else None

    @property
    def unfolded(self) -> bool:
        """Whether the fields are to be seen at once: there is something wrong with them, or nothing works without them."""
        return not settings.GOOGLE_OAUTH_CLIENT_ID or bool({"client_id", "client_secret"} & set(self.errors))


class QuestionsForm(forms.Form):
    """What must be known before somebody is sent to Google, as far as it is not known yet; it may have no field at all."""

    project = forms.CharField(
        label="Google Cloud project",
        max_length=100,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off", "spellcheck": "false"}),
        help_text="Its id, such as my-project-123456. Google counts this account's requests against it, and may bill them to it.",
    )
    terms = forms.BooleanField(
        label=terms.ACKNOWLEDGEMENT, widget=UnfoldBooleanWidget(), error_messages={"required": "Without this it cannot go on."}
    )

    def __init__(self, wanted: Wanted, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # Whoever holds a link need not know the project, and cannot acknowledge anything for those who run this Castor.
        if wanted.link is not None or wanted.project or wanted.use != Use.GEMINI_API:
            del self.fields["project"]
        if wanted.link is not None or not wanted.asks_for_terms:
            del self.fields["terms"]


class PastedForm(forms.Form):
    address = forms.CharField(
        label="Address",
        max_length=8000,
        widget=UnfoldAdminTextareaWidget({"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="All of it, beginning with http. It is good for this one login only.",
    )
