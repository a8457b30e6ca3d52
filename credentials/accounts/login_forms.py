"""What is asked before and after the visit at Google."""

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from credentials.accounts import terms
from credentials.accounts.wanted import Wanted
from credentials.models import Use


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
