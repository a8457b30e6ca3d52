"""The keys of the pool: the list, and the form of one."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.views import ChangeList

from credentials import store
from credentials.admin.alerts import open_alerts
from credentials.admin.bulk import BulkActions
from credentials.admin.detail import on_page_of
from credentials.admin.filters import LastErrorFilter, ProjectFilter, ReasonFilter, StateFilter, UsedFilter
from credentials.admin.serving import who_would_serve_view
from credentials.admin.shown import COLOURS, PoolPages, ago, some
from credentials.forms import ApiKeyForm
from credentials.models import ApiKey, ProjectSource, ServedModel
from credentials.paste import paste_view
from credentials.status import rests_of, status_of
from credentials.strip import strip_of, words_of

_MOST_NAMED = 200
"""How many of the keys that are to be deleted the page names that asks whether they should be."""


class KeyList(ChangeList):
    """One page of the list, each key with what is wrong with it and its project (`rests`)."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rests = rests_of(self.result_list, at=now())
        for key in self.result_list:
            key.rests = rests[key.pk]


class ServedModelInline(TabularInline):
    model = ServedModel
    verbose_name_plural = "Models it lists"
    fields = ("name", "display_name", "input_limit", "output_limit")
    readonly_fields = fields
    ordering = ("name",)
    extra = 0
    tab = True
    hide_title = True
    can_delete = False

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(BulkActions, PoolPages, ModelAdmin):
    form = ApiKeyForm
    inlines = (ServedModelInline,)
    list_display = ("name", "state_chip", "why", "lately", "of_project", "turn", "last_used")
    list_filter = (StateFilter, ReasonFilter, LastErrorFilter, ProjectFilter, UsedFilter, "kind")
    search_fields = ("label", "masked", "project", "notes")
    search_help_text = "Label, ends of the key, project or notes"
    ordering = ("-priority", "pk")
    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    change_list_template = "credentials/key_list.html"
    change_form_outer_before_template = "credentials/key_now.html"
    change_form_outer_after_template = "credentials/key_timeline.html"
    actions_list = ("paste_keys", "who_would_serve")
    actions_submit_line = ("save_and_check",)
    fieldsets = (
        (None, {"fields": ("label", "masked", "key", "project", "enabled")}),
        ("Its turn", {"fields": ("priority", "weight", "max_concurrent")}),
        ("Notes", {"fields": ("notes", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("key", "label", "project", "priority", "weight", "max_concurrent", "notes")}),)
    readonly_fields = ("masked", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        # Nothing shown here needs the secret, so it stays sealed.
        return super().get_queryset(request).defer("secret")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeyList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        page = {"pool_is_empty": not ApiKey.objects.exists(), "open_alerts": open_alerts()}
        return super().changelist_view(request, page | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        page = on_page_of(self.get_object(request, object_id), request)
        return super().change_view(request, object_id, form_url, page | (extra_context or {}))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().changeform_view(request, *args, **kwargs)
        # Only now: a worker may be faster than the form's transaction, and would check what was there before.
        ids = getattr(request, "to_be_checked", [])
        return (self.start_checks(request, ids) if ids else None) or response

    @display(description="key", ordering="label")
    def name(self, key: ApiKey) -> str:
        masked = format_html('<span class="text-font-subtle-light dark:text-font-subtle-dark">{}</span>', key.masked)
        return format_html('<span class="two-lines"><b>{}</b>{}</span>', key.label, masked) if key.label else key.masked

    @display(description="state", ordering="state", label=COLOURS)
    def state_chip(self, key: ApiKey) -> tuple[str, str]:
        status = status_of(key, at=now())
        return status.state, status.label

    @display(description="why, until when")
    def why(self, key: ApiKey) -> str:
        status = status_of(key, at=now())
        resting = sorted({rest.model for rest in key.rests if rest.model})  # type: ignore[attr-defined]  # by KeyList
        models = f"rests for {some(resting)}" if resting and key.enabled and not status.reason else ""
        return format_html('<span class="why">{}{}</span>', " · ".join(filter(None, (status.reason, status.returns))), models)

    @display(description="lately", ordering="failures")
    def lately(self, key: ApiKey) -> str:
        strip = strip_of(key.recent)
        if not key.failures:
            return strip
        failed = f"{key.failures:,} failed in a row"
        return format_html('{}<span class="under-strip" title="{}">{}</span>', strip, words_of(key.last_error), failed)

    @display(description="project", ordering="project")
    def of_project(self, key: ApiKey) -> str:
        return format_html('<span class="project">{}</span>', key.project)

    @display(description="priority", ordering="-priority")
    def turn(self, key: ApiKey) -> str:
        weight = format_html(' <small title="weight">×{}</small>', key.weight) if key.weight != 1 else ""
        return format_html('<span class="number once">{}{}</span>', key.priority, weight)

    @display(description="last used", ordering="last_used_at", empty_value="never")
    def last_used(self, key: ApiKey) -> str | None:
        return ago(key.last_used_at)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ApiKeyForm, change: bool) -> None:
        replaced = bool(form.cleaned_data.get("key"))
        if change:
            self._save_changes(obj, set(form.changed_data), replaced)
        else:
            obj.project_source = ProjectSource.TYPED if obj.project else ""
            super().save_model(request, obj, form, change)
        if replaced or "_check" in request.POST:
            request.to_be_checked = [obj.pk]  # type: ignore[attr-defined]  # for `changeform_view`

    def _save_changes(self, key: ApiKey, changed: set[str], replaced: bool) -> None:
        # Not the whole row: the pool may be writing its state at this moment.
        columns = [*(changed - {"key", "project"}), *(("secret", "fingerprint", "masked") if replaced else ())]
        key.save(update_fields=columns)
        if "project" in changed:
            store.set_project([key.pk], key.project, ProjectSource.TYPED)
        elif replaced and key.project_source == ProjectSource.LEARNED:
            store.set_project([key.pk], "", ProjectSource.TYPED)  # It was the old key's; the new one may be of another.
        if replaced:
            store.return_to_service([key])

    def get_deleted_objects(self, objs, request):
        # The models that a key lists go with it; sixty of them each would bury the names of the keys.
        named = [str(key) for key in objs[:_MOST_NAMED]]
        unnamed = [f"and {len(objs) - _MOST_NAMED:,} more"] if len(objs) > _MOST_NAMED else []
        return named + unnamed, {self.opts.verbose_name_plural: len(objs)}, set(), []

    @action(description="Paste keys", icon="content_paste", permissions=["add"])
    def paste_keys(self, request: HttpRequest) -> HttpResponse:
        return paste_view(self, request)

    @action(description="Who would serve?", icon="rule", permissions=["view"])
    def who_would_serve(self, request: HttpRequest) -> HttpResponse:
        return who_would_serve_view(self, request)

    @action(description="Save and check now", attrs={"name": "_check"}, permissions=["change"])
    def save_and_check(self, request: HttpRequest, obj: ApiKey) -> None:
        """`save_model` looks at the button's name."""
