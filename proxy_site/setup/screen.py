"""How the wizard looks: a few kinds of lines, all with one margin."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

_MARGIN = (0, 2)
_WIDEST = 100


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.console.width = min(self.console.width, _WIDEST)
        self._heading = ""

    def title(self, name: str, about: str) -> None:
        self.console.print()
        self._print(Text.assemble((name, "bold cyan"), "  ", (about, "dim")))

    def heading(self, text: str) -> None:
        """Shown only once something stands below it."""
        self._heading = text

    def begin(self, *, apart: bool = False) -> None:
        """Something is about to be shown; `apart`: below an empty line."""
        if self._heading:
            heading, self._heading = self._heading, ""
            self.console.print()
            self._print(Text(heading, "bold"))
        elif apart:
            self.console.print()

    def note(self, text: str) -> None:
        self._print(Text(text, "dim"))

    def good(self, text: str, more: str = "") -> None:
        self._print(_marked("✓", "green", text, more))

    def bad(self, text: str, more: str = "") -> None:
        self._print(_marked("✗", "red", text, more))

    def mind(self, text: str) -> None:
        self._print(_marked("!", "yellow", text))

    def point(self, text: str) -> None:
        self._print(_marked("·", "dim", text))

    def table(self, rows: Iterable[tuple[str, str]]) -> None:
        """Two columns: names, and what is said of them."""
        grid = Table.grid(padding=(0, 3))
        grid.add_column(no_wrap=True)
        grid.add_column(style="dim")
        for name, text in rows:
            grid.add_row(Text(name), Text(text))
        self._print(grid)

    def paragraph(self, text: str) -> None:
        self._print(Text(text))

    def plain(self, text: str = "") -> None:
        """To be copied: no colours, and no line of it is broken."""
        self.begin()
        self.console.print(Text(text), soft_wrap=True)

    @contextmanager
    def progress(self, text: str, total: int = 0) -> Iterator["Bar"]:
        """A bar where it is known how much there is to do; it leaves no trace."""
        self.begin()
        spinner, words = SpinnerColumn(style="cyan"), TextColumn("{task.description}")
        bar, count = BarColumn(30, complete_style="cyan", finished_style="cyan"), TextColumn("{task.fields[count]}")
        with Progress(TextColumn(""), spinner, words, bar, count, console=self.console, transient=True) as progress:
            yield Bar(progress, text, total)

    def _print(self, what: Text | Table) -> None:
        self.begin()
        self.console.print(Padding(what, _MARGIN, expand=False))


class Bar:
    def __init__(self, progress: Progress, text: str, total: int) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self.show(text, 0, total)

    def show(self, text: str, done: int, of: int) -> None:
        """`of` 0: nobody knows how much there is to do."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, completed=done, total=of or None, count=f"{done}/{of}" if of else "")


def _marked(mark: str, colour: str, text: str, more: str = "") -> Table:
    """Longer texts are broken beside their mark, not below it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text(mark, colour), Text.assemble(text, "  " if more else "", (more, "dim")))
    return grid
