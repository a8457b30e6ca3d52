"""What Google meant when it refused: one reading of a refusal, for everything that reacts to it.

`refusal_body` takes the body apart, `refusal_rules` says what it means, `refusal_quota` what it says about quotas.
"""

from msgspec import Struct
from msgspec.structs import replace

from credentials.crypto import conceal
from credentials.health import Outcome
from openai_api.upstream.refusal_body import LONGEST_MESSAGE, Said, body_for_people, plain, read_body
from openai_api.upstream.refusal_quota import day_rest, limit_of, project_of, quota_of, short_rest
from openai_api.upstream.refusal_rules import classify


class Refusal(Struct, frozen=True):
    """`status` is Google's; `message` is plain text without secrets; `code` is OpenAI's word for it, where there is one."""

    outcome: Outcome
    status: int
    message: str
    retry_after: float | None = None
    """Seconds, where Google named them and they can be trusted."""
    quota: str = ""
    """Google's id of the quota that is used up."""
    quota_value: int | None = None
    """How large that quota is, where Google names it; 0 is a quota that the project does not have."""
    project: str = ""
    """The Google project of the credential, where the refusal names it."""
    code: str | None = None
    unknown: str = ""
    """The body, redacted and shortened, where nobody knows what it means."""
    quoted: str = ""
    """The model's own words about its failure. They may repeat the conversation, so nobody but the caller may see them."""
    reasons: frozenset[str] = frozenset()
    """Google's own words for it, such as SECURITY_POLICY_VIOLATED."""
    link: str = ""
    """The page where a person can put it right; the message has it too."""
    kind: str = ""
    """OpenAI's `type`, where a server of that dialect has refused: its own words go to the caller."""
    param: str | None = None

    @property
    def for_caller(self) -> str:
        return f"{self.message} {self.quoted}".strip()

    def concealing(self, secret: str) -> "Refusal":
        """The same without this very secret: Google echoes keys in some refusals, and not every key has a known shape."""
        if not secret:
            return self
        return replace(self, message=conceal(self.message, secret), unknown=conceal(self.unknown, secret))


def read_refusal(status: int, body: bytes, *, of_code_assist: bool = False) -> Refusal:
    """`status` is the answer's; an error inside a 200 brings its own. Never raises.

    `of_code_assist`: it came from there, as those can tell who asked; of the bodies only some do.
    """
    said = read_body(status, body)
    if of_code_assist:
        said = replace(said, is_of_code_assist=True)
    outcome, code = classify(said)
    link = next((link for link in _remedies(said, outcome) if link.startswith("https://")), "")
    return Refusal(
        outcome=outcome,
        status=said.status,
        message=_message(said, outcome, link),
        retry_after=_retry_after(said, outcome),
        quota=quota_of(said),
        quota_value=limit_of(said),
        project=project_of(said),
        reasons=said.reasons,
        link=link,
        code=code,
        unknown=body_for_people(body) if outcome is Outcome.UNEXPLAINED else "",
    )


def _retry_after(said: Said, outcome: Outcome) -> float | None:
    if outcome is Outcome.NOT_ENTITLED:
        return None
    return day_rest(said) if outcome is Outcome.DAY_QUOTA else short_rest(said)


def _message(said: Said, outcome: Outcome, link: str) -> str:
    """With the page where a person can put it right, and the API that is meant, which Google names beside its sentence."""
    api = said.metadata("serviceTitle") or said.metadata("service") if outcome is Outcome.API_DISABLED else ""
    added = [text for text in (api, link) if text and text not in said.message]
    return plain(" ".join((said.message, *added)), LONGEST_MESSAGE) if added else said.message


def _remedies(said: Said, outcome: Outcome) -> tuple[str, ...]:
    match outcome:
        case Outcome.VALIDATION_REQUIRED:
            return (*said.links[:1], said.metadata("validation_link"), said.metadata("validation_url"))
        case Outcome.SUSPENDED:
            return (said.metadata("appeal_url"),)
        case Outcome.API_DISABLED:
            return (said.metadata("activationUrl"), *said.links[:1])
        case _:
            return ()
