"""The API keys of the pool: the list, and the form of one."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action

from credentials import store
from credentials.admin.pooled import CredentialAdmin
from credentials.forms import ApiKeyForm, CredentialForm, KeyForm
from credentials.models import ApiKey, Credential, Kind, ProjectSource
from credentials.paste import paste_view


class KeyPages(CredentialAdmin):
    """Of credentials whose secret is a key."""

    def save_beside(self, credential: Credential, form: CredentialForm) -> bool:
        replaced = isinstance(form, KeyForm) and form.replaced
        if replaced:
            credential.save(update_fields=["secret", "fingerprint", "masked"])
        if "project" in form.changed_data:
            store.set_project([credential.pk], credential.project, ProjectSource.TYPED)
        elif replaced and credential.project_source == ProjectSource.LEARNED:
            store.set_project([credential.pk], "", ProjectSource.TYPED)  # It was the old key's; the new one may be of another.
        if replaced:
            store.return_to_service([credential])
        return replaced


@admin.register(ApiKey)
class ApiKeyAdmin(KeyPages):
    kind = Kind.API_KEY
    form = ApiKeyForm
    list_display = ("name", "state_chip", "why", "lately", "of_project", "turn", "last_used")
    search_help_text = "Label, ends of the key, project or notes"
    actions_list = ("paste_keys", "who_would_serve")
    empty_template = "credentials/first_key.html"
    fieldsets = (
        (None, {"fields": ("label", "masked", "key", "project", "enabled")}),
        ("Its turn", {"fields": ("priority", "weight", "max_concurrent")}),
        ("Notes", {"fields": ("notes", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("key", "label", "project", "priority", "weight", "max_concurrent", "notes")}),)

    @action(description="Paste or upload", icon="content_paste", permissions=["add"])
    def paste_keys(self, request: HttpRequest) -> HttpResponse:
        return paste_view(self, request)
