"""Secrets that are planted to be searched for: in clear, and in every guise in which software passes text on."""

import base64
import secrets
from collections.abc import Collection, Iterator

from msgspec import Struct


def new_mark() -> str:
    """Letters and digits that stand nowhere else. They survive every escaping, so that one search finds them in any of them."""
    return "canary" + secrets.token_hex(10)


def secret_part(token: str) -> str:
    """A token without what is shown of it in lists."""
    return token[len("castor-") + 5 :]


def guises(secret: str) -> dict[str, bytes]:
    """The texts that give `secret` away to whoever finds them within a longer one."""
    plain = secret.encode()
    found = {
        "in clear": plain,
        "reversed": plain[::-1],
        "in hexadecimal": plain.hex().encode(),
        "percent-encoded": "".join(f"%{byte:02X}" for byte in plain).encode(),
        "escaped for JSON": "".join(f"\\u{byte:04x}" for byte in plain).encode(),
    }
    for before in range(3):
        # What base64 makes of a text depends on where in a group of three bytes it begins. Only whole letters count.
        letters = base64.b64encode(bytes(before) + plain)[(0, 2, 3)[before] : (before + len(plain)) * 8 // 6]
        found[f"in base64, after {before}"] = letters
        found[f"in base64 for URLs, after {before}"] = letters.translate(bytes.maketrans(b"+/", b"-_"))
    return found


class Sighting(Struct, frozen=True):
    canary: str
    where: str
    guise: str
    meant: bool


class Watch:
    """Looks through everything that comes out. `canaries` maps the name of a secret to what is searched for."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self.searched: dict[str, int] = {}
        """Bytes looked through, by sort of place (the first word of `where`)."""
        self._guises: dict[str, dict[str, bytes]] = {}

    def plant(self, canary: str, mark: str) -> None:
        self._guises[canary] = guises(mark)

    def search(self, where: str, content: bytes, *, meant: Collection[str] = ()) -> None:
        """Note every canary in `content`; those in `meant` may stand there."""
        sort = where.split()[0]
        self.searched[sort] = self.searched.get(sort, 0) + len(content)
        self.sightings += self._sightings(where, content, meant)

    def unmeant(self, sort: str) -> list[Sighting]:
        return [sighting for sighting in self.sightings if not sighting.meant and sighting.where.split()[0] == sort]

    def meant(self) -> set[str]:
        """The canaries that were seen where they belong."""
        return {sighting.canary for sighting in self.sightings if sighting.meant}

    def _sightings(self, where: str, content: bytes, meant: Collection[str]) -> Iterator[Sighting]:
        folded = content.lower()
        for canary, guises in self._guises.items():
            for guise, text in guises.items():
                # Whatever ignores case, such as a header's name or hexadecimal digits, still gives it away.
                if text in content or (guise in ("in clear", "in hexadecimal", "percent-encoded") and text.lower() in folded):
                    yield Sighting(canary, where, guise, canary in meant)
