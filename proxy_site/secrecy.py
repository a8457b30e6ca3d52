"""Whether a secret is one: what stands in examples, and what somebody typed in a hurry, protects nothing."""

from django.core.exceptions import ImproperlyConfigured

_SAMPLES = ("change", "example", "insecure", "password", "placeholder", "replace", "sample", "secret")
"""Parts of what examples hold. Six letters of chance are one of these once in millions of times."""
_FEWEST_CHARACTERS = 8
"""Different ones; `xxxxxxxx…` and `12341234…` have fewer."""


def check_secret(name: str, value: str, *, least: int, remedy: str) -> None:
    """Raises ImproperlyConfigured, in one sentence with the remedy, for what is empty, too short, or a sample."""
    if not value:
        raise ImproperlyConfigured(f"{name} must be set. {remedy}")
    if len(value) < least:
        raise ImproperlyConfigured(f"{name} is too short: it needs at least {least} characters. {remedy}")
    if len(set(value)) < _FEWEST_CHARACTERS or any(sample in value.lower() for sample in _SAMPLES):
        raise ImproperlyConfigured(f"{name} is a sample that anybody can guess. {remedy}")
