"""Filters of the lists of credentials that stay short and fast, however many credentials and projects there are."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.timezone import now

from credentials.health import Reason
from credentials.models import Credential, GoogleLogin, Server, Use
from credentials.status import SHOWN, shown_as
from credentials.strip import words_of

NO_PROJECT = "-"
_LACKING = "lacking"
_MOST_SUGGESTED = 200


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return list(SHOWN.items())

    def queryset(self, request, queryset):
        return queryset.filter(shown_as(self.value(), at=now())) if self.value() in SHOWN else queryset


class UseFilter(admin.SimpleListFilter):
    title = "use"
    parameter_name = "use"

    def lookups(self, request, model_admin):
        return [*Use.choices, (_LACKING, "Google's terms not acknowledged")]

    def queryset(self, request, queryset):
        if self.value() == _LACKING:
            return queryset.lacking_terms()
        return queryset.filter(use=self.value()) if self.value() else queryset


class ServerFilter(admin.SimpleListFilter):
    title = "server"
    parameter_name = "server"

    def lookups(self, request, model_admin):
        return [(str(pk), name) for pk, name in Server.objects.values_list("pk", "name")]

    def queryset(self, request, queryset):
        value = self.value() or ""
        return queryset.filter(server=int(value)) if value.isdecimal() and len(value) < 10 else queryset


class UsedFilter(admin.SimpleListFilter):
    title = "used"
    parameter_name = "used"

    def lookups(self, request, model_admin):
        return [("never", "Never"), ("yes", "At least once")]

    def queryset(self, request, queryset):
        return queryset.filter(last_used_at__isnull=self.value() == "never") if self.value() else queryset


class _PresentFilter(admin.SimpleListFilter):
    """Offers only what some credential has: of the many things that can be wrong, few are at any time."""

    def lookups(self, request, model_admin):
        column = self.parameter_name
        present = Credential.objects.exclude(**{column: ""}).order_by(column).values_list(column, flat=True).distinct()
        return [(value, self.words(value)) for value in present]

    def queryset(self, request, queryset):
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset

    def words(self, value: str) -> str:
        raise NotImplementedError


class ReasonFilter(_PresentFilter):
    title = "reason"
    parameter_name = "reason"

    def words(self, value: str) -> str:
        return Reason(value).label.capitalize()


class LastErrorFilter(_PresentFilter):
    title = "last error"
    parameter_name = "last_error"

    def words(self, value: str) -> str:
        return words_of(value).capitalize()


class ProjectFilter(admin.SimpleListFilter):
    """A field to type in, since there may be thousands of projects; a few are suggested."""

    title = "Google project"
    parameter_name = "project"
    template = "credentials/text_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:  # type: ignore[override]  # for a template of its own
        others = {name: values for name, values in changelist.filter_params.items() if name != self.parameter_name}
        yield {
            "value": self.value() or "",
            "others": [(name, value) for name, values in others.items() if name != PAGE_VAR for value in values],
            "suggested": self.known(),
            "without": changelist.get_query_string({self.parameter_name: NO_PROJECT}),
            "all": changelist.get_query_string(remove=[self.parameter_name]),
            "selected": bool(self.value()),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> QuerySet[Credential]:
        wanted = self.value()
        if wanted == NO_PROJECT:
            return queryset.filter(self.of_none())
        return queryset.filter(self.named(wanted)) if wanted else queryset

    def known(self) -> list[str]:
        projects = Credential.objects.exclude(project="").order_by("project").values_list("project", flat=True)
        return list(projects.distinct()[:_MOST_SUGGESTED])

    def of_none(self) -> Q:
        return Q(project="")

    def named(self, part: str) -> Q:
        return Q(project__icontains=part)


class AccountProjectFilter(ProjectFilter):
    """Of an account for Code Assist the project is its login's."""

    def known(self) -> list[str]:
        projects = GoogleLogin.objects.exclude(project="").order_by("project").values_list("project", flat=True)
        return sorted({*super().known(), *projects.distinct()[:_MOST_SUGGESTED]})

    def of_none(self) -> Q:
        return super().of_none() & (Q(login=None) | Q(login__project=""))

    def named(self, part: str) -> Q:
        return super().named(part) | Q(login__project__icontains=part)
