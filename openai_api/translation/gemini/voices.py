"""Gemini's voices, and which of them stands for which of OpenAI's. A table to change by hand: nothing depends on who is who.

Chosen by what both sides say of them: a bright voice for a bright one, a deep one for a deep one, and each only once.
Source: wire reference 1.9 and 9.6; https://ai.google.dev/gemini-api/docs/speech-generation#voices
"""

GEMINI = (
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus", "Iapetus",
    "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar", "Alnilam", "Schedar", "Gacrux",
    "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
)  # fmt: skip

OPENAI = {
    "alloy": "Kore",
    "ash": "Iapetus",
    "ballad": "Algieba",
    "coral": "Sulafat",
    "echo": "Charon",
    "fable": "Sadaltager",
    "nova": "Zephyr",
    "onyx": "Algenib",
    "sage": "Vindemiatrix",
    "shimmer": "Achernar",
    "verse": "Puck",
    "marin": "Aoede",
    "cedar": "Achird",
}

_VOICES = {**OPENAI, **{name.lower(): name for name in GEMINI}}


def voice_named(name: str) -> str | None:
    """Gemini's name of a voice, whoever's name was given, in any case; None: there is no such voice."""
    return _VOICES.get(name.strip().lower())
