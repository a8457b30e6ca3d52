"""Where Castor keeps its data, and where it listens."""

import os

from django.conf import settings
from django.utils.translation import gettext as _

from proxy_site.setup import checking
from proxy_site.setup.asking import Question, Refused
from proxy_site.setup.checking import NONE, SQLITE
from proxy_site.setup.sitting import Sitting
from proxy_site.setup.state import read_state

_POSTGRESQL = "postgresql"
_LOCAL, _EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - offered, with a word of warning


def ask_where_data_is_kept(sitting: Sitting) -> None:
    """Only where there is a choice: another engine than the built-in one is in use, or at hand."""
    database_at_hand = bool(sitting.around.postgres) or not settings.EMBEDDED
    redis_at_hand = bool(sitting.around.redis or settings.REDIS_URL)
    wants_database = sitting.asker.has("database") or (database_at_hand and "DATABASE_URL" not in sitting.fixed)
    wants_redis = sitting.asker.has("redis") or (redis_at_hand and "REDIS_URL" not in sitting.fixed)
    if not wants_database and not wants_redis:
        return
    sitting.screen.heading(_("Where Castor keeps its data"))
    if wants_database:
        _ask_database(sitting)
    if "DATABASE_URL" in sitting.plan.settings:
        sitting.state = read_state(sitting.plan.settings["DATABASE_URL"] or settings.EMBEDDED_DATABASE_URL)
    if wants_redis:
        _ask_redis(sitting)


def _ask_database(sitting: Sitting) -> None:
    current = SQLITE if settings.EMBEDDED else settings.DATABASE_URL
    if not sitting.asker.has("database"):
        choices = (
            (SQLITE, _("SQLite: one file, nothing to look after")),
            (_POSTGRESQL, _("PostgreSQL: for several machines")),
        )
        engine = Question("database", _("Which database?"), _("Credentials, tokens and usage are kept in it."), choices)
        if sitting.asker.ask(engine, SQLITE if settings.EMBEDDED else _POSTGRESQL) == SQLITE:
            if not settings.EMBEDDED:
                sitting.plan.settings["DATABASE_URL"] = ""
            return
    suggested = current if not settings.EMBEDDED or not sitting.asker.interactive else _suggested(sitting)
    url = sitting.ask_setting("DATABASE_URL", Question("database", _("Its URL:"), check=checking.database), suggested)
    _plan_database(sitting, url, current)


def _suggested(sitting: Sitting) -> str:
    return f"postgres://castor:PASSWORD@{sitting.around.postgres or 'localhost:5432'}/castor"


def _plan_database(sitting: Sitting, url: str, current: str) -> None:
    """With another engine go the secrets, which only SQLite's data directory keeps by itself."""
    sitting.plan.settings.pop("DATABASE_URL", None)
    if url == current:
        return
    sitting.plan.settings["DATABASE_URL"] = "" if url == SQLITE else url
    if url != SQLITE and settings.EMBEDDED:
        secrets = {"SECRET_KEY": settings.SECRET_KEY, "CREDENTIAL_ENCRYPTION_KEYS": ",".join(settings.CREDENTIAL_ENCRYPTION_KEYS)}
        sitting.plan.settings |= {name: value for name, value in secrets.items() if not os.environ.get(name)}


def _ask_redis(sitting: Sitting) -> None:
    current = settings.REDIS_URL or NONE
    found = current if current != NONE else f"redis://{sitting.around.redis or '127.0.0.1:6379'}/0"
    choices = ((NONE, _("No: one machine needs none")), (found, _("Yes: %(url)s") % {"url": _without_password(found)}))
    question = Question(
        "redis",
        _("Use Redis?"),
        _("It tells several web processes of changes at once, and carries the background tasks."),
        () if sitting.asker.has("redis") else choices,
        check=checking.redis_server,
    )
    answer = sitting.ask_setting("REDIS_URL", question, current)
    if sitting.plan.settings.get("REDIS_URL") == answer == NONE:
        sitting.plan.settings["REDIS_URL"] = ""


def _without_password(url: str) -> str:
    scheme, _colon, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def ask_where_it_listens(sitting: Sitting) -> None:
    sitting.screen.heading(_("Who can reach it"))
    choices = [(_LOCAL, _("Only this machine")), (_EVERYWHERE, _("Other machines as well"))]
    if settings.HOST not in (_LOCAL, _EVERYWHERE):
        choices.append((settings.HOST, settings.HOST))
    question = Question(
        "host",
        _("From where will it be used?"),
        _("Before strangers can reach it, put a proxy with TLS in front."),
        () if sitting.asker.has("host") else tuple(choices),
    )
    host = sitting.ask_setting("HOST", question, settings.HOST)
    if sitting.asker.has("port") or (not sitting.running and not checking.is_free(host, settings.PORT)):
        _ask_port(sitting, host)


def _ask_port(sitting: Sitting, host: str) -> None:
    def check(answer: str) -> str:
        answer = answer.strip()
        if not answer.isdigit() or not 1 <= int(answer) <= 65535:
            raise Refused(_("It must be a number from 1 to 65535."))
        if not (sitting.running and int(answer) == settings.PORT) and not checking.is_free(host, int(answer)):
            raise Refused(_("Something else listens on port %(port)s.") % {"port": answer})
        return answer

    why = _("Something else listens on port %(port)s.") % {"port": settings.PORT}
    name = "PROXY_PORT" if "PROXY_PORT" in sitting.fixed else "PORT"
    sitting.ask_setting(name, Question("port", _("Which port is free for it?"), why, check=check), str(settings.PORT))
