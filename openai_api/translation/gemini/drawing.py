"""Pictures to make → the conversation that asks for one of them.

Source: wire reference 1.8.
"""

from openai_api.translation.conversation import Conversation, Notice, PicturesToMake, Text, Thinking, Turn

from .capabilities import Capabilities
from .pictures import choose, knows_quality, thinks_harder


def conversation_for(wanted: PicturesToMake, can: Capabilities, notices: list[Notice]) -> Conversation:
    """Raises InvalidRequest for what is no shape and no size."""
    if not knows_quality(wanted.wish, can):
        notices.append(Notice("quality", "this model makes pictures of that size in one quality"))
    return Conversation(
        model=wanted.model,
        turns=(Turn("user", (Text(wanted.prompt), *wanted.sources)),),
        modalities=("IMAGE",),  # Where the model may speak too, it now and then does nothing else.
        picture=choose(wanted.wish, can, notices),
        thinking=Thinking(
            effort="high" if thinks_harder(wanted.wish, can) else None,
            include=True if wanted.drafts and can.levels else None,
        ),
    )
