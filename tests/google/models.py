"""The models that are served (section 8), each with what it can do (section 2.2), and the answers of GET /v1beta/models."""

from typing import Any, Literal

from msgspec import Struct

from tests.google.errors import Refusal, refusal

Kind = Literal["text", "image", "speech", "transcription", "embedding", "imagen", "other"]

GENERATE = ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent")
EMBED = ("embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent")
METHODS_LISTED = {"embedding": EMBED, "imagen": ("predict",)}
MILLION = 1_048_576


class Model(Struct, frozen=True, kw_only=True):
    """One model. `levels` are the thinking levels it takes, `budget` the range of thinkingBudget (2.5 only)."""

    id: str
    kind: Kind = "text"
    generation: Literal["2.5", "3", "4", "gemma", ""] = ""
    input_limit: int = MILLION
    output_limit: int = 65_536
    levels: tuple[str, ...] = ()
    default_level: str = ""
    budget: tuple[int, int] | None = None
    can_stop_thinking: bool = False
    thinks_by_default: bool = True
    alias_of: str = ""
    description: str = ""

    @property
    def thinks(self) -> bool:
        return bool(self.levels or self.budget) or self.id == "gemini-3-pro-image"

    @property
    def checks_signatures(self) -> bool:
        """Section 2.4: the text and image models of 3 and 4."""
        return self.generation in ("3", "4") and self.kind in ("text", "image")

    @property
    def signs_pictures(self) -> bool:
        return self.checks_signatures and self.kind == "image"

    @property
    def quota_name(self) -> str:
        """An alias shares the quota of its target (section 6.3)."""
        return self.alias_of or self.id

    def as_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "name": f"models/{self.id}",
            "version": "001",
            "displayName": " ".join(word.capitalize() for word in self.id.split("-")),
            "description": self.description or f"Simulated {self.id}.",
            "inputTokenLimit": self.input_limit,
            "outputTokenLimit": self.output_limit,
            "supportedGenerationMethods": list(METHODS_LISTED.get(self.kind, GENERATE)),
        }
        if self.kind not in ("embedding", "imagen", "other"):
            fields |= {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2}
        if self.thinks:
            fields["thinking"] = True
        return fields


ALL_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
THREE_LEVELS = ("LOW", "MEDIUM", "HIGH")


def _three(model_id: str, levels: tuple[str, ...], default: str, alias_of: str = "") -> Model:
    return Model(id=model_id, generation="3", levels=levels, default_level=default, alias_of=alias_of)


def _four(name: str, levels: tuple[str, ...], default: str) -> Model:
    return Model(id=f"gemini-4-{name}", generation="4", levels=levels, default_level=default)


def _image(
    model_id: str, generation: Literal["2.5", "3"], reads: int, writes: int, levels: tuple[str, ...] = (), alias_of: str = ""
) -> Model:
    return Model(
        id=model_id, kind="image", generation=generation, input_limit=reads, output_limit=writes,
        levels=levels, default_level=levels[0] if levels else "", alias_of=alias_of,
    )  # fmt: skip


def _gemma(model_id: str) -> Model:
    """Its levels are reported, not confirmed (section 2.2)."""
    return Model(
        id=model_id, generation="gemma", input_limit=262_144, output_limit=32_768,
        levels=("MINIMAL", "HIGH"), default_level="MINIMAL",
    )  # fmt: skip


def _speech(model_id: str, generation: Literal["2.5", "3"] = "3") -> Model:
    return Model(id=model_id, kind="speech", generation=generation, input_limit=8_192, output_limit=16_384)


