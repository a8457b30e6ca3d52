"""What the pages of all kinds of credentials have in common: the list, and the form of one."""

from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.views import ChangeList

from credentials.admin.alerts import open_alerts
from credentials.admin.bulk import BulkActions
from credentials.admin.detail import Button, on_page_of
from credentials.admin.filters import LastErrorFilter, ProjectFilter, ReasonFilter, StateFilter, UsedFilter
from credentials.admin.serving import who_would_serve_view
from credentials.admin.shown import COLOURS, PAGES, PoolPages, ago, some
from credentials.forms import CredentialForm
from credentials.models import Credential, CredentialQuerySet, Kind, ProjectSource, ServedModel
from credentials.status import first_return, rests_of, status_of
from credentials.strip import strip_of, words_of

_MOST_NAMED = 200
"""How many of those that are to be deleted the page names that asks whether they should be."""


class CredentialList(ChangeList):
    """One page of the list, each credential with what is wrong with it and its project (`rests`)."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rests = rests_of(self.result_list, at=now())
        for credential in self.result_list:
            credential.rests = rests[credential.pk]


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


class CredentialAdmin(PoolPages, BulkActions):
    """A subclass says which `kind` it is of, and what its list is called and shows."""

    kind: ClassVar[Kind]
    inlines = (ServedModelInline,)
    list_filter: tuple[type[SimpleListFilter], ...] = (StateFilter, ReasonFilter, LastErrorFilter, ProjectFilter, UsedFilter)
    search_fields: tuple[str, ...] = ("label", "masked", "project", "notes")
    ordering = ("-priority", "pk")
    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    change_list_template = "credentials/credential_list.html"
    change_form_outer_before_template = "credentials/credential_now.html"
    change_form_outer_after_template = "credentials/credential_timeline.html"
    delete_confirmation_template = "credentials/delete_one.html"
    delete_selected_confirmation_template = "credentials/delete_several.html"
    empty_template = ""
    """Stands in place of the list while there is nothing to list."""
    actions_list: tuple[str, ...] = ("who_would_serve",)
    actions_submit_line = ("save_and_check",)
    readonly_fields: tuple[str, ...] = ("masked", "created_at")

    def get_queryset(self, request: HttpRequest) -> CredentialQuerySet:
        # Nothing shown here needs the secret, so it stays sealed.
        return super().get_queryset(request).defer("secret")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CredentialList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        empty = not self.model.objects.exists()
        page = {"empty_template": self.empty_template if empty else "", "open_alerts": open_alerts()}
        return super().changelist_view(request, page | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        credential = self.get_object(request, object_id)
        page = self.on_page_of(credential, request) if credential is not None else {}
        return super().change_view(request, object_id, form_url, page | (extra_context or {}))

    def on_page_of(self, credential: Credential, request: HttpRequest) -> dict[str, Any]:
        """What the templates around the form need."""
        address = reverse(f"admin:{PAGES[self.kind]}_changelist")
        return on_page_of(credential, request) | {"list_url": address, "buttons": self.buttons(credential)}

    def buttons(self, credential: Credential) -> list[Button]:
        """Actions of the list that its page offers besides those that every credential has."""
        return []

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().changeform_view(request, *args, **kwargs)
        # Only now: a worker may be faster than the form's transaction, and would check what was there before.
        ids = getattr(request, "to_be_checked", [])
        return (self.start_checks(request, ids) if ids else None) or response

    @display(description="credential", ordering="label")
    def name(self, credential: Credential) -> str:
        return two_lines(credential.label, credential.masked) if credential.label else credential.masked

    @display(description="state", ordering="state", label=COLOURS)
    def state_chip(self, credential: Credential) -> tuple[str, str]:
        status = status_of(credential, at=now())
        return status.state, status.label

    @display(description="why, until when")
    def why(self, credential: Credential) -> str:
        at = now()
        status = status_of(credential, at=at)
        said = [status.reason, status.returns]
        resting = [rest for rest in credential.rests if rest.model]  # type: ignore[attr-defined]  # by CredentialList
        if resting and credential.enabled and not status.reason:
            said += [f"rests for {some(sorted({rest.model for rest in resting}))}", first_return(resting, at=at)]
        return format_html('<span class="why">{}</span>', " · ".join(filter(None, said)))

    @display(description="lately", ordering="failures")
    def lately(self, credential: Credential) -> str:
        strip = strip_of(credential.recent)
        if not credential.failures:
            return strip
        failed = f"{credential.failures:,} failed in a row"
        return format_html('{}<span class="under-strip" title="{}">{}</span>', strip, words_of(credential.last_error), failed)

    @display(description="project", ordering="project")
    def of_project(self, credential: Credential) -> str:
        return format_html('<span class="project">{}</span>', credential.project)

    @display(description="priority", ordering="-priority")
    def turn(self, credential: Credential) -> str:
        weight = format_html(' <small title="weight">×{}</small>', credential.weight) if credential.weight != 1 else ""
        return format_html('<span class="number once">{}{}</span>', credential.priority, weight)

    @display(description="last used", ordering="last_used_at", empty_value="never")
    def last_used(self, credential: Credential) -> str | None:
        return ago(credential.last_used_at)

    def save_model(self, request: HttpRequest, obj: Credential, form: CredentialForm, change: bool) -> None:
        if change:
            # Not the whole row: the pool may be writing its state at this moment.
            obj.save(update_fields=form.changed_columns)
            needs_check = self.save_beside(obj, form)
        else:
            obj.project_source = ProjectSource.TYPED if obj.project else ""
            super().save_model(request, obj, form, change)
            needs_check = True
        if needs_check or "_check" in request.POST:
            request.to_be_checked = [obj.pk]  # type: ignore[attr-defined]  # for `changeform_view`

    def save_beside(self, credential: Credential, form: CredentialForm) -> bool:
        """Save what is no column of its own row, or not only; returns whether the credential must be checked now."""
        raise NotImplementedError

    def get_deleted_objects(self, objs, request):
        # The models that a credential lists go with it; sixty of them each would bury the names of the credentials.
        named = [str(one) for one in objs[:_MOST_NAMED]]
        unnamed = [f"and {len(objs) - _MOST_NAMED:,} more"] if len(objs) > _MOST_NAMED else []
        return named + unnamed, {self.opts.verbose_name_plural: len(objs)}, set(), []

    @action(description="Who would serve?", icon="rule", permissions=["view"])
    def who_would_serve(self, request: HttpRequest) -> HttpResponse:
        return who_would_serve_view(self, request)

    @action(description="Save and check now", attrs={"name": "_check"}, permissions=["change"])
    def save_and_check(self, request: HttpRequest, obj: Credential) -> None:
        """`save_model` looks at the button's name."""


def two_lines(name: str, beside: str) -> str:
    below = format_html('<span class="text-font-subtle-light dark:text-font-subtle-dark">{}</span>', beside)
    return format_html('<span class="two-lines"><b>{}</b>{}</span>', name, below)
