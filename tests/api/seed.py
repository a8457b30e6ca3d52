"""What the launcher does before it starts the server, and a token of each sort, printed as JSON. In a process of its own."""

import json
from datetime import timedelta

import django


def main() -> None:
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.utils.timezone import now

    from credentials import startup
    from credentials.models import ClientToken

    call_command("migrate", verbosity=0, interactive=False)
    startup.check()
    startup.take_in_environment()
    ada, bob = (User.objects.create_user(name) for name in ("ada", "bob"))
    tokens = {
        "full": ClientToken.issue(ada)[1],
        "other": ClientToken.issue(bob)[1],
        "flash": ClientToken.issue(ada, allowed_models=["gemini-*-flash"])[1],
        "draining": ClientToken.issue(ada, on_disconnect="drain")[1],
        "expired": ClientToken.issue(ada, expires_at=now() - timedelta(days=1))[1],
        "revoked": ClientToken.issue(ada, revoked_at=now())[1],
        "recorded": ClientToken.issue(ada, label="rec", record_until=now() + timedelta(days=1))[1],
        "no longer recorded": ClientToken.issue(ada, record_until=now() - timedelta(seconds=1))[1],
    }
    print(json.dumps(tokens))


if __name__ == "__main__":
    main()
