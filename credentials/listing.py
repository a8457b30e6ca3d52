"""What a credential's own listing names, as the pool keeps it. How a listing is asked for is the upstream's business."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from msgspec import Struct

from credentials.models import Credential, PoolVersion, ServedModel

_LARGEST = 2**31 - 1
_DESCRIPTION = ("display_name", "input_limit", "output_limit", "methods")


class ListedModel(Struct, frozen=True):
    """A model as an upstream describes it. Limits are tokens, 0 where it does not say."""

    name: str
    display_name: str = ""
    input_limit: int = 0
    output_limit: int = 0
    methods: tuple[str, ...] = ()


@transaction.atomic
def store_listing(credential_id: int, models: Iterable[ListedModel], *, at: datetime) -> bool:
    """Make the credential's rows equal to its listing; returns whether that changed anything."""
    PoolVersion.lock()
    wanted = {model.name: _row(credential_id, model) for model in models if len(model.name) <= 100}
    known = {row.name: row for row in ServedModel.objects.filter(credential_id=credential_id)}
    new = [row for name, row in wanted.items() if name not in known]
    gone = [row.pk for name, row in known.items() if name not in wanted]
    changed = [known[name] for name, row in wanted.items() if name in known and _take_over(known[name], row)]
    ServedModel.objects.bulk_create(new, batch_size=200, ignore_conflicts=True)
    ServedModel.objects.bulk_update(changed, _DESCRIPTION, batch_size=100)
    ServedModel.objects.filter(pk__in=gone).delete()
    Credential.objects.filter(pk=credential_id).update(models_listed_at=at)
    if new or changed or gone:
        PoolVersion.bump()
    return bool(new or changed or gone)


def _row(credential_id: int, model: ListedModel) -> ServedModel:
    return ServedModel(
        credential_id=credential_id,
        name=model.name,
        display_name=model.display_name[:200],
        input_limit=max(0, min(model.input_limit, _LARGEST)),
        output_limit=max(0, min(model.output_limit, _LARGEST)),
        methods=list(model.methods),
    )


def _take_over(known: ServedModel, row: ServedModel) -> bool:
    """Give `known` the description of `row`; False when it has it already."""
    if all(getattr(known, field) == getattr(row, field) for field in _DESCRIPTION):
        return False
    for field in _DESCRIPTION:
        setattr(known, field, getattr(row, field))
    return True
