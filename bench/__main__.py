"""`python -m bench`: Castor against the floor, and against LiteLLM where it is installed, in interleaved rounds."""

import argparse
import shutil
import sys
from pathlib import Path

import uvloop

from bench.load import Target
from bench.measures import Size, measure
from bench.report import table
from bench.systems import systems, upstream

_BEGIN, _END = "<!-- table: make bench -->", "<!-- end of table -->"
_TINY = Size(seconds=1, streams=32, alone=10, open=10)


def main() -> None:
    options = _options()
    if shutil.which("wrk") is None:
        sys.exit("The bench needs wrk. On Debian and Ubuntu: apt install wrk")
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in options.only}
    with upstream() as port:
        direct = Target(port, "")
        for number in range(options.rounds):
            for name in options.only:
                print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr, flush=True)
                with systems()[name](port) as running:
                    rounds[name].append(uvloop.run(measure(running, direct, _TINY if options.tiny else Size())))
    print(table(rounds))
    if options.write:
        _write(options.write, table(rounds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", nargs="+", choices=list(systems()), default=list(systems()), help="the first is the base of the ratios"
    )
    parser.add_argument("--tiny", action="store_true", help="a moment of each measure: tells whether the bench works, no more")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this Markdown file, between its two marks")
    return parser.parse_args()


def _write(file: Path, made: str) -> None:
    text = file.read_text()
    before, after = text[: text.index(_BEGIN) + len(_BEGIN)], text[text.index(_END) :]
    file.write_text(f"{before}\n{made}\n{after}")


if __name__ == "__main__":
    main()
