"""The page that stands before a login with Google: what the account is for, and what Google's terms say of that."""

from urllib.parse import urlencode

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from credentials.account_forms import ConnectForm
from credentials.accounts import gemini_cli, terms
from credentials.accounts.redirects import to_register
from credentials.models import Kind


def connect_view(model_admin: ModelAdmin, request: HttpRequest, *, kind: Kind) -> HttpResponse:
    """GET: the form. POST: on to the login, which takes over what was asked, acknowledgement and client's secret included."""
    form = ConnectForm(request.POST if request.method == "POST" else None, kind=kind)
    refused = gemini_cli.NOT_INSTALLED if kind == Kind.GEMINI_CLI and not gemini_cli.installed() else ""
    if not refused and form.is_valid():
        given = form.cleaned_data
        query = {"kind": kind.value, "use": given["use"], "project": given["project"].strip(), "label": given["label"].strip()}
        if "paste" in request.POST:
            query["paste"] = "1"
        # The request itself goes on, with its body and its proof that this page sent it: in an address anybody could have
        # an admin acknowledge something.
        return redirect(f"{reverse('auth:login')}?{urlencode(query)}", preserve_request=True)
    page = {"title": "Connect a Google account", "form": form, "kind": kind, "terms": terms, "refused": refused}
    page["callback"] = to_register(request)
    context = model_admin.admin_site.each_context(request) | page
    return TemplateResponse(request, "credentials/connect.html", context, status=409 if refused and form.is_bound else 200)
