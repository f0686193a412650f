"""`penstock` and `python -m penstock`: the command line, and a calm end while it is imported."""

import sys

from penstock import interrupts


def main() -> None:
    """Run one command; Ctrl-C ends it with 130, however early it comes."""
    interrupts.listen()
    try:
        from penstock.cli import main as run  # noqa: PLC0415 - a Ctrl-C during it is caught here

        sys.exit(run())
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
