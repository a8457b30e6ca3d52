"""Whether Google's own Gemini CLI is there: without it nobody can be served through it, so nothing is added for it."""

import shutil

from django.conf import settings

NOT_INSTALLED = (
    "The Gemini CLI is not installed here: install it with “npm install -g @google/gemini-cli” (it needs Node.js 20 or later), "
    "or set GEMINI_CLI_PATH to where it is."
)


def installed() -> bool:
    """Whether GEMINI_CLI_PATH, a path or a name on PATH, is a program that can be run. Looks at the file system only."""
    return shutil.which(settings.GEMINI_CLI_PATH) is not None
