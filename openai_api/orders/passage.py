"""A request on its way to a server of its own dialect: as it came, but for the model's name where another is meant."""

import secrets

from msgspec import Struct

from openai_api.translation.passing.form import FormBody, FormFile
from openai_api.translation.passing.request import read_head, with_model
from openai_api.uploads import Form
from openai_api.upstream.base import HandedOn, Prepared

_OF_TEXTS = frozenset({"/chat/completions", "/completions"})


class Passage(Struct, frozen=True):
    path: str
    """Below /v1, with a slash: it is the same there."""
    model: str
    """As the caller wrote it."""
    stream: bool
    content_type: str
    body: bytes | FormBody

    def prepared(
        self, model: str, kinds: frozenset[str], *, stop_tags: tuple[str, ...] = (), collected: bool = False
    ) -> Prepared:
        body = self._body(model)
        request = HandedOn(self.path, self.content_type, body, stop_tags=stop_tags, collected=collected)
        return Prepared(model, handed_on=request, kinds=kinds)

    @property
    def of_texts(self) -> bool:
        """Whether its answer is a model's text, which can be cut and collected."""
        return self.path in _OF_TEXTS

    def _body(self, model: str) -> bytes | FormBody:
        if model == self.model:
            return self.body
        return with_model(self.body, model) if isinstance(self.body, bytes) else self.body.with_model(model)


def passage_of(path: str, body: bytes) -> Passage | None:
    """None for what is no JSON object with a model."""
    head = read_head(body)
    return None if head is None else Passage(path, head.model, head.stream, "application/json", body)


def passage_of_form(path: str, form: Form) -> Passage | None:
    """None for a form without a model."""
    model = form.fields.get("model", [""])[-1]
    if not model:
        return None
    fields = [(name, value) for name, values in form.fields.items() for value in values]
    files = [FormFile(file.field, file.filename, file.content_type, file) for file in form.files]
    body = FormBody(fields, files, f"castor-{secrets.token_hex(16)}")
    stream = form.fields.get("stream", [""])[-1].lower() in ("true", "1")
    return Passage(path, model, stream, body.content_type, body)
