"""The Spanish of the sources is whole, and the compiled catalogue is that of the checked-in text."""

import gettext
import io
import re
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

HOME = Path(__file__).parents[2]
FOLDER = HOME / "locale/es/LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def spanish() -> Catalog:
    with (FOLDER / "django.po").open("rb") as file:
        return read_po(file, locale="es")


def words(identifier: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (identifier,) if isinstance(identifier, str) else tuple(identifier)


def wanted() -> set[tuple[str, ...]]:
    """Every message that the sources ask for."""
    methods = [("**/migrations/**", "ignore"), ("**.py", "python")]
    folders = [HOME / name for name in ("credentials", "openai_api", "proxy_site")]
    return {words(message) for folder in folders for _file, _line, message, *_ in extract_from_dir(folder, methods)}


def test_every_message_of_the_sources_is_in_the_catalogue_and_no_other():
    there = {words(message.id) for message in spanish() if message.id}
    assert len(there) > 100
    assert there == wanted(), "Run: make messages"


def test_every_message_has_a_translation_that_somebody_has_looked_at():
    missing = [message.id for message in spanish() if message.id and not all(words(message.string))]
    fuzzy = [message.id for message in spanish() if message.id and message.fuzzy]
    assert (missing, fuzzy) == ([], [])


def test_translations_have_the_placeholders_of_their_messages():
    for message in spanish():
        if message.id:
            expected = set(PLACEHOLDER.findall(words(message.id)[-1]))
            assert all(set(PLACEHOLDER.findall(text)) == expected for text in words(message.string)), message.id


def test_the_compiled_catalogue_is_up_to_date():
    compiled = io.BytesIO()
    write_mo(compiled, spanish())
    fresh = gettext.GNUTranslations(io.BytesIO(compiled.getvalue()))._catalog
    with (FOLDER / "django.mo").open("rb") as file:
        shipped = gettext.GNUTranslations(file)._catalog
    del fresh[""], shipped[""]  # The header, with its dates.
    assert shipped == fresh, "Run: make messages"
