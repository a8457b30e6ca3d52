"""`python -m proxy_site`: all of Castor on one machine, as `make run` starts it."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DatabaseError

from proxy_site.supervisor import Supervisor


def main() -> int:
    supervisor = Supervisor()  # First, so that Ctrl-C is never a traceback.
    os.umask(0o077)  # What Castor keeps is nobody else's to read.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxy_site.settings")
    try:
        django.setup()
        from proxy_site.launcher import launch  # Needs the settings.

        return launch(supervisor)
    except (ImproperlyConfigured, CommandError) as error:
        print(error, file=sys.stderr)
    except DatabaseError as error:
        reason = str(error).strip().split("\n")[0]
        print(f"The database cannot be used; look at DATABASE_URL. It says: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
