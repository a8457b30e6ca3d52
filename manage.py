#!/usr/bin/env python
"""Castor's command line. What an operator can put right is one sentence here, not a traceback."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError, ProgrammingError


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxy_site.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        return 1
    except (OperationalError, ProgrammingError) as error:  # unreachable, or without our tables
        reason = str(error).strip().split("\n")[0]
        print(f"The database cannot be used: {reason}. Look at DATABASE_URL, and run: manage.py migrate", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
