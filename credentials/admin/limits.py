"""Limits that Castor keeps to by itself, so that it does not run into Google's refusal."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from credentials.admin.shown import PoolPages, link_to
from credentials.forms import QuotaLimitForm
from credentials.models import ProjectSource, QuotaLimit

_UNITS = {"rpm": "requests a minute", "tpm": "tokens a minute", "rpd": "requests a day", "max_concurrent": "in flight"}
_NUMBERS = tuple(_UNITS)


@admin.register(QuotaLimit)
class QuotaLimitAdmin(PoolPages, ModelAdmin):
    form = QuotaLimitForm
    list_display = ("group", "model", "at_most", "source_chip", "updated_at")
    list_before_template = "credentials/limits_note.html"
    list_filter = ("source",)
    search_fields = ("project", "model", "credential__label", "credential__masked")
    ordering = ("project", "model", "source")
    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("project", "of_credential", "model")}),
        ("At most", {"fields": _NUMBERS}),
        ("Where it is from", {"fields": ("source", "updated_at")}),
    )
    add_fieldsets = ((None, {"fields": ("project", "model")}), ("At most", {"fields": _NUMBERS}))
    readonly_fields = ("of_credential", "source", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuotaLimit]:
        return super().get_queryset(request).select_related("credential").defer("credential__secret")

    def get_fieldsets(self, request: HttpRequest, obj: QuotaLimit | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or obj.credential_id:
            return fieldsets
        return (self.add_fieldsets[0], *fieldsets[1:])

    def has_change_permission(self, request: HttpRequest, obj: QuotaLimit | None = None) -> bool:
        """What Google named is not for people to change. It can be deleted; then it may be learned again."""
        typed = obj is None or obj.source == ProjectSource.TYPED
        return typed and super().has_change_permission(request, obj)

    @display(description="for", ordering="project")
    def group(self, limit: QuotaLimit) -> str:
        if limit.project:
            return f"project {limit.project}"
        return str(limit.credential) if limit.credential else "every project, each for itself"

    @display(description="at most")
    def at_most(self, limit: QuotaLimit) -> str:
        given = ((getattr(limit, name), unit) for name, unit in _UNITS.items())
        return " · ".join(f"{number:,} {unit}" for number, unit in given if number is not None)

    @display(description="credential")
    def of_credential(self, limit: QuotaLimit) -> str:
        return link_to(limit.credential)

    @display(description="source", ordering="source", label={ProjectSource.TYPED: "info", ProjectSource.LEARNED: "success"})
    def source_chip(self, limit: QuotaLimit) -> tuple[str, str]:
        return limit.source, "typed" if limit.source == ProjectSource.TYPED else "learned"
