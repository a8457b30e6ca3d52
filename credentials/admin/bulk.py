"""What is done with many credentials at once. What needs a choice asks for it on a page that says how many are meant."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.timezone import now
from msgspec import Struct
from unfold.admin import ModelAdmin

from credentials import runs, store
from credentials.accounts import terms
from credentials.admin.shown import how_many
from credentials.forms import PriorityForm, ProjectForm, RestingModelsForm, WeightForm
from credentials.models import CredentialQuerySet, KeyHealth, PoolVersion, ProjectSource
from credentials.signals import MOST_CHECKS

_NAMED = 12
"""How many of those that are meant a page of questions names."""


class Question(Struct):
    """A page that stands between an action and its effect. `effect` returns what to say when it is done."""

    title: str
    button: str
    form: Form
    effect: Callable[[dict[str, Any]], str]
    template: str = ""
    """What is to be read before one answers."""


class BulkActions(ModelAdmin):
    noun = "key"
    """What a person calls one of those that the list shows."""
    actions: tuple[str, ...] = (
        "enable",
        "disable",
        "check_now",
        "check_with_one_token",
        "return_to_service",
        "return_models_to_service",
        "set_priority",
        "set_weight",
        "set_project",
    )

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: CredentialQuerySet) -> None:
        self._switch(request, queryset, to=True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: CredentialQuerySet) -> None:
        self._switch(request, queryset, to=False)

    @admin.action(description="Check now", permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: CredentialQuerySet) -> HttpResponse | None:
        return self.start_checks(request, queryset.values_list("pk", flat=True))

    @admin.action(description="Check with one token", permissions=["change"])
    def check_with_one_token(self, request: HttpRequest, queryset: CredentialQuerySet) -> HttpResponse | None:
        return self.start_checks(request, queryset.values_list("pk", flat=True), generates=True)

    @admin.action(description="Return to service", permissions=["change"])
    def return_to_service(self, request: HttpRequest, queryset: CredentialQuerySet) -> None:
        revived = store.return_to_service(queryset)
        self.message_user(request, f"{self.number(revived)} back in the pool.")

    @admin.action(description="Return to service for some models …", permissions=["change"])
    def return_models_to_service(self, request: HttpRequest, queryset: CredentialQuerySet) -> HttpResponse | None:
        resting = resting_models(queryset)
        if not resting:
            self.message_user(request, "None of them rests for one model only.", messages.WARNING)
            return None

        def effect(data: dict[str, Any]) -> str:
            revived = store.return_to_service(queryset, models=data["models"])
            return f"{self.number(revived)} back in the pool for {', '.join(data['models'])}."

        form = RestingModelsForm(answers(request), models=resting)
        return self.ask(request, queryset, Question("Return to service for some models", "Return to service", form, effect))

    @admin.action(description="Set priority …", permissions=["change"])
    def set_priority(self, request: HttpRequest, queryset: CredentialQuerySet) -> HttpResponse | None:
        return self._set(request, queryset, "priority", PriorityForm(answers(request)))

    @admin.action(description="Set weight …", permissions=["change"])
    def set_weight(self, request: HttpRequest, queryset: CredentialQuerySet) -> HttpResponse | None:
        return self._set(request, queryset, "weight", WeightForm(answers(request)))

    @admin.action(description="Set Google project …", permissions=["change"])
    def set_project(self, request: HttpRequest, queryset: CredentialQuerySet) -> HttpResponse | None:
        def effect(data: dict[str, Any]) -> str:
            changed = self.give_project(queryset, data["project"])
            return f"{self.number(changed)} of {'project ' + data['project'] if data['project'] else 'no known project'} now."

        form = ProjectForm(answers(request))
        return self.ask(request, queryset, Question("Set the Google project", "Set project", form, effect))

    def number(self, number: int) -> str:
        return how_many(number, self.noun)

    def give_project(self, queryset: CredentialQuerySet, project: str) -> int:
        """Returns how many have it now."""
        return store.set_project(list(queryset.values_list("pk", flat=True)), project, ProjectSource.TYPED)

    def start_checks(self, request: HttpRequest, ids: Any, *, generates: bool = False) -> HttpResponse | None:
        """Start a run of checks and lead to its page; None, with a message, where there is none to be seen."""
        ids = list(ids)
        if len(ids) > MOST_CHECKS:
            some = f"The first {MOST_CHECKS:,} of {len(ids):,} are being checked. Check the others later."
            self.message_user(request, some, messages.WARNING)
        run = runs.start_run(ids[:MOST_CHECKS], by=request.user.get_username(), generates=generates)
        if run is None:
            self.message_user(request, "The task queue cannot be reached: nothing is checked now.", messages.ERROR)
        elif request.user.has_perm("credentials.view_checkrun"):
            return redirect("admin:credentials_checkrun_change", run.pk)
        else:
            self.message_user(request, f"{self.number(len(ids))} being checked.")
        return None

    def _switch(self, request: HttpRequest, queryset: CredentialQuerySet, *, to: bool) -> None:
        lacking = queryset.lacking_terms() if to else queryset.none()
        if left_out := lacking.exclude(enabled=to).count():
            left = f"{self.number(left_out)} left disabled: nobody has acknowledged what Google's terms say of Code Assist."
            self.message_user(request, left, messages.WARNING)
        switched = queryset.exclude(enabled=to).exclude(pk__in=lacking.order_by().values_list("pk", flat=True)).update(enabled=to)
        PoolVersion.bump()
        self.message_user(request, f"{self.number(switched)} {'enabled' if to else 'disabled'}.")

    def _set(self, request: HttpRequest, queryset: CredentialQuerySet, column: str, form: Form) -> HttpResponse | None:
        def effect(data: dict[str, Any]) -> str:
            changed = queryset.update(**{column: data[column]})
            PoolVersion.bump()
            return f"{self.number(changed)} of {column} {data[column]} now."

        return self.ask(request, queryset, Question(f"Set the {column}", f"Set {column}", form, effect))

    def ask(self, request: HttpRequest, queryset: CredentialQuerySet, question: Question) -> HttpResponse | None:
        if question.form.is_valid():
            self.message_user(request, question.effect(question.form.cleaned_data))
            return None  # Leads back to the list as it was filtered.
        number = queryset.count()
        page = {
            "title": question.title,
            "question": question,
            "noun": self.noun,
            "number": number,
            "named": list(queryset[:_NAMED]),
            "unnamed": max(number - _NAMED, 0),
            "action": request.POST["action"],
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", ""),
            "checkbox": ACTION_CHECKBOX_NAME,
            "terms": terms,
        }
        return TemplateResponse(request, "credentials/bulk.html", self.admin_site.each_context(request) | page)


def resting_models(credentials: CredentialQuerySet) -> list[str]:
    """The models for which at least one of them, or its project, rests."""
    ids = credentials.order_by().values("pk")
    projects = credentials.exclude(project="").order_by().values("project")
    standing = KeyHealth.objects.standing().exclude(model="").exclude(until__lte=now())
    rests = standing.filter(credential__in=ids) | standing.filter(project__in=projects)
    return list(rests.order_by("model").values_list("model", flat=True).distinct())


def answers(request: HttpRequest) -> Any:
    """What the page of questions sends; the list, which sends the action first, has no answers yet."""
    return request.POST if "answered" in request.POST else None
