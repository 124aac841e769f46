"""A way to see, and to change, every activation of a model.

A :class:`Probe` is an identity that a module puts at a place worth looking at. Its address is its
path in the model: the probe ``q`` of the attention of block 0 is ``blocks.0.attention.q``. The idea
of named activations is that of TransformerLens (Nanda and Bloom, 2022).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from torch import Tensor, nn


class Probe(nn.Identity):
    """An identity with a name: the attribute under which its parent holds it."""

    @property
    def watched(self) -> bool:
        """Whether a :func:`trace` is looking at this place now."""
        return bool(self._forward_hooks)


@contextmanager
def trace(
    model: nn.Module, edits: dict[str, Callable[[Tensor], Tensor]] | None = None
) -> Iterator[dict[str, Tensor]]:
    """Record every named activation of the forward passes inside the ``with`` block.

    Yields a dictionary from name to tensor, filled as the model runs; a second forward pass
    replaces the values of the first. ``edits`` maps a name to a function whose result, of the same
    shape, replaces that activation for the rest of the pass (ablation, patching). Activations keep
    their gradient history. Raises ``ValueError`` for a name that the model does not have.

    >>> with trace(model, edits={"blocks.0.attention.weights": zero_head_3}) as acts:
    ...     logits = model(token_ids)
    >>> acts["blocks.0.attention.weights"].shape    # (B, H, T, S)
    """
    edits = edits or {}
    places = _places(model)
    unknown = sorted(set(edits) - set(places))
    if unknown:
        raise ValueError(
            f"no activation named {', '.join(unknown)}; this model has {', '.join(places)}"
        )
    activations: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name, module in places.items():
            hook = module.register_forward_hook(
                partial(_visit, name, edits.get(name), activations), always_call=False
            )
            hooks.callback(hook.remove)
        yield activations


def _places(model: nn.Module) -> dict[str, nn.Module]:
    """Every probe by its path, and the modules whose output the model declares ``traced``."""
    whole = {name: model.get_submodule(name) for name in getattr(model, "traced", ())}
    probes = {name: m for name, m in model.named_modules() if isinstance(m, Probe)}
    order = [name for name, _ in model.named_modules()]
    return dict(sorted((whole | probes).items(), key=lambda item: order.index(item[0])))


def _visit(name, edit, activations, module, inputs, output: Tensor) -> Tensor:
    """The hook: apply the edit, if any, and record what goes on through the model."""
    if edit is not None:
        edited = edit(output)
        if not isinstance(edited, Tensor) or edited.shape != output.shape:
            got = tuple(edited.shape) if isinstance(edited, Tensor) else type(edited).__name__
            raise ValueError(
                f"the edit of {name} must return a tensor of shape {tuple(output.shape)}, got {got}"
            )
        output = edited
    activations[name] = output
    return output
