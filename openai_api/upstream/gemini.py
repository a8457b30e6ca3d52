"""Gemini, by whichever way a credential opens: the Gemini API, Code Assist, or the Gemini CLI. The relay asks this one."""

from collections.abc import AsyncGenerator, Callable

from credentials.models import Kind, Use
from credentials.roster import Entry, ModelCard, Roster
from openai_api.errors import InvalidRequest
from openai_api.translation.cli_prompt import CliPrompt, write_prompt
from openai_api.translation.conversation import (
    Conversation,
    Notice,
    PicturesToMake,
    SpeechToWrite,
    TextsToEmbed,
    TextToSpeak,
)
from openai_api.translation.events import Event
from openai_api.translation.gemini import imagen
from openai_api.translation.gemini.capabilities import capabilities_of
from openai_api.translation.gemini.drawing import conversation_for
from openai_api.translation.gemini.embeddings import write_batches
from openai_api.translation.gemini.estimate import BYTES_A_TOKEN, estimate_tokens
from openai_api.translation.gemini.request import write_request
from openai_api.translation.gemini.speech import write_speech
from openai_api.translation.gemini.transcription import write_transcription
from openai_api.upstream.ai_studio import AiStudio
from openai_api.upstream.base import FILES, Ask, Custody, FileCall, Prepared
from openai_api.upstream.code_assist import CodeAssist, beyond_code_assist
from openai_api.upstream.gemini_cli import NOT_INSTALLED, GeminiCli

_GEMINI_API = frozenset({Kind.API_KEY.value, Kind.OAUTH.value})
_CODE_ASSIST = frozenset({Use.CODE_ASSIST.value})
_CLI = frozenset({Kind.GEMINI_CLI.value})
_TOKENS_A_SECOND = 32
"""Of sound."""


