"""Every rule that a request must keep, in the order in which they are looked at."""

from typing import Any

from tests.google import contents, embeddings, generation, models, predict, signatures, speech, thinking, tools
from tests.google.errors import invalid
from tests.google.models import Model
from tests.google.scripts import GENERATION


def check(method: str, model_id: str, request: dict[str, Any], *, lenient: bool = False) -> None:
    """Refuse a request (in its canonical form, see `transcoding`) that breaks a rule of Google's."""
    if method == "listModels":
        return
    if method == "getModel":
        if model_id not in models.MODELS:
            raise models.not_found(model_id, "generateContent")
        return
    model = models.find(model_id, method)
    if method in GENERATION:
        check_generation(request, model, lenient=lenient)
    elif method == "countTokens":
        _check_count(request, model)
    elif method == "embedContent":
        contents.check_parts([request.get("content", {})], "EmbedContentRequest.content")
        embeddings.check(request, model_id)
    elif method == "predict":
        predict.check(request, model_id)
    else:
        embeddings.check_batch(request, model_id)
        for number, one in enumerate(request.get("requests", [])):
            contents.check_parts([one.get("content", {})], f"BatchEmbedContentsRequest.requests[{number}].content")


def check_generation(request: dict[str, Any], model: Model, *, lenient: bool = False) -> None:
    """`lenient`: unsigned pictures of the model's are let through, see `signatures`."""
    contents.check(request, model)
    tools.check(request, model)
    generation.check(request, model)
    speech.check(request, model)
    thinking.check(request.get("generationConfig", {}).get("thinkingConfig", {}), model)
    signatures.check(request.get("contents", []), model, lenient=lenient)


def check_parts(request: dict[str, Any]) -> None:
    """The least that a conversation has to keep: parts that hold something, known roles, usable files."""
    contents.check_parts(request.get("contents", []), "GenerateContentRequest.contents")


def _check_count(request: dict[str, Any], model: Model) -> None:
    """Contents, or a whole generateContentRequest, but not both (section 1.15)."""
    nested = request.get("generateContentRequest")
    if nested is None:
        contents.check_parts(request.get("contents", []), "CountTokensRequest.contents")
        return
    if request.get("contents"):
        raise invalid("* CountTokensRequest: contents and generate_content_request are mutually exclusive")
    if nested.get("model") != f"models/{model.id}":
        raise invalid("* CountTokensRequest.generate_content_request.model: model must be the one of the URL")
    check_parts(nested)
