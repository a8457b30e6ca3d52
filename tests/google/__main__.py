"""`python -m tests.google --port 8900 --open`: the simulator as a process."""

import argparse
import contextlib
import os

from tests.google.simulator import GoogleSimulator


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.google", description="A simulator of Google's Gemini API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="default: a free one, printed at the start")
    parser.add_argument("--open", action="store_true", help="accept every API key")
    options = parser.parse_args()
    try:
        simulator = GoogleSimulator(everybody=options.open, host=options.host, port=options.port)
    except OSError as error:
        parser.exit(1, f"Cannot listen on {options.host}:{options.port}: {os.strerror(error.errno)}.\n")
    print(f"Google is simulated at {simulator.url}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        simulator.run()


if __name__ == "__main__":
    main()
