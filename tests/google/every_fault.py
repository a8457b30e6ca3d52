"""All errors by name, whichever service says them: where two say the same differently, each says it in its own way."""

from tests.google import faults, faults_code_assist, faults_oauth
from tests.google.errors import Refusal
from tests.google.faults import Circumstances, Maker

BY_SURFACE: dict[str, dict[str, Maker]] = {
    "gemini": faults.FAULTS,
    "code_assist": faults_code_assist.FAULTS,
    "oauth": faults_oauth.FAULTS,
}
NAMES = sorted({name for table in BY_SURFACE.values() for name in table})


def make(name: str, surface: str, circumstances: Circumstances) -> Refusal:
    """The error of that name as `surface` says it, or as the first does that knows it; a `KeyError` names all there are."""
    tables = [BY_SURFACE[surface], *BY_SURFACE.values()]
    maker = next((table[name] for table in tables if name in table), None)
    if maker is None:
        raise KeyError(f"There is no fault {name!r}. There are: {', '.join(NAMES)}.")
    return maker(circumstances)
