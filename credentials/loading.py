"""Reads the pool from the database into the values that requests work with. Synchronous; requests never come here."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.models import TextField
from django.db.models.functions import Cast
from msgspec import Struct

from credentials.crypto import decrypt
from credentials.health import Reason, State
from credentials.lines import Strategy
from credentials.models import (
    ClientToken,
    Credential,
    KeyHealth,
    Kind,
    ModelAlias,
    ModelRoute,
    OnDisconnect,
    PoolVersion,
    ProjectSource,
    QuotaLimit,
    ServedModel,
    Server,
    Use,
)
from credentials.pacing import Limit
from credentials.rests import FOREVER, Place, Rest
from credentials.roster import Entry, ModelCard, Roster, Route, TokenEntry
from credentials.roster import Server as ServerEntry
from credentials.routing import server_kind
from credentials.selection import Mode, Selection

_decrypted = lru_cache(maxsize=50_000)(decrypt)


def load_selection() -> Selection:
    """The operator's choice of who is asked first."""
    return Selection(
        strategy=Strategy(settings.SELECTION),
        mode=Mode(settings.CREDENTIAL_MODE),
        prefer_ai_studio_for_pro=settings.PREFER_AI_STUDIO_FOR_PRO,
    )


class RestsRead(Struct, frozen=True):
    """`version` is PoolVersion's number of rests when they were read; None at a place: all is well there again."""

    version: int
    rests: dict[Place, Rest | None]

    @property
    def standing(self) -> dict[Place, Rest]:
        return {place: rest for place, rest in self.rests.items() if rest is not None}


def load_roster(shipped: Mapping[str, ModelCard], *, secrets: bool = True) -> Roster:
    """Read the whole pool. `shipped` is the list of models to go by until some credential has been listed.

    Without `secrets` it is a picture to look at only: it needs no encryption key, and nobody can be asked with it.
    """
    version, _ = PoolVersion.current()  # Read first: what changes during the load is loaded again.
    listed = _listed_models()
    exact, patterns = _aliases()
    entries = tuple(_entry(row, listed.get(row["id"]), secrets) for row in _credential_rows())
    return Roster(
        version=version,
        entries=entries,
        tokens={token.digest: token for token in map(_token_entry, ClientToken.objects.select_related("owner"))},
        aliases=exact,
        alias_patterns=patterns,
        models=_model_cards(server=None) or dict(shipped),
        limits=tuple(map(_limit, _limits_in_use())),
        servers=_servers({entry.server for entry in entries}),
        routes=_routes(),
    )


def load_rests(since: int = 0) -> RestsRead:
    """What is wrong, or what has changed since a version that was read before."""
    _, version = PoolVersion.current()
    rows = KeyHealth.objects.filter(version__gt=since) if since else KeyHealth.objects.standing()
    return RestsRead(version, {place_of(row): rest_of(row) for row in rows.iterator(chunk_size=2_000)})


def place_of(row: KeyHealth) -> Place:
    return (f"project:{row.project}" if row.project else f"key:{row.credential_id}"), row.model


def group_of(project: str, credential_id: int) -> str:
    """The name of the quota group."""
    return f"project:{project}" if project else f"key:{credential_id}"


def rest_of(row: KeyHealth) -> Rest | None:
    if not row.reason:
        return None
    return Rest(
        state=State(row.state),
        reason=Reason(row.reason),
        until=_seconds(row.until) or FOREVER,
        since=row.since.timestamp(),
        strikes=row.strikes,
        detail=row.detail,
        probe_until=_seconds(row.probe_until) or 0.0,
    )


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None


def _credential_rows() -> Iterable[dict[str, Any]]:
    # Not through the model: decrypting is what costs, and only secrets that have changed need it.
    fields = ("id", "kind", "use", "label", "masked", "project", "project_source", "priority", "weight", "max_concurrent")
    logged_in = ("email", "login__project", "server_id", "server__base_url")
    rows = Credential.objects.enabled().order_by("-priority", "id").annotate(sealed=Cast("secret", TextField()))
    return rows.values(*fields, *logged_in, "sealed").iterator(chunk_size=2_000)


def _entry(row: dict[str, Any], models: frozenset[str] | None, secrets: bool) -> Entry:
    return Entry(
        id=row["id"],
        kind=_kind_of(row),
        label=row["label"] or row["masked"],
        secret=_decrypted(row["sealed"]) if secrets and row["sealed"] and not row["email"] else "",
        project=row["login__project"] or row["project"],
        group=group_of(row["project"], row["id"]),
        project_is_typed=bool(row["project"]) and row["project_source"] != ProjectSource.LEARNED,
        priority=row["priority"],
        weight=max(row["weight"], 1),
        max_concurrent=row["max_concurrent"] or settings.MAX_CONCURRENT,
        models=models,
        server=row["server_id"] or 0,
        base_url=row["server__base_url"] or "",
    )


