"""Mends the reference: short names lead home, and docstrings of other projects are left out."""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def leave_out_inherited(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Drop PyTorch's advice on ``forward`` and Python's words on a named tuple's fields."""
    text = " ".join(lines).strip()
    if "recipe for forward pass" in text or text.startswith("Alias for field number"):
        lines.clear()


def resolve_short_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """The link for ``llm.NAME``: that of ``llm.MODULE.NAME``; None for any other target."""
    import llm

    package, _, name = node.get("reftarget", "").partition(".")
    if package != "llm" or name not in llm._HOME:
        return None
    target = f"llm.{llm._HOME[name]}.{name}"
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], target, node, content
    )
