"""Refusals that Castor does not understand, each kind of body once."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator
from unfold.decorators import display

from credentials.admin.shown import ReadOnlyAdmin, ago, link_to
from credentials.models import UnknownError


@admin.register(UnknownError)
class UnknownErrorAdmin(ReadOnlyAdmin):
    list_display = ("status", "said", "count", "last_seen", "first_seen", "model", "met_by")
    list_display_links = ("status", "said")
    list_filter = ("status",)
    search_fields = ("body", "model")
    ordering = ("-last_at",)
    list_before_template = "credentials/unknown_errors_note.html"
    fields = ("status", "body_in_full", "count", "first_at", "last_at", "model", "met_by")
    readonly_fields = ("body_in_full", "met_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnknownError]:
        return super().get_queryset(request).select_related("credential").defer("credential__secret")

    @display(description="what was said", ordering="body")
    def said(self, error: UnknownError) -> str:
        return format_html('<span class="said">{}</span>', Truncator(error.body).chars(160))

    @display(description="what was said")
    def body_in_full(self, error: UnknownError) -> str:
        return format_html('<span class="said">{}</span>', error.body)

    @display(description="last seen", ordering="last_at")
    def last_seen(self, error: UnknownError) -> str | None:
        return ago(error.last_at)

    @display(description="first seen", ordering="first_at")
    def first_seen(self, error: UnknownError) -> str | None:
        return ago(error.first_at)

    @display(description="met last by", empty_value="a credential that is gone")
    def met_by(self, error: UnknownError) -> str | None:
        return link_to(error.credential) or None
