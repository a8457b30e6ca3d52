"""How the wizard looks: a few kinds of lines, all with one margin."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

_MARGIN = (0, 2)
_WIDEST = 100


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.console.width = min(self.console.width, _WIDEST)

    def title(self, name: str, about: str) -> None:
        self.console.print()
        self._print(Text.assemble((name, "bold cyan"), "  ", (about, "dim")))

    def heading(self, text: str) -> None:
        self.console.print()
        self._print(Text(text, "bold"))

    def note(self, text: str) -> None:
        self._print(Text(text, "dim"))

    def good(self, text: str, more: str = "") -> None:
        self._print(_marked("✓", "green", text, more))

    def bad(self, text: str, more: str = "") -> None:
        self._print(_marked("✗", "red", text, more))

    def mind(self, text: str) -> None:
        self._print(_marked("!", "yellow", text))

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
        self.console.print(Text(text), soft_wrap=True)

    @contextmanager
    def progress(self, text: str, total: int | None = None) -> Iterator["Bar"]:
        """A bar where it is known how much there is to do; it leaves no trace."""
        spinner, words = SpinnerColumn(style="cyan"), TextColumn("{task.description}")
        columns = [spinner, words, BarColumn(30, complete_style="cyan", finished_style="cyan"), MofNCompleteColumn()]
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield Bar(progress, text, total)

    def _print(self, what: Text | Table) -> None:
        self.console.print(Padding(what, _MARGIN))


class Bar:
    def __init__(self, progress: Progress, text: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(f"  {text}", total=total)

    def show(self, text: str, done: int, of: int) -> None:
        self._progress.update(self._task, description=f"  {text}", completed=done, total=of or None)

    def advance(self) -> None:
        self._progress.advance(self._task)


def _marked(mark: str, colour: str, text: str, more: str = "") -> Table:
    """Longer texts are broken beside their mark, not below it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text(mark, colour), Text.assemble(text, "  " if more else "", (more, "dim")))
    return grid