MODELS: dict[str, Model] = {
    model.id: model
    for model in (
        _four("argon", THREE_LEVELS, "MEDIUM"),
        _four("carbon", THREE_LEVELS, "MEDIUM"),  # its default level is not confirmed
        _four("hydrogen", (*THREE_LEVELS, "XHIGH"), "HIGH"),
        _three("gemini-3.8-flash", THREE_LEVELS, "MEDIUM"),
        _three("gemini-3.7-flash", THREE_LEVELS, "MEDIUM"),
        _three("gemini-3.6-flash", ALL_LEVELS, "MEDIUM"),
        _three("gemini-3.5-flash", ALL_LEVELS, "MEDIUM"),
        _three("gemini-3.5-flash-lite", ALL_LEVELS, "MINIMAL"),
        _three("gemini-3.1-flash-lite", ALL_LEVELS, "MINIMAL"),
        _three("gemini-3.1-pro-preview", THREE_LEVELS, "HIGH"),
        _three("gemini-3.1-pro-preview-customtools", THREE_LEVELS, "HIGH"),
        _three("gemini-3-flash-preview", ALL_LEVELS, "HIGH"),
        Model(id="gemini-2.5-pro", generation="2.5", budget=(128, 32_768)),
        Model(id="gemini-2.5-flash", generation="2.5", budget=(0, 24_576), can_stop_thinking=True),
        Model(
            id="gemini-2.5-flash-lite", generation="2.5", budget=(512, 24_576), can_stop_thinking=True, thinks_by_default=False,
        ),
        _three("gemini-flash-latest", THREE_LEVELS, "MEDIUM", alias_of="gemini-3.8-flash"),
        _three("gemini-flash-lite-latest", ALL_LEVELS, "MINIMAL", alias_of="gemini-3.5-flash-lite"),
        _three("gemini-pro-latest", THREE_LEVELS, "HIGH", alias_of="gemini-3.1-pro-preview"),
        _gemma("gemma-4-31b-it"),
        _gemma("gemma-4-26b-a4b-it"),
        _image("gemini-3.1-flash-image", "3", 131_072, 32_768, ("MINIMAL", "HIGH")),
        _image("gemini-3-pro-image", "3", 65_536, 32_768),
        _image("gemini-3.1-flash-lite-image", "3", 65_536, 4_096),
        _image("gemini-nano-banana-2.1", "3", 131_072, 32_768),
        _image("nano-banana-pro-preview", "3", 131_072, 32_768, alias_of="gemini-3-pro-image"),
        _image("gemini-2.5-flash-image", "2.5", 65_536, 32_768),
        _speech("gemini-3.8-flash-tts"),
        _speech("gemini-3.8-flash-lite-tts"),
        _speech("gemini-3.1-flash-tts-preview"),
        _speech("gemini-2.5-flash-preview-tts", "2.5"),
        _speech("gemini-2.5-pro-preview-tts", "2.5"),
        Model(id="gemini-3.5-transcribe", kind="transcription", generation="3", input_limit=98_304, output_limit=32_768),
        Model(id="gemini-embedding-2", kind="embedding", input_limit=8_192, output_limit=1),
        Model(id="gemini-embedding-001", kind="embedding", input_limit=2_048, output_limit=1),
        Model(id="gemini-robotics-er-2-preview", generation="3", input_limit=131_072, levels=ALL_LEVELS, default_level="MEDIUM"),
    )
}  # fmt: skip

METHODS_OF_KIND = {
    "embedding": ("embedContent", "batchEmbedContents", "countTokens"),
    "imagen": ("predict",),
}
TEXT_METHODS = ("generateContent", "streamGenerateContent", "countTokens")


def deploy(model_id: str) -> None:
    """Serve a model of Imagen, which Google itself does not any more."""
    MODELS[model_id] = Model(id=model_id, kind="imagen", input_limit=480, output_limit=8_192)


def withdraw_deployed() -> None:
    for model_id in [model.id for model in MODELS.values() if model.kind == "imagen"]:
        del MODELS[model_id]


def find(model_id: str, method: str) -> Model:
    """The model, if it is there and serves the method; otherwise Google's 404 (section 6.2)."""
    model = MODELS.get(model_id)
    if model is None or method not in METHODS_OF_KIND.get(model.kind, TEXT_METHODS):
        raise not_found(model_id, method)
    return model


def not_found(model_id: str, method: str) -> Refusal:
    spoken = "generateContent" if method == "streamGenerateContent" else method
    return refusal(
        404,
        f"models/{model_id} is not found for API version v1beta, or is not supported for {spoken}. "
        "Call ListModels to see the list of available models and their supported methods.",
    )


def listing(page_size: str, page_token: str) -> dict[str, Any]:
    """One page of all models: 50 unless asked otherwise, at most 1000 (section 1.2). The token is the next start."""
    size = _whole(page_size, 50, "page_size") or 50
    if size < 0:
        raise refusal(400, "page_size must be positive.")
    start = _whole(page_token, 0, "page_token")
    end = start + min(size, 1000)
    page: dict[str, Any] = {"models": [model.as_json() for model in list(MODELS.values())[start:end]]}
    if end < len(MODELS):
        page["nextPageToken"] = str(end)
    return page


def _whole(text: str, default: int, name: str) -> int:
    try:
        return int(text) if text else default
    except ValueError as error:
        raise refusal(400, f"Invalid value at '{name}' (TYPE_INT32), \"{text}\"") from error
