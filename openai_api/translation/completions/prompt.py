"""A raw text, put before a model that knows only chats."""

from openai_api.translation.conversation import Conversation, Sampling, Text, Thinking, Turn

INSTRUCTION = (
    "You continue texts. The user's message is the beginning of a text, and your answer is put directly behind its last "
    "character. Write only what comes next, in the same language, style and formatting. Repeat nothing of it, introduce and "
    "comment nothing, and put no quotes or code fences around it. Begin with a space or a line break where one belongs there, "
    "but not where the text already ends in one; if it stops within a word, go on with the rest of that word. If the text as a "
    "whole is an instruction or a question, what comes next is what it asks for, and nothing else. End where the text would end."
)
"""Scripts of that time mean either: base models went on with a text, gpt-3.5-turbo-instruct did what it was told."""

NOTHING_YET = "(The text is still empty. Write one of your own choice from its beginning.)"
"""Gemini takes no empty text. OpenAI's models began a new document."""


def conversation_about(prompt: str, *, model: str, sampling: Sampling, thinking: Thinking) -> Conversation:
    return Conversation(
        model=model,
        system=(Text(INSTRUCTION),),
        turns=(Turn("user", (Text(prompt or NOTHING_YET),)),),
        sampling=sampling,
        thinking=thinking,
    )
