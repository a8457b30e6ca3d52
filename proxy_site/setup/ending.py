"""What stands on the screen at the end: what came of it, and requests that work as pasted."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from credentials.runs import Verdict
from proxy_site.greeting import MODEL, curl
from proxy_site.setup.plan import Outcome
from proxy_site.setup.serving import show
from proxy_site.setup.sitting import Sitting

_PYTHON = """\
    from openai import OpenAI

    client = OpenAI(
        base_url="{root}/v1",
        api_key="{token}",
    )
    answer = client.chat.completions.create(
        model="{model}",
        messages=[{{"role": "user", "content": "Hello!"}}],
    )
    print(answer.choices[0].message.content)"""
_NODE = """\
    import OpenAI from "openai";

    const client = new OpenAI({{
      baseURL: "{root}/v1",
      apiKey: "{token}",
    }});
    const answer = await client.chat.completions.create({{
      model: "{model}",
      messages: [{{ role: "user", content: "Hello!" }}],
    }});
    console.log(answer.choices[0].message.content);"""


def show_outcome(sitting: Sitting, outcome: Outcome) -> None:
    sitting.screen.heading(_("Done"))
    _show_settings(sitting, outcome)
    _show_credentials(sitting, outcome)
    if outcome.password:
        rows = [(_("Admin"), f"{outcome.root}/admin/"), (_("Name"), outcome.admin), (_("Password"), outcome.password)]
        sitting.screen.heading(_("Log in (the password is shown only now)"))
        sitting.screen.table(rows)
    elif outcome.admin:
        sitting.screen.good(_("Admin: %(names)s") % {"names": f"{outcome.admin}, {outcome.root}/admin/"})
    if outcome.link:
        sitting.screen.heading(_("Log in the Google account: good once, for 30 minutes, while Castor runs"))
        sitting.screen.plain(f"    {outcome.link}")


def show_how_to_go_on(sitting: Sitting, outcome: Outcome) -> None:
    if not sitting.running:
        sitting.screen.heading(_("Start Castor"))
        sitting.screen.plain("    make run")
    elif sitting.plan.settings:
        sitting.screen.mind(_("Castor is running: start it anew, so that it reads the new settings."))
    sitting.screen.heading(_("Try it (the token is shown only now)") if outcome.token else _("Try it"))
    token = outcome.token or "$CASTOR_TOKEN"
    sitting.screen.plain(curl(outcome.root, token))
    if not outcome.token:
        sitting.screen.note(_("CASTOR_TOKEN stands for a client token that you have."))
        return
    for name, snippet in (("Python", _PYTHON), ("Node", _NODE)):
        sitting.screen.heading(name)
        sitting.screen.plain(snippet.format(root=outcome.root, token=token, model=MODEL))
    sitting.screen.plain()


def _show_settings(sitting: Sitting, outcome: Outcome) -> None:
    names = ", ".join(sitting.plan.settings)
    if names:
        sitting.screen.good(
            _(".env: %(names)s") % {"names": names}, outcome.backup and _("before: %(copy)s") % {"copy": outcome.backup}
        )


def _show_credentials(sitting: Sitting, outcome: Outcome) -> None:
    counts = (
        (outcome.added, ngettext("%(count)d credential added", "%(count)d credentials added", outcome.added)),
        (outcome.updated, ngettext("%(count)d account updated", "%(count)d accounts updated", outcome.updated)),
        (outcome.known, ngettext("%(count)d was there already", "%(count)d were there already", outcome.known)),
    )
    said = [text % {"count": count} for count, text in counts if count]
    if said:
        sitting.screen.good(", ".join(said))
    for checked in outcome.checked:
        # Keys that were typed have been shown as they were typed.
        if checked.verdict != Verdict.ALIVE or not sitting.plan.keys:
            show(sitting, checked)
    for flaw in outcome.flaws:
        sitting.screen.mind(flaw)
    for account in outcome.disabled:
        sitting.screen.mind(_("%(account)s does not serve before somebody acknowledges Google's terms.") % {"account": account})
