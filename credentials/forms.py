"""The admin's forms. A key goes in by them and never comes out again."""

import re

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from credentials.crypto import fingerprint
from credentials.importing import Candidate, candidate_of, read_keys
from credentials.models import ApiKey, ClientToken, Credential, ModelAlias, ProjectSource, QuotaLimit

_PRIORITY = Credential._meta.get_field("priority")
_WEIGHT = Credential._meta.get_field("weight")
_PROJECT = Credential._meta.get_field("project")
_SHARED = "Google counts quota per project: keys of one project rest together. "
_LARGEST_FILE = 20 * 1024 * 1024


def _priority_field(**options) -> forms.IntegerField:
    widget = UnfoldAdminIntegerFieldWidget()
    return forms.IntegerField(min_value=-32768, max_value=32767, widget=widget, help_text=_PRIORITY.help_text, **options)


class SecretTextarea(UnfoldAdminTextareaWidget):
    """Takes secrets and never gives them back, not even when the form has an error elsewhere."""

    def format_value(self, value: str | None) -> str:
        return ""


class ApiKeyForm(forms.ModelForm):
    key = forms.CharField(strip=True, widget=UnfoldAdminPasswordWidget({"autocomplete": "off"}))

    class Meta:
        model = ApiKey
        fields = ("label", "project", "enabled", "priority", "weight", "max_concurrent", "notes")
        widgets = {"notes": UnfoldAdminTextareaWidget({"rows": 3})}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "key" in self.fields:
            self.fields["key"].required = False
            self.fields["key"].label = "Replace key"
            self.fields["key"].help_text = "Leave it empty to keep the stored key, which is never shown."
        if self.instance.project and "project" in self.fields:
            self.fields["project"].help_text = _SHARED + self._source()

    def _source(self) -> str:
        source = ProjectSource(self.instance.project_source or ProjectSource.TYPED)
        if source is ProjectSource.TYPED:
            return "This one was typed in by an admin; once it is empty, Castor learns it from what Google says."
        return f"This one was {source.label}; what you type here wins over it."

    def clean_key(self) -> str:
        secret = self.cleaned_data["key"]
        if not secret:
            return ""
        if flaw := candidate_of(secret, "form").flaw:
            raise ValidationError(f"This is no key: it is {flaw}.")
        others = Credential.objects.filter(fingerprint=fingerprint(secret)).exclude(pk=self.instance.pk)
        if twin := others.defer("secret").first():
            raise ValidationError(f"This key is in the pool already, as {twin}.")
        return secret

    def save(self, commit: bool = True) -> ApiKey:
        if self.cleaned_data.get("key"):
            self.instance.secret = self.cleaned_data["key"]
        return super().save(commit)


class PasteForm(forms.Form):
    keys = forms.CharField(
        required=False,
        widget=SecretTextarea({"rows": 12, "autocomplete": "off", "spellcheck": "false", "autofocus": True}),
        help_text="One a line, or between commas, semicolons, quotes or blanks; a JSON list or an .env file does as well.",
    )
    file = forms.FileField(required=False, widget=UnfoldAdminFileFieldWidget(), help_text="The same, as a text file.")
    project = forms.CharField(
        required=False,
        label="Google project",
        max_length=_PROJECT.max_length,
        widget=UnfoldAdminTextInputWidget(),
        help_text="For the keys that do not name one themselves. Keys of one project share its quota and rest together.",
    )
    priority = _priority_field(initial=0)

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        if not file:
            return ""
        if file.size > _LARGEST_FILE:
            raise ValidationError("The file is larger than 20 MB.")
        try:
            return file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValidationError("The file is not UTF-8 text.") from error

    def clean(self) -> None:
        if self.errors:
            return
        self.candidates: list[Candidate] = read_keys(self.cleaned_data["keys"]) + read_keys(self.cleaned_data["file"])
        if not self.candidates:
            raise ValidationError("There is no key in what you gave. Paste at least one.")


class PriorityForm(forms.Form):
    priority = _priority_field()


class WeightForm(forms.Form):
    weight = forms.IntegerField(min_value=1, max_value=32767, widget=UnfoldAdminIntegerFieldWidget(), help_text=_WEIGHT.help_text)


class ProjectForm(forms.Form):
    project = forms.CharField(
        required=False,
        label="Google project",
        max_length=_PROJECT.max_length,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_SHARED + "Empty: Castor learns it from what Google says.",
    )


class RestingModelsForm(forms.Form):
    def __init__(self, *args, models: list[str], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        choices = [(model, model) for model in models]
        widget = UnfoldAdminCheckboxSelectMultipleWidget()
        self.fields["models"] = forms.MultipleChoiceField(label="For which models?", choices=choices, widget=widget)


class ClientTokenForm(forms.ModelForm):
    models = forms.CharField(
        required=False,
        label="Allowed models",
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="Names or patterns such as gemini-*-flash, one a line or between commas. Empty: every model.",
    )

    class Meta:
        model = ClientToken
        fields = ("owner", "label", "expires_at")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["models"] = "\n".join(self.instance.allowed_models)

    def clean_models(self) -> list[str]:
        return [name for name in re.split(r"[\s,;]+", self.cleaned_data["models"]) if name]

    def save(self, commit: bool = True) -> ClientToken:
        self.instance.allowed_models = self.cleaned_data["models"]
        return super().save(commit)


class ModelAliasForm(forms.ModelForm):
    class Meta:
        model = ModelAlias
        fields = ("pattern", "target", "enabled", "note")

    def clean_pattern(self) -> str:
        pattern = self.cleaned_data["pattern"].strip()
        if re.search(r"[\s?\[\]]", pattern):
            raise ValidationError(
                "A pattern is a name in which * may stand for anything; it has no blanks and no other wildcards."
            )
        return pattern

    def clean_target(self) -> str:
        target = self.cleaned_data["target"].strip().removeprefix("models/")
        if re.search(r"[\s*]", target):
            raise ValidationError("The target is the name of one model.")
        return target


class QuotaLimitForm(forms.ModelForm):
    class Meta:
        model = QuotaLimit
        fields = ("project", "model", "rpm", "tpm", "rpd", "max_concurrent")

    def clean_project(self) -> str:
        return self.cleaned_data["project"].strip()

    def clean_model(self) -> str:
        model = self.cleaned_data["model"].strip().removeprefix("models/")
        if re.search(r"[\s?\[\]]", model):
            raise ValidationError("This is the name of a model, in which * may stand for anything.")
        return model

    def clean(self) -> None:
        if self.errors:
            return
        given = self.cleaned_data
        if all(given[name] is None for name in ("rpm", "tpm", "rpd", "max_concurrent")):
            raise ValidationError("Give at least one number: a limit without any limits nothing.")
        # The form has no field for the source, so Django itself does not look at the constraint.
        same = QuotaLimit.objects.filter(project=given["project"], model=given["model"], source=ProjectSource.TYPED)
        if same.filter(credential=None).exclude(pk=self.instance.pk).exists():
            raise ValidationError("There is a limit for this project and model already: change that one.")
