"""Lists that an operator can act from: keys, tokens, aliases and the people who own them."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from credentials import store
from credentials.forms import ApiKeyForm, ClientTokenForm, ModelAliasForm
from credentials.health import Reason, State
from credentials.models import ApiKey, ClientToken, KeyHealth, ModelAlias, PoolVersion, ServedModel
from credentials.paste import paste_view
from credentials.signals import MOST_CHECKS, request_check
from credentials.status import DISABLED, SHOWN, describe_return, describe_span, shown_as, status_of

admin.site.index_template = "credentials/index.html"
admin.site.index_title = "Overview"
admin.site.unregister(User)
admin.site.unregister(Group)

_COLOURS = {State.AVAILABLE: "success", State.RATE_LIMITED: "warning", State.INVALID: "danger", DISABLED: None}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return list(SHOWN.items())

    def queryset(self, request, queryset):
        return queryset.filter(shown_as(self.value(), at=now())) if self.value() in SHOWN else queryset


class UsedFilter(admin.SimpleListFilter):
    title = "used"
    parameter_name = "used"

    def lookups(self, request, model_admin):
        return [("never", "Never"), ("yes", "At least once")]

    def queryset(self, request, queryset):
        return queryset.filter(last_used_at__isnull=self.value() == "never") if self.value() else queryset


class ReadOnlyInline(TabularInline):
    extra = 0
    tab = True
    hide_title = True
    can_delete = False

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False


class KeyHealthInline(ReadOnlyInline):
    model = KeyHealth
    verbose_name_plural = "What is wrong"
    fields = ("which_model", "state", "reason", "returns", "strikes", "detail")
    readonly_fields = fields
    ordering = ("model",)

    @display(description="model")
    def which_model(self, row: KeyHealth) -> str:
        return row.model or "all models"

    @display(description="until")
    def returns(self, row: KeyHealth) -> str:
        at = now()
        if row.until is not None and row.until <= at:
            return "over"
        return describe_return(row.until, day_quota=row.reason == Reason.DAY_QUOTA, at=at) or "a check finds it well"


class ServedModelInline(ReadOnlyInline):
    model = ServedModel
    verbose_name_plural = "Models it lists"
    fields = ("name", "display_name", "input_limit", "output_limit")
    readonly_fields = fields
    ordering = ("name",)


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = ApiKeyForm
    inlines = (KeyHealthInline, ServedModelInline)
    list_display = ("name", "state_chip", "why", "project", "priority", "weight", "last_used")
    list_filter = (StateFilter, "reason", UsedFilter)
    search_fields = ("label", "masked", "project", "notes")
    search_help_text = "Label, ends of the key, project or notes"
    ordering = ("-priority", "pk")
    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    change_list_template = "credentials/key_list.html"
    actions_list = ("paste_keys",)
    actions = ("enable", "disable", "return_to_service", "check_now")
    actions_submit_line = ("save_and_check",)
    fieldsets = (
        (None, {"fields": ("label", "masked", "key", "project", "enabled")}),
        ("Its turn", {"fields": ("priority", "weight", "max_concurrent")}),
        ("State", {"fields": ("status", "detail", "checked_at", "models_listed_at", "last_used_at", "created_at")}),
        ("Notes", {"fields": ("notes",)}),
    )
    add_fieldsets = ((None, {"fields": ("key", "label", "project", "priority", "weight", "max_concurrent", "notes")}),)
    readonly_fields = ("masked", "status", "detail", "checked_at", "models_listed_at", "last_used_at", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        # Nothing shown here needs the secret, so it stays sealed.
        return super().get_queryset(request).defer("secret").prefetch_related("health")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"pool_is_empty": not ApiKey.objects.exists()} | (extra_context or {}))

    @display(description="key", ordering="label")
    def name(self, key: ApiKey) -> str:
        masked = format_html('<span class="text-font-subtle-light dark:text-font-subtle-dark">{}</span>', key.masked)
        return format_html('<span style="white-space: nowrap">{}<br>{}</span>', key.label, masked) if key.label else key.masked

    @display(description="state", ordering="state", label=_COLOURS)
    def state_chip(self, key: ApiKey) -> tuple[str, str]:
        status = status_of(key, at=now())
        return status.state, status.label

    @display(description="why, until when")
    def why(self, key: ApiKey) -> str:
        at = now()
        status = status_of(key, at=at)
        if status.reason:
            return " · ".join(filter(None, (status.reason, status.returns)))
        resting = [rest.model for rest in key.health.all() if rest.model and (rest.until is None or rest.until > at)]
        return f"rests for {_some(resting)}" if resting and key.enabled else ""

    @display(description="last used", ordering="last_used_at", empty_value="never")
    def last_used(self, key: ApiKey) -> str | None:
        return f"{describe_span(now() - key.last_used_at)} ago" if key.last_used_at else None

    @display(description="state")
    def status(self, key: ApiKey) -> str:
        return str(status_of(key, at=now()))

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ApiKeyForm, change: bool) -> None:
        replaced = bool(form.cleaned_data.get("key"))
        if change:
            # Not the whole row: the pool may be writing its state at this moment.
            columns = [*(set(form.changed_data) - {"key"}), *(("secret", "fingerprint", "masked") if replaced else ())]
            obj.save(update_fields=columns)
        else:
            super().save_model(request, obj, form, change)
        if change and replaced:
            store.return_to_service([obj])
        if replaced or "_check" in request.POST:
            # A worker may be faster than the form's transaction, and would check what was there before.
            transaction.on_commit(partial(self._check, request, [obj.pk]))

    def get_deleted_objects(self, objs, request):
        # The models that a key lists go with it; sixty of them each would bury the names of the keys.
        return [str(key) for key in objs], {self.opts.verbose_name_plural: len(objs)}, set(), []

    @action(description="Paste keys", icon="content_paste", permissions=["add"])
    def paste_keys(self, request: HttpRequest) -> HttpResponse:
        return paste_view(self, request)

    @action(description="Save and check now", attrs={"name": "_check"}, permissions=["change"])
    def save_and_check(self, request: HttpRequest, obj: ApiKey) -> None:
        """`save_model` looks at the button's name."""

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self._switch(request, queryset, to=True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self._switch(request, queryset, to=False)

    @admin.action(description="Return to service", permissions=["change"])
    def return_to_service(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revived = store.return_to_service(queryset)
        self.message_user(request, f"{_keys(revived)} back in the pool.")

    @admin.action(description="Check now", permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self._check(request, list(queryset.values_list("pk", flat=True)))

    def _switch(self, request: HttpRequest, queryset: QuerySet[ApiKey], *, to: bool) -> None:
        switched = queryset.exclude(enabled=to).update(enabled=to)
        PoolVersion.bump()
        self.message_user(request, f"{_keys(switched)} {'enabled' if to else 'disabled'}.")

    def _check(self, request: HttpRequest, ids: list[int]) -> None:
        if not request_check(ids[:MOST_CHECKS]):
            self.message_user(request, "The task queue cannot be reached: nothing is checked now.", messages.ERROR)
        elif len(ids) > MOST_CHECKS:
            self.message_user(request, f"The first {MOST_CHECKS} are being checked. Check the others later.", messages.WARNING)
        else:
            self.message_user(request, f"{_keys(len(ids))} being checked. Reload the page in a few seconds to see the result.")


@admin.register(ClientToken)
class ClientTokenAdmin(ModelAdmin):
    form = ClientTokenForm
    list_display = ("__str__", "owner", "state_chip", "may_use", "expires_at", "last_used_at", "created_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "owner")
    list_select_related = ("owner",)
    search_fields = ("label", "prefix", "owner__username")
    autocomplete_fields = ("owner",)
    ordering = ("-pk",)
    list_per_page = 50
    actions = ("revoke",)
    fieldsets = (
        (None, {"fields": ("owner", "label", "models", "expires_at")}),
        ("State", {"fields": ("prefix", "status", "revoked_at", "last_used_at", "created_at")}),
    )
    add_fieldsets = (fieldsets[0],)
    readonly_fields = ("prefix", "status", "revoked_at", "last_used_at", "created_at")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk} | super().get_changeform_initial_data(request)

    @display(
        description="state", label={"Live": "success", "Expired": "warning", "Revoked": "danger", "Owner inactive": "danger"}
    )
    def state_chip(self, token: ClientToken) -> str:
        if token.revoked_at:
            return "Revoked"
        if not token.owner.is_active:
            return "Owner inactive"
        return "Expired" if token.expires_at and token.expires_at <= now() else "Live"

    @display(description="state")
    def status(self, token: ClientToken) -> str:
        return self.state_chip(token)

    @display(description="models")
    def may_use(self, token: ClientToken) -> str:
        return _some(token.allowed_models) if token.allowed_models else "all"

    def save_model(self, request: HttpRequest, obj: ClientToken, form: ClientTokenForm, change: bool) -> None:
        if not change:
            obj.set_plain()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ClientToken, post_url_continue: str | None = None) -> HttpResponse:
        """Show the plain token in the answer itself: a message would travel through a cookie or the session table."""
        page = {"title": "The new token", "token": obj, "base_url": request.build_absolute_uri("/v1")}
        context = self.admin_site.each_context(request) | page
        return TemplateResponse(request, "credentials/new_token.html", context, headers={"Cache-Control": "no-store"})

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ClientToken]) -> None:
        revoked = queryset.filter(revoked_at=None).update(revoked_at=now())
        PoolVersion.bump()
        self.message_user(request, f"{revoked} {'token is' if revoked == 1 else 'tokens are'} revoked.")


@admin.register(ModelAlias)
class ModelAliasAdmin(ModelAdmin):
    form = ModelAliasForm
    list_display = ("pattern", "target", "enabled", "note")
    list_editable = ("target", "enabled")
    list_filter = ("enabled",)
    search_fields = ("pattern", "target")


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, ModelAdmin):
    pass


def _keys(number: int) -> str:
    return "1 key is" if number == 1 else f"{number} keys are"


def _some(names: list[str]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
