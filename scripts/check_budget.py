"""Print how many lines of code the package holds, and fail where a budget is exceeded.

Docstrings, comments and blank lines do not count. The core is the modules from `config` to
`training` that carry the names of chapters; what they lean on (`bpe`, `runs`, …) counts in the
package. `views`, `checks` and `assets` count nowhere, `classroom` for itself.
"""

import ast
import io
import sys
import tokenize
from pathlib import Path

CORE = "config tokenization embeddings attention layer_block output generation model training"
BUDGETS = {
    "core (config to training)": 1500,
    "package (without views, checks and classroom)": 4500,
    "classroom": 1900,
}


def code_lines(path: Path) -> int:
    """The number of lines that hold code."""
    source = path.read_text(encoding="utf-8")
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    blank |= {tokenize.ENDMARKER, tokenize.ENCODING}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in blank:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstring_lines(source))


def docstring_lines(source: str) -> set[int]:
    """The lines that docstrings stand on."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, holders) and ast.get_docstring(node) is not None:
            lines |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def main() -> int:
    counts = {path.stem: code_lines(path) for path in Path("llm").glob("*.py")}
    core = sum(counts.get(name, 0) for name in CORE.split())
    classroom = sum(code_lines(path) for path in Path("llm/classroom").glob("*.py"))
    totals = dict(zip(BUDGETS, (core, sum(counts.values()), classroom), strict=True))
    for name, total in totals.items():
        print(f"lines of code, {name}: {total} of {BUDGETS[name]}")
    return int(any(total > BUDGETS[name] for name, total in totals.items()))


if __name__ == "__main__":
    sys.exit(main())