class Gemini:
    def __init__(self, ai_studio: AiStudio, code_assist: CodeAssist, cli: GeminiCli) -> None:
        self._ai_studio = ai_studio
        self._code_assist = code_assist
        self._cli = cli

    def prepare(self, conversation: Conversation, roster: Roster, *, counts: bool = False, rated: bool = False) -> Prepared:
        card = roster.models.get(conversation.model)
        if not counts:
            _check_generates(conversation.model, card)
        written = write_request(conversation, output_limit=card.output_limit if card and card.output_limit else None)
        kinds, unfit, prompt = self._ways(conversation, roster.kinds)
        if counts and kinds & _CLI:
            kinds, unfit = kinds - _CLI, (*unfit, Notice("", "The Gemini CLI does not count tokens."))
        if rated and kinds & _CLI:
            kinds, unfit = kinds - _CLI, (*unfit, Notice("", "The Gemini CLI does not tell why something is blocked."))
        return Prepared(
            model=conversation.model,
            body=written.body,
            kinds=kinds,
            unfit=unfit,
            prompt=prompt,
            notices=written.notices,
            stops=written.stops,
            stopped=bool(conversation.sampling.stop),
            names=dict(written.names),
            single_call=not conversation.parallel_tool_calls,
            rated=rated,
            free=counts,
        )

    def prepare_embeddings(self, asked: TextsToEmbed, roster: Roster) -> tuple[Prepared, ...]:
        _check_embeds(asked.model, roster.models.get(asked.model))
        unfit = _only_by_api(roster, "makes no embeddings")
        return tuple(
            Prepared(asked.model, batch.body, kinds=_GEMINI_API, unfit=unfit, inputs=batch.size, tokens=batch.tokens)
            for batch in write_batches(asked)
        )

    def prepare_speech(self, asked: TextToSpeak, roster: Roster) -> Prepared:
        _check_speaks(asked.model)
        return Prepared(
            asked.model,
            write_speech(asked),
            kinds=_GEMINI_API,
            unfit=_only_by_api(roster, "does not speak"),
            tokens=-(-len((asked.style + asked.text).encode()) // BYTES_A_TOKEN),
        )

    def prepare_pictures(self, wanted: PicturesToMake, roster: Roster) -> tuple[Prepared, ...]:
        card = roster.models.get(wanted.model)
        unfit = _only_by_api(roster, "makes no pictures")
        notices: list[Notice] = []
        if card is not None and imagen.METHOD in card.methods:
            calls = list(imagen.write_predictions(wanted, notices))
            told = tuple(notices)
            return tuple(
                Prepared(wanted.model, call.body, kinds=_GEMINI_API, unfit=unfit, notices=told, samples=call.samples)
                for call in calls
            )
        _check_draws(wanted.model, card)
        conversation = conversation_for(wanted, capabilities_of(wanted.model), notices)
        written = write_request(conversation, output_limit=card.output_limit if card and card.output_limit else None)
        prepared = Prepared(
            wanted.model,
            written.body,
            kinds=_GEMINI_API,
            unfit=unfit,
            notices=(*notices, *written.notices),
            tokens=estimate_tokens(conversation),
            drafts=wanted.drafts,
        )
        return (prepared,) * wanted.count

    def prepare_transcription(self, asked: SpeechToWrite, roster: Roster) -> Prepared:
        _check_generates(asked.model, roster.models.get(asked.model), "write down speech")
        written = write_transcription(asked)
        return Prepared(
            asked.model,
            written.body,
            kinds=_GEMINI_API,
            unfit=_only_by_api(roster, "hears no recordings"),
            notices=written.notices,
            upload=written.upload,
            tokens=round((asked.seconds or 0.0) * _TOKENS_A_SECOND),
        )

    def prepare_files(self, call: FileCall, roster: Roster, *, custody: Custody | None = None) -> Prepared:
        unfit = _only_by_api(roster, "keeps no files")
        return Prepared(
            FILES,
            b"",
            kinds=_GEMINI_API,
            unfit=unfit,
            file_call=call,
            custody=custody,
            lasting=custody is None,
            free=True,
        )

    def count(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        way = self._ai_studio if entry.kind in _GEMINI_API else self._code_assist
        return way.count(prepared, entry, new_call_id=new_call_id, seconds=seconds)

    def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        return self._way(entry.kind).ask(prepared, entry, new_call_id=new_call_id, seconds=seconds)

    # What the Gemini API alone can do.

    @property
    def embed(self) -> Ask:
        return self._ai_studio.embed

    @property
    def speak(self) -> Ask:
        return self._ai_studio.speak

    @property
    def draw(self) -> Ask:
        return self._ai_studio.draw

    @property
    def transcribe(self) -> Ask:
        return self._ai_studio.transcribe

    @property
    def on_files(self) -> Ask:
        return self._ai_studio.on_files

    def _way(self, kind: str) -> AiStudio | CodeAssist | GeminiCli:
        if kind in _GEMINI_API:
            return self._ai_studio
        return self._code_assist if kind in _CODE_ASSIST else self._cli

    def _ways(
        self, conversation: Conversation, there: frozenset[str]
    ) -> tuple[frozenset[str], tuple[Notice, ...], CliPrompt | None]:
        """(kinds that can serve the conversation, why others that are there cannot, the prompt for the CLI)."""
        kinds = _GEMINI_API
        unfit: tuple[Notice, ...] = ()
        prompt = None
        if there & _CODE_ASSIST:
            unfit = tuple(beyond_code_assist(conversation))
            kinds = kinds if unfit else kinds | _CODE_ASSIST
        if there & _CLI:
            written = write_prompt(conversation) if self._cli.installed else (Notice("", NOT_INSTALLED),)
            if isinstance(written, CliPrompt):
                kinds, prompt = kinds | _CLI, written
            else:
                unfit += written
        return kinds, unfit, prompt


def _only_by_api(roster: Roster, lacks: str) -> tuple[Notice, ...]:
    """Why credentials that are there cannot be asked, which `lacks` says of them."""
    others = (("Code Assist", _CODE_ASSIST), ("The Gemini CLI", _CLI))
    remedy = "this takes an API key, or a Google account for the Gemini API"
    return tuple(Notice("", f"{name} {lacks}: {remedy}.") for name, kinds in others if roster.kinds & kinds)


# Asking a model for what it cannot do would be taken for its absence, and rest it for those who ask it for what it can.


def _check_generates(model: str, card: ModelCard | None, what: str = "answer chats") -> None:
    if card is not None and card.methods and "generateContent" not in card.methods:
        raise InvalidRequest(f"The model '{model}' does not {what}.", param="model", code="model_not_supported")


def _check_embeds(model: str, card: ModelCard | None) -> None:
    embeds = "embedContent" in card.methods if card is not None else "embedding" in model
    if not embeds:
        message = f"The model '{model}' makes no embeddings. Those that do have 'embedding' in their names, in GET /v1/models."
        raise InvalidRequest(message, param="model", code="model_not_supported")


def _check_speaks(model: str) -> None:
    if "AUDIO" not in capabilities_of(model).outputs:
        message = f"The model '{model}' does not speak. Those that do have 'tts' in their names, in GET /v1/models."
        raise InvalidRequest(message, param="model", code="model_not_supported")


def _check_draws(model: str, card: ModelCard | None) -> None:
    if "IMAGE" not in capabilities_of(model).outputs:
        message = (
            f"The model '{model}' makes no pictures. Those that do have 'image' or 'banana' in their names (GET /v1/models)."
        )
        raise InvalidRequest(message, param="model", code="model_not_supported")
    _check_generates(model, card)
