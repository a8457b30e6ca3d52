"""Who uses a terminal, as far as that can be known."""

import getpass
import os


def system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # In a container, the user may have a number only.
        return f"user {os.getuid()}"
