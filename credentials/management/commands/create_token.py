from datetime import datetime, time, timedelta

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_date
from django.utils.timezone import make_aware, now

from credentials.models import ClientToken, OnDisconnect


class Command(BaseCommand):
    help = "Make a client token for a user and print it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The name of an existing user.")
        parser.add_argument("--label", default="", help="What the token is for.")
        parser.add_argument("--expires", metavar="DAYS|DATE", help="A number of days, or a date such as 2027-01-31 (its end).")
        parser.add_argument("--models", default="", help="Comma list of models or patterns that it may use; none: every model.")
        parser.add_argument(
            "--on-disconnect",
            choices=OnDisconnect.values,
            default=OnDisconnect.CANCEL,
            help="When the client hangs up: end the call (its usage is estimated), or read the answer to its end (exact).",
        )

    def handle(self, *, user: str, label: str, expires: str | None, models: str, on_disconnect: str, **options) -> None:
        try:
            owner = User.objects.get(username=user)
        except User.DoesNotExist as error:
            raise CommandError(
                f"There is no user named {user}. Make one in the admin, or with: manage.py createsuperuser"
            ) from error
        if len(label) > 100:
            raise CommandError("A label has at most 100 characters.")
        allowed = [name.strip() for name in models.split(",") if name.strip()]
        _, plain = ClientToken.issue(
            owner, label=label, allowed_models=allowed, expires_at=read_expiry(expires), on_disconnect=on_disconnect
        )
        self.stderr.write(f"A token for {user}. It is shown only now; Castor keeps no copy of it.")
        self.stdout.write(plain)


def read_expiry(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        day = parse_date(text)
        moment = make_aware(datetime.combine(day, time.max)) if day else now() + timedelta(days=float(text))
    except (ValueError, OverflowError) as error:
        raise CommandError(f"--expires takes a number of days or a date such as 2027-01-31, not {text!r}.") from error
    if moment <= now():
        raise CommandError(f"--expires {text} is in the past.")
    return moment
