"""What MkDocs does on its way: the page of all settings is made of `.env.example`, which a test holds to the code."""

import re
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
PAGE = HOME / "docs" / "settings.md"

_BEGINNING = """# Settings

Every setting is a variable of the environment, or a line of `.env` beside `manage.py`; the environment wins. A wrong value is one
sentence at the start, with the remedy. Nothing here has to be set for `make run`. (Made of `.env.example` by `make docs`.)
"""
_SECTION = re.compile(r"# --- (.+?) ---")
_SETTING = re.compile(r"#([A-Z_]+)=(.*)")


def on_pre_build(**_: object) -> None:
    PAGE.write_text(settings_page((HOME / ".env.example").read_text()))


def settings_page(example: str) -> str:
    """A table for each section of `.env.example`."""
    written, comments = [_BEGINNING], []
    for line in example.splitlines():
        if found := _SECTION.fullmatch(line):
            written.append(f"\n## {found[1]}\n\n| name | default | meaning |\n|---|---|---|\n")
        elif found := _SETTING.fullmatch(line):
            default = f"`{found[2]}`" if found[2] else "–"
            written.append(f"| `{found[1]}` | {default} | {_in_table(comments)} |\n")
        if line.startswith("# "):
            comments.append(line[2:])
        else:
            comments = []
    return "".join(written)


def _in_table(comments: list[str]) -> str:
    return " ".join(comments).replace("|", "\\|").replace("<", "&lt;")
