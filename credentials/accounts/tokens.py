# Placeholder of the lead so that imports work: H2 overwrites this file.
from msgspec import Struct


class Access(Struct, frozen=True):
    token: str
    expires_at: float


class NoLogin(Exception): ...


def fresh(credential_id: int, *, than: str = "", at_least: float = 60.0) -> Access:
    raise NoLogin
