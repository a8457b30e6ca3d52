"""By what other processes see that the pool has changed."""

from django.db import models, transaction
from django.db.models import F

from credentials import bell


class PoolVersion(models.Model):
    """One row whose numbers move whenever the pool changes, so that other processes know to load what has changed."""

    number = models.PositiveBigIntegerField(default=0, help_text="Moves with credentials, tokens, aliases, limits and listings.")
    rests = models.PositiveBigIntegerField(default=0, help_text="Moves with rests and states.")

    @classmethod
    def lock(cls) -> None:
        """Taken first by every transaction that will move a number: whoever locked credentials first could wait in a circle."""
        cls.objects.select_for_update().filter(pk=1).first()

    @classmethod
    def bump(cls) -> None:
        cls._move("number")

    @classmethod
    def bump_rests(cls) -> int:
        """Returns the new number. Until the transaction ends no other process gets one, so they become visible in order."""
        cls._move("rests")
        return cls.current()[1]

    @classmethod
    def current(cls) -> tuple[int, int]:
        """(number, rests)"""
        return cls.objects.filter(pk=1).values_list("number", "rests").first() or (0, 0)

    @classmethod
    def _move(cls, name: str) -> None:
        moved = cls.objects.filter(pk=1).update(**{name: F(name) + 1})
        if not moved and not cls.objects.get_or_create(pk=1, defaults={name: 1})[1]:
            cls._move(name)  # Another process made the row at this moment.
        transaction.on_commit(bell.ring)
