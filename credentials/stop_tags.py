"""Stop tags as people write them: in a setting, in a header, or one a line. Pure."""

from collections.abc import Iterable

import msgspec

MOST_TAGS = 20
LONGEST_TAG = 200
"""Characters. What may be the beginning of a tag is held back, so that a long one delays a stream."""

_tags = msgspec.json.Decoder(list[str]).decode
_tag = msgspec.json.Decoder(str).decode


class InvalidTags(ValueError):
    """Says what is wrong with them, as the end of a sentence."""


def read_tags(text: str) -> tuple[str, ...]:
    """A comma list, whose blanks around commas do not count, or a JSON list of strings. Raises InvalidTags.

    `[END], [STOP]` is a comma list: what begins with a bracket is only JSON if it can be read as such, or if a quote follows.
    """
    text = text.strip()
    if text.startswith("["):
        try:
            return checked(_tags(text))
        except msgspec.ValidationError as error:
            raise InvalidTags("a JSON list of them holds texts only") from error
        except (msgspec.DecodeError, UnicodeError) as error:
            if text[1:].lstrip().startswith('"'):
                raise InvalidTags("they begin like a JSON list and are none") from error
    return checked(tag.strip() for tag in text.split(","))


def checked(tags: Iterable[str]) -> tuple[str, ...]:
    """Each once, without empty ones. Raises InvalidTags for what is too many, or too long."""
    tags = tuple(dict.fromkeys(tag for tag in tags if tag))
    if len(tags) > MOST_TAGS:
        raise InvalidTags(f"they are {len(tags)}, and may be {MOST_TAGS}")
    if any(len(tag) > LONGEST_TAG for tag in tags):
        raise InvalidTags(f"one is longer than {LONGEST_TAG} characters")
    return tags


def read_lines(text: str) -> tuple[str, ...]:
    """One a line; in quotes, as JSON writes texts, where it has line breaks or blanks at its ends. Raises InvalidTags."""
    return checked(_read_line(line.strip()) for line in text.split("\n"))


def write_lines(tags: Iterable[str]) -> str:
    return "\n".join(tag if _is_plain(tag) else msgspec.json.encode(tag).decode() for tag in tags)


def _read_line(line: str) -> str:
    if not line.startswith('"'):
        return line
    try:
        return _tag(line)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidTags("a line begins with a quote and is no text as JSON writes it") from error


def _is_plain(tag: str) -> bool:
    return tag == tag.strip() and not tag.startswith('"') and "\n" not in tag and "\r" not in tag
