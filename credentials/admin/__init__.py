"""Lists that an operator can act from. Django imports this package; each module registers what it shows."""

from django.contrib import admin

from credentials.admin import accounts, alerts, cli, keys, limits, people, runs, servers, tokens, unknown_errors

__all__ = ["accounts", "alerts", "cli", "keys", "limits", "people", "runs", "servers", "tokens", "unknown_errors"]

admin.site.index_template = "credentials/index.html"
admin.site.index_title = "Overview"
