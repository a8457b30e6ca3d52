"""Names of OpenAI's models for pictures, speech, hearing, moderation and plain completions, and of Imagen, which Google has
retired. Admins may change or delete them; where an upstream still lists one of these names, its own model answers.
"""

from django.db import migrations

PICTURES, FINEST, QUICKEST = "gemini-3.1-flash-image", "gemini-3-pro-image", "gemini-3.1-flash-lite-image"
SPEECH, HEARING, LITE = "gemini-3.8-flash-tts", "gemini-3.5-transcribe", "gemini-3.5-flash-lite"

ALIASES = {
    "imagen-3*": PICTURES,
    "imagen-4*": PICTURES,
    "imagen-4*-fast-*": QUICKEST,
    "imagen-4*-ultra-*": FINEST,
    "gemini-2.5-flash-image-preview": PICTURES,
    "gemini-3-pro-image-preview": FINEST,
    "gemini-3.1-flash-image-preview": PICTURES,
    "dall-e-2": PICTURES,
    "dall-e-3": PICTURES,
    "gpt-image-*": PICTURES,
    "gpt-image-1-mini": QUICKEST,
    "chatgpt-image-latest": PICTURES,
    "tts-1": SPEECH,
    "tts-1-hd": SPEECH,
    "gpt-4o-mini-tts*": SPEECH,
    "whisper-1": HEARING,
    "gpt-transcribe": HEARING,
    "gpt-4o-transcribe*": HEARING,
    "gpt-4o-mini-transcribe*": HEARING,
    "omni-moderation-*": LITE,
    "text-moderation-*": LITE,
    "davinci-002": LITE,
    "babbage-002": LITE,
}


def add_aliases(apps, schema_editor):
    alias = apps.get_model("credentials", "ModelAlias")
    rows = [alias(pattern=pattern, target=target, note="shipped default") for pattern, target in ALIASES.items()]
    alias.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("credentials", "0007_embedding_aliases")]
    operations = [migrations.RunPython(add_aliases, migrations.RunPython.noop)]
