"""Leads references to short public names, such as ``llm.trace``, to where they are defined."""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


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
