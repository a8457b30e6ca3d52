"""The admin's forms for servers of OpenAI's dialect, their keys, and the routes to models."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from credentials.crypto import fingerprint
from credentials.forms import CredentialForm, SecretTextarea, priority_field
from credentials.models import Credential, Kind, ModelRoute, Server
from credentials.servers import InvalidAddress, base_url_of, flaw_of, split_keys
from credentials.stop_tags import InvalidTags, read_lines, write_lines

STREAM_INTERNALLY = (("", "As STREAM_INTERNALLY says"), ("True", "Always"), ("False", "Never"))
_SEVERAL = "One a line, or between commas, semicolons or blanks."


class KeysField(forms.CharField):
    """Cleans to a list of keys."""

    def __init__(self, **options: Any) -> None:
        widget = SecretTextarea({"rows": 6, "autocomplete": "off", "spellcheck": "false"})
        super().__init__(required=False, widget=widget, **options)

    def clean(self, value: Any) -> list[str]:
        keys = split_keys(super().clean(value))
        for number, key in enumerate(keys, 1):
            if flaw := flaw_of(key):
                raise ValidationError(f"Key {number} is none: it is {flaw}.")
        return keys


class ServerForm(forms.ModelForm):
    keys = KeysField(label="Add keys", help_text=_SEVERAL)
    keyless = forms.BooleanField(required=False, label="It asks for no key", widget=UnfoldBooleanWidget())

    class Meta:
        model = Server
        fields = ("name", "base_url")

    def clean_base_url(self) -> str:
        try:
            return base_url_of(self.cleaned_data["base_url"])
        except InvalidAddress as error:
            raise ValidationError(f"This is no address of a server: {error}.") from error

    @property
    def added(self) -> list[str]:
        return self.cleaned_data["keys"] + ([""] if self.cleaned_data["keyless"] else [])


class ServerKeysForm(forms.Form):
    """Several keys of one server."""

    server = forms.ModelChoiceField(Server.objects, widget=UnfoldAdminSelectWidget())
    keys = KeysField(help_text=_SEVERAL)
    priority = priority_field(initial=0)

    def clean_keys(self) -> list[str]:
        if not self.cleaned_data["keys"]:
            raise ValidationError("There is no key in what you gave.")
        return self.cleaned_data["keys"]


class ServerKeyForm(CredentialForm):
    key = forms.CharField(required=False, strip=True, widget=UnfoldAdminPasswordWidget({"autocomplete": "off"}))

    class Meta(CredentialForm.Meta):
        fields = ("server", "label", "enabled", "priority", "weight", "max_concurrent", "notes")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = Kind.OPENAI_COMPATIBLE  # Before it is saved: what it is decides whether it may have a server.
        if "server" in self.fields:
            self.fields["server"].required = True
        if "key" in self.fields:
            self.fields["key"].help_text = "Empty: the server asks for none."
        if "key" in self.fields and self.instance.pk:
            self.fields["key"].label = "Replace key"
            self.fields["key"].help_text = "Leave it empty to keep the stored key, which is never shown."

    @property
    def replaced(self) -> bool:
        return bool(self.cleaned_data.get("key"))

    def clean_key(self) -> str:
        if flaw := flaw_of(self.cleaned_data["key"]):
            raise ValidationError(f"This is no key: it is {flaw}.")
        return self.cleaned_data["key"]

    def clean(self) -> None:
        server = self.cleaned_data.get("server") or self.instance.server
        is_unchanged = self.instance.pk and not self.replaced
        if self.errors or server is None or is_unchanged:
            return
        mark = fingerprint(Credential(kind=Kind.OPENAI_COMPATIBLE, server=server, secret=self.cleaned_data["key"]).identity)
        if twin := Credential.objects.filter(fingerprint=mark).exclude(pk=self.instance.pk).defer("secret").first():
            raise ValidationError(f"The server has this key already, as {twin}.")

    def save(self, commit: bool = True) -> Credential:
        if self.replaced or not self.instance.pk:
            self.instance.secret = self.cleaned_data["key"]
        return super().save(commit)


class ModelRouteForm(forms.ModelForm):
    models = forms.CharField(
        required=False,
        label="Models that may stand in",
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="When nobody can be asked for the model itself, the first of these that can answers, and the answer names it. "
        "One a line, or between commas. Empty: none.",
    )

    tags = forms.CharField(
        required=False,
        label="Stop tags",
        widget=UnfoldAdminTextareaWidget({"rows": 3, "spellcheck": "false"}),
        help_text="Texts at which an answer is cut, one a line; in quotes, as JSON writes texts, where one has line breaks, "
        "or blanks at its ends. Empty: those of STOP_TAGS.",
    )
    stream_internally = forms.TypedChoiceField(
        required=False,
        label="Collect whole answers from streams",
        choices=STREAM_INTERNALLY,
        coerce=lambda chosen: chosen == "True",
        empty_value=None,
        widget=UnfoldAdminSelectWidget(),
    )

    class Meta:
        model = ModelRoute
        fields = ("pattern", "priority", "server", "kind", "project", "enabled", "note", "stream_internally")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if "server" in self.fields:
            self.fields["server"].empty_label = "Gemini"  # type: ignore[attr-defined]  # a ModelChoiceField
        if self.instance.pk:
            self.initial["models"] = "\n".join(self.instance.fallback)
            self.initial["tags"] = write_lines(self.instance.stop_tags)

    def clean_pattern(self) -> str:
        pattern = self.cleaned_data["pattern"].strip()
        if re.search(r"[\s?\[\]]", pattern):
            raise ValidationError("A pattern is a name in which * may stand for anything; it has no blanks or other wildcards.")
        return pattern

    def clean_project(self) -> str:
        return self.cleaned_data["project"].strip()

    def clean(self) -> None:
        if self.cleaned_data.get("server"):
            for name in ("kind", "project"):
                if self.cleaned_data.get(name):
                    self.add_error(name, "A server has credentials of its own: this is for routes that lead to Gemini.")

    def clean_models(self) -> list[str]:
        names = [name for name in re.split(r"[\s,;]+", self.cleaned_data["models"]) if name]
        if any("*" in name or len(name) > 100 for name in names):
            raise ValidationError("Each of them is the name of one model.")
        return names

    def clean_tags(self) -> list[str]:
        try:
            return list(read_lines(self.cleaned_data["tags"]))
        except InvalidTags as error:
            raise ValidationError(f"These tags cannot be used: {error}.") from error

    def save(self, commit: bool = True) -> ModelRoute:
        if "models" in self.cleaned_data:
            self.instance.fallback = self.cleaned_data["models"]
        if "tags" in self.cleaned_data:
            self.instance.stop_tags = self.cleaned_data["tags"]
        return super().save(commit)
