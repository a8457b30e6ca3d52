"""`python -m tests.google --port 8900 --open`: the simulator as a process; prints the environment that points Castor there."""

import argparse
import contextlib
import os

from tests.google.accounts import User
from tests.google.simulator import GoogleSimulator


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.google", description="A simulator of Google: Gemini API, Code Assist, sign-in."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="default: a free one, printed at the start")
    parser.add_argument("--open", action="store_true", help="accept every API key")
    parser.add_argument(
        "--account", action="append", default=[], metavar="EMAIL", help="a licensed Google account, with a project; repeatable"
    )
    options = parser.parse_args()
    users = [User(email=email, project=f"{email.partition('@')[0]}-project") for email in options.account]
    try:
        simulator = GoogleSimulator(users=users, everybody=options.open, host=options.host, port=options.port)
    except OSError as error:
        parser.exit(1, f"Cannot listen on {options.host}:{options.port}: {os.strerror(error.errno)}.\n")
    print(f"Google is simulated at {simulator.url}", flush=True)
    for name, value in simulator.settings().items():
        print(f"{name}={value}", flush=True)
    for user in users:
        print(f"{user.email} has the project {user.project}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        simulator.run()


if __name__ == "__main__":
    main()
