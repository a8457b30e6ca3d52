"""Names that OpenAI and Anthropic clients ask for unless told otherwise. Admins may change or delete them."""

from django.db import migrations

FLASH, LITE = "gemini-3.8-flash", "gemini-3.5-flash-lite"

# Google's pro models have no free tier, so none of the defaults leads to one. The patterns leave out embeddings, images and
# audio: gpt-4o-2* is every dated gpt-4o, but neither gpt-4o-transcribe nor gpt-4o-audio-preview.
ALIASES = {
    "gpt-4o": FLASH,
    "gpt-4o-2*": FLASH,
    "gpt-4o-mini": LITE,
    "gpt-4o-mini-2*": LITE,
    "chatgpt-4o-latest": FLASH,
    "gpt-4.1*": FLASH,
    "gpt-4.1-mini*": LITE,
    "gpt-4.1-nano*": LITE,
    "gpt-4": FLASH,
    "gpt-4-*": FLASH,
    "gpt-3.5-turbo*": LITE,
    "gpt-5*": FLASH,
    "gpt-5*-mini*": LITE,
    "gpt-5*-nano*": LITE,
    "gpt-6*": FLASH,
    "o1": FLASH,
    "o1-*": FLASH,
    "o3": FLASH,
    "o3-*": FLASH,
    "o4-*": FLASH,
    "codex-mini-latest": LITE,
    "claude-*": FLASH,
    "claude-*haiku*": LITE,
}


def add_aliases(apps, schema_editor):
    alias = apps.get_model("credentials", "ModelAlias")
    rows = [alias(pattern=pattern, target=target, note="shipped default") for pattern, target in ALIASES.items()]
    alias.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("credentials", "0001_initial")]
    operations = [migrations.RunPython(add_aliases, migrations.RunPython.noop)]
