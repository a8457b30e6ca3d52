"""The admin's forms. A key goes in by them and never comes out again."""

import re
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from credentials.accounts import terms
from credentials.accounts.importing.files import read_files
from credentials.accounts.importing.found import FoundLogin
from credentials.accounts.importing.shapes import Found, read_json
from credentials.crypto import fingerprint
from credentials.keys import candidate_of, read_text
from credentials.models import ClientToken, Credential, Kind, ModelAlias, ProjectSource, QuotaLimit, Use

_PRIORITY = Credential._meta.get_field("priority")
_WEIGHT = Credential._meta.get_field("weight")
_PROJECT = Credential._meta.get_field("project")
_SHARED = "Google counts quota per project: keys of one project rest together. "
_LARGEST_UPLOAD = 50 * 1024 * 1024


def priority_field(**options) -> forms.IntegerField:
    widget = UnfoldAdminIntegerFieldWidget()
    return forms.IntegerField(min_value=-32768, max_value=32767, widget=widget, help_text=_PRIORITY.help_text, **options)


class SecretTextarea(UnfoldAdminTextareaWidget):
    """Takes secrets and never gives them back, not even when the form has an error elsewhere."""

    def format_value(self, value: str | None) -> str:
        return ""


class CredentialForm(forms.ModelForm):
    """What can be set of credentials of every kind."""

    class Meta:
        model = Credential
        fields = ("label", "project", "enabled", "priority", "weight", "max_concurrent", "notes")
        widgets = {"notes": UnfoldAdminTextareaWidget({"rows": 3})}

    _BESIDE = frozenset({"key", "project", "client_id", "client_secret"})
    """Fields that are no column of the credential, or that have more to them than a column."""

    @property
    def changed_columns(self) -> list[str]:
        return [name for name in self.changed_data if name not in self._BESIDE]

    def clean_enabled(self) -> bool:
        enabled = self.cleaned_data["enabled"]
        if enabled and self.instance.lacks_terms:
            raise ValidationError(terms.MISSING)
        return enabled

    def clean_project(self) -> str:
        return self.cleaned_data["project"].strip()


class KeyForm(CredentialForm):
    """Of a credential whose secret is a key."""

    kind: ClassVar[Kind]
    key = forms.CharField(strip=True, widget=UnfoldAdminPasswordWidget({"autocomplete": "off"}))

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "key" in self.fields:
            self.fields["key"].required = False
            self.fields["key"].label = "Replace key"
            self.fields["key"].help_text = "Leave it empty to keep the stored key, which is never shown."
        if self.instance.project and "project" in self.fields:
            self.fields["project"].help_text = _SHARED + self._source()

    @property
    def replaced(self) -> bool:
        return bool(self.cleaned_data.get("key"))

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
        mark = fingerprint(Credential(kind=self.kind, secret=secret).identity)
        if twin := Credential.objects.filter(fingerprint=mark).exclude(pk=self.instance.pk).defer("secret").first():
            raise ValidationError(f"This key is in the pool already, as {twin}.")
        return secret

    def save(self, commit: bool = True) -> Credential:
        if self.replaced:
            self.instance.secret = self.cleaned_data["key"]
        return super().save(commit)


class ApiKeyForm(KeyForm):
    kind = Kind.API_KEY


class ManyFilesWidget(UnfoldAdminFileFieldWidget):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Cleans to a list of uploaded files, empty ones included: of those it is said that they hold nothing."""

    widget = ManyFilesWidget

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        return [file for file in data or [] if file]


class PasteForm(forms.Form):
    """What was pasted and uploaded is read into `found`. `may_add_accounts`: whether logins are taken as well as keys."""

    keys = forms.CharField(
        required=False,
        # By script, not by `autofocus`: browsers do not focus what is still hidden when they come by.
        widget=SecretTextarea(
            {"rows": 12, "autocomplete": "off", "spellcheck": "false", "x-init": "$nextTick(() => $el.focus())"}
        ),
        help_text="One a line, or between commas, semicolons, quotes or blanks; JSON or an .env file does as well.",
    )
    uploads = ManyFilesField(
        required=False,
        label="Files",
        help_text="Text with keys, .env, JSON with Google logins (oauth_creds.json and those of other tools), or ZIP archives.",
    )
    project = forms.CharField(
        required=False,
        label="Google project",
        max_length=_PROJECT.max_length,
        widget=UnfoldAdminTextInputWidget(),
        help_text="For what does not name one itself. Keys of one project share its quota and rest together.",
    )
    priority = priority_field(initial=0)
    use = forms.ChoiceField(
        required=False,
        label="Use of Google logins",
        choices=[("", "What the tool used each for that wrote it"), *Use.choices],
        widget=UnfoldAdminSelectWidget(),
    )
    terms = forms.BooleanField(
        required=False,
        label=terms.ACKNOWLEDGEMENT,
        widget=UnfoldBooleanWidget(),
        help_text="Without it, logins for Code Assist are stored, but not enabled.",
    )

    def __init__(self, *args, may_add_accounts: bool, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._may_add_accounts = may_add_accounts
        self.found: list[Found] = []

    def clean_uploads(self) -> list[tuple[str, bytes]]:
        files = self.cleaned_data["uploads"]
        if sum(file.size for file in files) > _LARGEST_UPLOAD:
            raise ValidationError("Together the files are larger than 50 MB.")
        return [(file.name, file.read()) for file in files]

    def clean(self) -> None:
        if self.errors:
            return
        self.found = [*read_text(self.cleaned_data["keys"], read_json), *read_files(self.cleaned_data["uploads"])]
        if not self.found:
            raise ValidationError("There is neither a key nor a login in what you gave. Paste or upload at least one.")
        if not self._may_add_accounts and any(isinstance(one, FoundLogin) for one in self.found):
            raise ValidationError("There are logins of Google accounts in it, and you have no right to add accounts.")


class PriorityForm(forms.Form):
    priority = priority_field()


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
        fields = ("owner", "label", "expires_at", "on_disconnect")
        help_texts = {
            "on_disconnect": "What becomes of an answer that nobody waits for any more. Not every one can be read to its end."
        }

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
