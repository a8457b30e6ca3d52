"""What Code Assist is asked besides requests: which tier an account has, that it may join one, and what is left of its quota.

Blocking calls, for set-ups and checks. Source: wire reference, sections 4.2 to 4.4.
"""

import time
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from django.conf import settings
from msgspec import Struct

from openai_api.translation.code_assist import model_of_code_assist, unwrap, wrap
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.blocking import failed
from openai_api.upstream.refusals import read_refusal
from openai_api.upstream.sessions import Session

T = TypeVar("T")

FREE_TIER = "free-tier"
_SECONDS = 30.0
"""For one call, however slowly its answer trickles in."""
_HTTP_STATUSES = {3: 400, 5: 404, 7: 403, 8: 429, 9: 400, 14: 503, 16: 401}
"""An operation fails with one of gRPC's codes. Source: google/rpc/code.proto."""


class Tier(Struct, rename="camel"):
    id: str = ""
    name: str = ""
    is_default: bool = False
    user_defined_cloudaicompanion_project: bool = False
    """It takes a project of the user's own."""


class IneligibleTier(Struct, rename="camel"):
    reason_code: str = ""
    reason_message: str = ""
    tier_id: str = ""
    validation_url: str = ""


class Loaded(Struct, rename="camel"):
    """`current_tier` None: the account has to join one first."""

    current_tier: Tier | None = None
    paid_tier: Tier | None = None
    allowed_tiers: tuple[Tier, ...] = ()
    ineligible_tiers: tuple[IneligibleTier, ...] = ()
    cloudaicompanion_project: str = ""


class _Project(Struct):
    id: str = ""


class _Joined(Struct, rename="camel"):
    cloudaicompanion_project: _Project | None = None


class _Failure(Struct):
    code: int = 0


class JoiningFailed(UpstreamRefused):
    """Not the question how far it is, but the joining itself was refused: there is nothing more to wait for."""


class Operation(Struct):
    """The joining of a tier, which may take Google a while."""

    name: str = ""
    done: bool = False
    response: _Joined | None = None
    error: _Failure | None = None

    @property
    def project(self) -> str:
        joined = self.response.cloudaicompanion_project if self.response else None
        return joined.id if joined else ""


class _Bucket(Struct, rename="camel"):
    model_id: str = ""
    remaining_fraction: float | None = None
    remaining_amount: str = ""
    reset_time: str = ""


class _Buckets(Struct):
    buckets: tuple[_Bucket, ...] = ()


class Quota(Struct, frozen=True):
    """What is left of one model's quota. None where Google does not say."""

    model: str
    """As the Gemini API calls it."""
    remaining_fraction: float | None = None
    remaining_amount: int | None = None
    reset_at: datetime | None = None

    @property
    def is_used_up(self) -> bool:
        left = self.remaining_amount if self.remaining_fraction is None else self.remaining_fraction
        return left is not None and left <= 0


class CodeAssistCalls(Struct, frozen=True):
    """Each raises UpstreamRefused."""

    session: Session

    def load(self, project: str) -> Loaded:
        asked = {"cloudaicompanionProject": project} if project else {}
        return _read(self._post("loadCodeAssist", asked | {"metadata": _metadata(project)}), Loaded)

    def join(self, tier: Tier, project: str) -> Operation:
        """Ask for a place in a tier. The free one must not hear of a project."""
        project = "" if tier.id == FREE_TIER else project
        asked = {"cloudaicompanionProject": project} if project else {}
        return _operation(self._post("onboardUser", {"tierId": tier.id} | asked | {"metadata": _metadata(project)}))

    def operation(self, name: str) -> Operation:
        """How far a joining has come."""
        return _operation(self.session.fetch("GET", _url(f"/{name}"), deadline=_deadline()))

    def quota(self, project: str) -> list[Quota]:
        """One of each model: where several are counted, the one of which the least is left."""
        said = _read(self._post("retrieveUserQuota", {"project": project}), _Buckets)
        scarcest: dict[str, Quota] = {}
        for bucket in said.buckets:
            quota = _quota(bucket)
            if quota.model and (quota.model not in scarcest or _left(quota) < _left(scarcest[quota.model])):
                scarcest[quota.model] = quota
        return list(scarcest.values())

    def _post(self, method: str, body: dict[str, Any]) -> bytes:
        return self.session.fetch("POST", _url(f":{method}"), deadline=_deadline(), content=msgspec.json.encode(body))


def generate(session: Session, model: str, body: bytes, deadline: float, *, project: str) -> bytes:
    """Gemini's answer to Gemini's body, as `probe.Generate` once the project is given."""
    wrapped = wrap(body, model=model, project=project, prompt_id=str(uuid4()))
    return unwrap(session.fetch("POST", _url(":generateContent"), deadline=deadline, content=wrapped))


def _url(method: str) -> str:
    return f"{settings.CODE_ASSIST_ENDPOINT}/v1internal{method}"


def _deadline() -> float:
    return time.monotonic() + _SECONDS


def _metadata(project: str) -> dict[str, str]:
    """Who asks, in the words that Code Assist knows."""
    said = {"ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}
    return said | ({"duetProject": project} if project else {})


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise failed("The answer is not one of Code Assist's. Is CODE_ASSIST_ENDPOINT right?") from error


def _operation(body: bytes) -> Operation:
    operation = _read(body, Operation)
    if operation.error is not None:
        raise JoiningFailed(read_refusal(_HTTP_STATUSES.get(operation.error.code, 500), body, of_code_assist=True))
    if not operation.done and not operation.name:
        raise failed("Code Assist began to set the account up, but did not say how to ask for the end of it.")
    return operation


def _quota(bucket: _Bucket) -> Quota:
    amount = bucket.remaining_amount
    return Quota(
        model=model_of_code_assist(bucket.model_id),
        remaining_fraction=bucket.remaining_fraction,
        remaining_amount=int(amount) if amount.isascii() and amount.isdecimal() and len(amount) < 19 else None,
        reset_at=_moment(bucket.reset_time),
    )


def _left(quota: Quota) -> float:
    return 1.0 if quota.remaining_fraction is None else quota.remaining_fraction


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
