"""The commands of a teacher: ``python -m llm.classroom --help``."""

import argparse
import sys
from pathlib import Path

from llm.classroom.assignments import Course


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its status for the shell."""
    given = _parser().parse_args(arguments)
    try:
        return given.command(given) or 0
    except (ValueError, FileNotFoundError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m llm.classroom", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = _command(commands, "release", _release, "write the student versions")
    made.add_argument("--variant", type=int, default=0, help="which conventions (default 0)")
    made.add_argument("--to", type=Path, help="another course folder, to be filled")
    _command(commands, "preflight", _preflight, "put what was handed in back into the release")
    return parser


def _command(commands, name: str, run, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
    command.set_defaults(command=run)
    command.add_argument("names", nargs="*", metavar="NAME", help="assignments (default: all)")
    command.add_argument("--course", type=Path, default=Path("assignments"), help="its folder")
    return command


def _release(given: argparse.Namespace) -> None:
    from llm.classroom.release import release

    to = Course(given.to) if given.to else None
    release(Course(given.course), given.names, given.variant, to)


def _preflight(given: argparse.Namespace) -> None:
    from llm.classroom.preflight import preflight

    for student, name, notes in preflight(Course(given.course), given.names):
        print(f"{student}, {name}: {' '.join(notes) or 'in order'}")


if __name__ == "__main__":
    sys.exit(main())
