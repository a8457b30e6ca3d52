"""What every scenario stands on: Castor in production, its simulated Google, and a look at what each of them knows."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from msgspec import Struct

from tests.google import GoogleSimulator
from tests.google.log import Call
from tests.house.production import Production, WebProcess
from tests.house.waiting import eventually
from tests.scenarios.clock import MovedClock
from tests.scenarios.load import MODEL, burst

APPLICATION = "tests.scenarios.window:application"

_NEW_POOL = """
import json, sys
import django
django.setup()
from django.db import IntegrityError
from credentials.accounts.oauth import Tokens
from credentials.accounts.saving import save_login
from credentials.models import Alert, Credential, KeyHealth, PoolVersion, QuotaLimit, StateChange, UnknownError
for model in (Alert, StateChange, KeyHealth, QuotaLimit, UnknownError):
    model.objects.all().delete()
while Credential.objects.exists():
    try:
        Credential.objects.all().delete()
    except IntegrityError:
        pass  # The web processes were writing down what they had used.
wanted = json.load(sys.stdin)
made = {name: Credential.objects.create(secret=name, label=name, **fields).pk for name, fields in wanted["keys"].items()}
for email, account in wanted["accounts"].items():
    tokens, fields = Tokens(**account.pop("tokens")), account.pop("fields")
    made[email] = save_login(email=email, tokens=tokens, terms_accepted_by="the admin", **account)[0].pk
    Credential.objects.filter(pk=made[email]).update(**fields)
PoolVersion.bump()
PoolVersion.bump_rests()
print(json.dumps(made))
"""


class Account(Struct, frozen=True):
    """A Google account. `user`: more of what Google holds of it (`accounts.User`); `fields`: more of its credential's own."""

    use: str = "code_assist"
    project: str = "of-the-account"
    user: Mapping[str, Any] = {}
    fields: Mapping[str, Any] = {}


class Seen(Struct, frozen=True):
    """What one web process believes of one credential, for one model. `reasons` also names what only makes it the last choice."""

    state: str
    reasons: list[str]
    group: str
    weight: int
    max_concurrent: int


class Rest(Struct, frozen=True):
    """What the database says of one place. `who`: a key's name, or `project:` and a project's."""

    who: str
    model: str
    state: str
    reason: str
    until: datetime | None
    strikes: int