def _kind_of(row: dict[str, Any]) -> str:
    if row["server_id"]:
        return server_kind(row["server_id"])
    return row["use"] if row["kind"] == Kind.OAUTH and row["use"] == Use.CODE_ASSIST else row["kind"]


def _token_entry(token: ClientToken) -> TokenEntry:
    return TokenEntry(
        id=token.pk,
        owner_id=token.owner_id,
        digest=token.digest,
        label=token.label,
        prefix=token.prefix,
        allowed=tuple(token.allowed_models),
        expires_at=_seconds(token.expires_at),
        revoked=token.revoked_at is not None or not token.owner.is_active,
        drains=token.on_disconnect == OnDisconnect.DRAIN,
        record_until=_seconds(token.record_until) or 0.0,
    )


def _specific(pattern: str) -> tuple[bool, int, str]:
    """What sorts the most specific pattern first: the longer its fixed text, the more specific it is."""
    return "*" in pattern, -len(pattern.replace("*", "")), pattern


def _servers(used: set[int]) -> dict[int, ServerEntry]:
    """`used`: those that have enabled credentials."""
    rows = Server.objects.order_by("pk").values_list("pk", "name", "unreachable_since")
    return {
        pk: ServerEntry(
            pk,
            name,
            {} if unreachable else _model_cards(server=pk),
            has_credentials=pk in used,
            unreachable=unreachable is not None,
        )
        for pk, name, unreachable in rows
    }


def _routes() -> tuple[Route, ...]:
    rows = sorted(ModelRoute.objects.filter(enabled=True), key=lambda row: (-row.priority, _specific(row.pattern)))
    return tuple(
        Route(
            row.pattern,
            row.server_id or 0,
            tuple(row.fallback),
            kind="" if row.server_id else row.kind,
            project="" if row.server_id else row.project,
            stop_tags=tuple(row.stop_tags),
            stream_internally=row.stream_internally,
            record_until=_seconds(row.record_until) or 0.0,
        )
        for row in rows
    )


def _aliases() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    pairs = list(ModelAlias.objects.filter(enabled=True).values_list("pattern", "target"))
    patterns = [pair for pair in pairs if "*" in pair[0]]
    patterns.sort(key=lambda pair: _specific(pair[0]))
    return {pattern: target for pattern, target in pairs if "*" not in pattern}, tuple(patterns)


def _limits_in_use() -> Iterable[QuotaLimit]:
    match settings.PACING:
        case "off":
            return ()
        case "declared":
            return QuotaLimit.objects.filter(source=ProjectSource.TYPED)
        case _:
            return QuotaLimit.objects.all()


def _limit(row: QuotaLimit) -> Limit:
    return Limit(
        project=row.project,
        credential=row.credential_id,
        model=row.model,
        rpm=row.rpm,
        tpm=row.tpm,
        rpd=row.rpd,
        max_concurrent=row.max_concurrent,
        learned=row.source == ProjectSource.LEARNED,
    )


def _listed_models() -> dict[int, frozenset[str]]:
    listed: dict[int, set[str]] = {}
    for credential_id, name in ServedModel.objects.values_list("credential_id", "name").iterator(chunk_size=5_000):
        listed.setdefault(credential_id, set()).add(name)
    return {credential_id: _shared(frozenset(names)) for credential_id, names in listed.items()}


@lru_cache(maxsize=1_000)
def _shared(names: frozenset[str]) -> frozenset[str]:
    """One set for all credentials that list the same: ten thousand keys list the same sixty models."""
    return names


def _model_cards(*, server: int | None) -> dict[str, ModelCard]:
    """What the enabled credentials of a server, or (None) of Google's, list: each model once, by name.

    Of several descriptions the one that says most.
    """
    rows = ServedModel.objects.filter(credential__enabled=True, credential__server=server)
    rows = rows.exclude(credential__state=State.INVALID)
    cards: dict[str, ModelCard] = {}
    values = rows.values_list("name", "display_name", "input_limit", "output_limit", "methods").distinct()
    # Code Assist names models without describing them; the last of one name stays.
    values = values.order_by("name", "input_limit", "output_limit", "display_name")
    for name, display_name, input_limit, output_limit, methods in values:
        cards[name] = ModelCard(name, display_name, input_limit, output_limit, tuple(methods))
    return cards
