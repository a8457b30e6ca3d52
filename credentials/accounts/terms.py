"""What Google's terms say of using an account here, in plain words: told wherever somebody is asked to acknowledge them."""

from django.utils.translation import gettext_noop as _

TITLE = _("What Google's terms say")

WHAT_THEY_SAY = (
    _(
        "Code Assist is made for Google's own programs, such as the Gemini CLI. Google forbids other programs to use it with an "
        "account's login, and has suspended accounts for that: the account itself may be lost, not only its access to Gemini."
    ),
    _(
        "Code Assist serves licences for Standard and Enterprise. Since 18 June 2026 it is closed to individuals, those with "
        "AI Pro and AI Ultra included."
    ),
    _("Making accounts or projects only to get around a limit is forbidden as well."),
)
INSTEAD = _(
    "The Gemini API with an API key, or with an account for the Gemini API, is what Google offers to programs such as this one."
)
ACKNOWLEDGEMENT = _("I have read this, I am allowed to use the account in this way, and I take the risk.")

MISSING = "Nobody has acknowledged Google's terms for it yet: until somebody does, it cannot be enabled for Code Assist."
"""Of an account that is to be enabled."""