class Scene:
    def __init__(self, castor: Production, google: GoogleSimulator, clock: MovedClock | None = None) -> None:
        self.castor, self.google = castor, google
        self._clock = clock
        self.ids: dict[str, int] = {}
        self.workers: list[WebProcess] = []

    @property
    def clock(self) -> MovedClock:
        assert self._clock is not None
        return self._clock

    # --- Setting ------------------------------------------------------------------------------------------------

    @contextmanager
    def pool(
        self, projects: Mapping[str, str], accounts: Mapping[str, Account] | None = None, **fields: Mapping[str, Any]
    ) -> Iterator[None]:
        """A pool of these, and of nothing else. `projects`: key → its Google project, which Castor does not know.

        `accounts`: by e-mail address. `fields` are more of the credential's own, by key. Every web process has served when the
        block begins.
        """
        self.google.scripts.clear()
        self.google.quotas.reset()
        self.google.keys.clear()
        self.google.keys.update(projects)
        keys = {name: dict(fields.get(name, {})) for name in projects}
        logins = {email: self._log_in(email, account) for email, account in (accounts or {}).items()}
        self.ids = json.loads(self.django(_NEW_POOL, {"keys": keys, "accounts": logins}))
        with self.connected():
            eventually(lambda: all(view.keys() == self.ids.keys() for view in self.views()), "known to every web process")
            assert [worker.chat().status for worker in self.workers] == [200] * len(self.workers)
            self.google.log.clear()
            yield

    def _log_in(self, email: str, account: Account) -> dict[str, Any]:
        """Anew, on an untouched day of Code Assist's; what is to be stored of it."""
        self.google.add_user(email, project=account.project, **account.user)
        self.google.state.code_assist.reset()
        login = self.google.login(email)
        tokens = {name: getattr(login, name) for name in ("access_token", "refresh_token", "expires_at", "scope")}
        return {"use": account.use, "project": account.project, "tokens": tokens, "fields": dict(account.fields)}

    @contextmanager
    def connected(self) -> Iterator[None]:
        """A connection to each web process; anew after they were restarted."""
        with self.castor.processes() as self.workers:
            yield

    def django(self, code: str, typed: Any = None) -> str:
        """What code prints that runs with Castor's settings, as management commands do."""
        done = self.castor.run("-c", code, typed=json.dumps(typed))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def let_beat_find_everything_due(self) -> None:
        self.castor.beat.stop()
        self.castor.start_beat_after_an_hour()

    def return_to_service(self, *keys: str, seconds: float = 10.0) -> None:
        """As the admin does, in the browser. Returns when every web process knows, which may take so many seconds."""
        chosen = [self.ids[key] for key in keys]
        with self.castor.admin() as browser:
            page = "/admin/credentials/apikey/"
            answer = self.castor.post(browser, page, action="return_to_service", _selected_action=chosen)
            assert answer.status_code == 200
        for key in keys:
            self.everyone_sees(key, "available", seconds=seconds)

    # --- Looking ------------------------------------------------------------------------------------------------

    def views(self, model: str = MODEL) -> list[dict[str, Seen]]:
        """What each web process believes, by key."""
        names = {str(pk): name for name, pk in self.ids.items()}
        said = [seen["credentials"] for seen in self.look(model)]
        return [{names.get(pk, pk): Seen(**seen) for pk, seen in one.items()} for one in said]

    def look(self, model: str = MODEL) -> list[dict[str, Any]]:
        """What the window of each web process shows."""
        return [json.loads(worker.ask("GET", f"/_pool?{model}")[2]) for worker in self.workers]

    def states(self, model: str = MODEL) -> list[dict[str, str]]:
        """As `views`, the states alone."""
        return [{name: seen.state for name, seen in view.items()} for view in self.views(model)]

    def everyone_sees(self, key: str, state: str, *, model: str = MODEL, seconds: float = 10.0) -> None:
        """Returns when every web process believes it; fails when one never does."""

        def all_do() -> bool:
            nonlocal seen
            seen = self.views(model)
            return {view[key].state for view in seen if key in view} == {state} and all(key in view for view in seen)

        seen: list[dict[str, Seen]] = []
        try:
            eventually(all_do, f"{state} for every web process: {key}", seconds=seconds)
        except AssertionError as error:
            error.add_note(f"They believe: {[view.get(key) for view in seen]}\nStored: {self.rests()}")
            raise

    def rests(self) -> list[Rest]:
        """What stands in the database."""
        names = {pk: name for name, pk in self.ids.items()}
        rows = self.castor.rows("SELECT * FROM credentials_keyhealth WHERE reason <> '' ORDER BY id")
        return [
            Rest(
                who=f"project:{row['project']}" if row["project"] else names[row["credential_id"]],
                **{field: row[field] for field in ("model", "state", "reason", "until", "strikes")},
            )
            for row in rows
        ]

    def stored_states(self) -> dict[str, str]:
        """The state of each credential as lists show it."""
        return {key["credential"]: key["state"] for key in self.castor.pool()}

    def alerts(self) -> list[dict[str, Any]]:
        return self.castor.rows("SELECT cause, model, began_at, ended_at FROM credentials_alert ORDER BY id")

    def calls(self, key: str = "") -> list[Call]:
        """The calls for an answer that Google has seen; everybody's, or those of one key or account."""
        return [call for call in self.google.log.generation() if key in ("", call.key, call.account)]

    def calls_by_key(self) -> Counter[str]:
        """By key, or by the account whose access token it was."""
        return Counter(call.account or call.key for call in self.calls())

    def truth(self, model: str = MODEL) -> dict[str, str]:
        """The state that each key would have if Castor knew what Google knows."""
        return {name: self._truth(name, model) for name in self.ids}

    def _truth(self, key: str, model: str) -> str:
        if key not in self.google.keys:
            return "invalid"
        return "rate_limited" if self.google.quotas.is_day_used_up(self.google.keys[key], model) else "available"

    def have_refused(self, key: str, state: str, **script: Any) -> None:
        """Have Google refuse the key, as a script says; returns when every web process believes the state that follows."""
        self.google.script(key=key, **script)
        self.ask_until_tried(key)
        self.everyone_sees(key, state)

    # --- Asking -------------------------------------------------------------------------------------------------

    def ask_until_tried(self, key: str) -> None:
        """Requests of which every one is served, until one of them has also asked this key."""
        before = len(self.calls(key))

        def tried() -> bool:
            assert not burst(self.castor, 4).failed
            return len(self.calls(key)) > before

        eventually(tried, f"asked: {key}")


def most_at_once(calls: list[Call]) -> int:
    """How many of them were under way together at the worst moment."""
    moments = sorted([(call.started, 1) for call in calls] + [(call.ended or float("inf"), -1) for call in calls])
    under_way, most = 0, 0
    for _, change in moments:
        under_way += change
        most = max(most, under_way)
    return most
