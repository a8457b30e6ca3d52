import json
import secrets

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials.models import ClientToken

ADMIN = "admin"


class Command(BaseCommand):
    help = "On a new installation: make the first admin and the first client token, and print both, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="For programs: {admin: {username, password} or null, token: … or null}."
        )

    def handle(self, *, json: bool, **options) -> None:
        admin = first_admin()
        token = first_token()
        if json:
            self.stdout.write(as_json(admin, token))
        elif not admin and not token:
            self.stdout.write("This installation has an admin and a token already.")
        if admin and not json:
            self.stdout.write(f"Admin: {ADMIN}, password: {admin}")
        if token and not json:
            self.stdout.write(f"Client token: {token}")


def first_admin() -> str | None:
    """Make the first admin if there is none; returns its password."""
    if User.objects.filter(is_superuser=True).exists():
        return None
    if User.objects.filter(username=ADMIN).exists():
        raise CommandError("A user named admin exists, but is no admin. Make one with: manage.py createsuperuser")
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(ADMIN, password=password)
    return password


def first_token() -> str | None:
    """Make a first client token for the admin if there is none, nor one in the settings; returns its plain text."""
    if settings.PROXY_AUTH_KEYS or ClientToken.objects.exists():
        return None
    owner = User.objects.filter(is_superuser=True).order_by("pk")[0]
    _, plain = ClientToken.issue(owner, label="first token")
    return plain


def as_json(password: str | None, token: str | None) -> str:
    admin = {"username": ADMIN, "password": password} if password else None
    return json.dumps({"admin": admin, "token": token})
