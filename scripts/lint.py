"""Everything that `make lint` checks, each with the seconds that it took.

    python scripts/lint.py

The same on every system: there is no shell in it.
"""

import subprocess
import sys
import time
from glob import glob

WORKFLOWS = " ".join(sorted(glob(".github/workflows/*.yml")))
SCHEMA = "-m check_jsonschema --builtin-schema vendor"
CHECKS = (
    "-m ruff check .",
    "-m ruff format --check .",
    "scripts/check_budget.py",
    "scripts/check_chapters.py",
    "scripts/check_assignments.py",
    "scripts/check_prose.py",
    "scripts/claims.py --check",
    "scripts/teaching.py --check",
    "scripts/coverage_table.py --check",
    "scripts/repository.py --check",
    f"{SCHEMA}.github-workflows {WORKFLOWS} docs/class/notebooks.yml",
    f"{SCHEMA}.citation-file-format CITATION.cff",
)


def main() -> int:
    """Run all checks, also after one has failed; 1 if any did."""
    failed = []
    for check in CHECKS:
        start = time.perf_counter()
        if subprocess.run([sys.executable, *check.split()]).returncode:
            failed.append(check)
        print(f"  {check} ({time.perf_counter() - start:.1f} s)", flush=True)
    for check in failed:
        print(f"failed: python {check}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
