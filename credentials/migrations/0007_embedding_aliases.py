"""Names of OpenAI's embedding models. Admins may change or delete them."""

from django.db import migrations

# The second generation takes texts as long as OpenAI's models do (8,192 tokens), the first only a quarter of that.
# Vectors of different models cannot be compared: whoever changes a target must embed everything anew.
ALIASES = {
    "text-embedding-3-small": "gemini-embedding-2",
    "text-embedding-3-large": "gemini-embedding-2",
    "text-embedding-ada-002": "gemini-embedding-2",
}


def add_aliases(apps, schema_editor):
    alias = apps.get_model("credentials", "ModelAlias")
    rows = [alias(pattern=pattern, target=target, note="shipped default") for pattern, target in ALIASES.items()]
    alias.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("credentials", "0006_sign_in_failed")]
    operations = [migrations.RunPython(add_aliases, migrations.RunPython.noop)]
