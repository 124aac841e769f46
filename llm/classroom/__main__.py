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
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m llm.classroom", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = _command(commands, "release", _release, "write the student versions")
    made.add_argument("--variant", type=int, default=0, help="which conventions (default 0)")
    made.add_argument("--to", type=Path, help="another course folder, to be filled")
    _command(commands, "preflight", _preflight, "put what was handed in back into the release")
    _add_grade(commands)
    _add_report(commands)
    return parser


def _command(commands, name: str, run, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
    command.set_defaults(command=run)
    command.add_argument("names", nargs="*", metavar="NAME", help="assignments (default: all)")
    command.add_argument("--course", type=Path, default=Path("assignments"), help="its folder")
    return command


def _add_grade(commands) -> None:
    run = _command(commands, "grade", _grade, "run what preflight wrote, behind locks and limits")
    run.add_argument("--jobs", type=int, help="submissions at a time (default: one a processor)")
    run.add_argument("--seeds", type=int, nargs="+", default=[], help="of the hidden tests")
    run.add_argument("--again", action="store_true", help="grade what is graded already, too")
    run.add_argument("--cell-seconds", type=float, default=10, help="at work (default 10)")
    run.add_argument("--notebook-seconds", type=float, default=300, help="by the clock (300)")
    run.add_argument("--memory-mb", type=int, default=2048, help="for one notebook (2048)")


def _add_report(commands) -> None:
    told = commands.add_parser("report", help="write grades, pages and written answers")
    told.add_argument("--names", action="store_true", help="real names in grades.csv")
    told.set_defaults(command=_report)
    gone = commands.add_parser("delete", help="remove students and all they handed in")
    gone.add_argument("students", nargs="*", metavar="STUDENT", help="names or pseudonyms")
    gone.add_argument("--all", action="store_true", help="everyone")
    gone.add_argument("--yes", action="store_true", help="remove, in place of listing")
    gone.set_defaults(command=_delete)
    for command in (told, gone):
        command.add_argument("--course", type=Path, default=Path("assignments"), help="its folder")


def _release(given: argparse.Namespace) -> None:
    from llm.classroom.release import release

    to = Course(given.to) if given.to else None
    release(Course(given.course), given.names, given.variant, to)


def _preflight(given: argparse.Namespace) -> None:
    from llm.classroom.preflight import preflight

    for student, name, notes in preflight(Course(given.course), given.names):
        print(f"{student}, {name}: {' '.join(notes) or 'in order'}")


def _grade(given: argparse.Namespace) -> int:
    from llm.classroom.grade import Limits, grade

    limits = Limits(given.cell_seconds, given.notebook_seconds, given.memory_mb)
    options = {"seeds": given.seeds, "jobs": given.jobs, "limits": limits, "again": given.again}
    failed = grade(Course(given.course), given.names, **options)
    for sentence in failed:
        print(f"✗ {sentence}", file=sys.stderr)
    return int(bool(failed))


def _report(given: argparse.Namespace) -> None:
    from llm.classroom.report import report

    page = report(Course(given.course), given.names)
    print(f"{page}: open it in a browser; grades.csv and written.csv lie beside it")


def _delete(given: argparse.Namespace) -> None:
    from llm.classroom.delete import planned, remove

    if bool(given.students) == given.all:
        raise ValueError("name students, or everyone with --all")
    course = Course(given.course)
    removal = planned(course, given.students, given.all)
    print("\n".join(removal.lines(course.root)) or "There is nothing to remove.")
    if given.yes:
        remove(course, removal)
    print("Removed; report again." if given.yes else "Nothing is removed yet: add --yes.")


if __name__ == "__main__":
    sys.exit(main())
