"""A device that is not there: tensors that say they are elsewhere, and do not mix with others.

On a machine without a GPU it finds what a GPU would refuse: an operation on tensors of two devices,
a draw there with a generator of the CPU, NumPy without a copy back. Its numbers are the CPU's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

ELSEWHERE = torch.device("meta")  # a kind that torch knows everywhere
_CROSSING = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class _There(Tensor):
    """A tensor of that device; ``held`` has its numbers."""

    @staticmethod
    def __new__(cls, held: Tensor) -> "_There":
        shape, like = held.shape, {"dtype": held.dtype, "strides": held.stride()}
        start = held.storage_offset()
        return Tensor._make_wrapper_subclass(
            cls, shape, **like, storage_offset=start, device=ELSEWHERE
        )

    def __init__(self, held: Tensor):
        self.held = held

    def tolist(self) -> list:
        """As of any tensor on a device: copied to the CPU first."""
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, operation, types, given=(), named=None):
        return _run(operation, given, named or {})


class _Device(TorchDispatchMode):
    """Sends every operation through ``_run``, also those that make a tensor."""

    def __torch_dispatch__(self, operation, types, given=(), named=None):
        return _run(operation, given, named or {})


class _Lists(TorchFunctionMode):
    """Tensors made of lists are made on the CPU first, past the other mode."""

    def __torch_function__(self, function, types, given=(), named=None):
        named = dict(named or {})
        if function is torch.tensor and named.get("device") == ELSEWHERE:
            del named["device"]
            return function(*given, **named).to(ELSEWHERE)
        if function is Tensor.new_tensor and isinstance(given[0], _There):
            return torch.tensor(given[1], dtype=given[0].dtype).to(ELSEWHERE)
        return function(*given, **named)


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device, for as long as it is there."""
    swap = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with _Lists(), _Device():
            yield ELSEWHERE
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swap)


def _run(operation, given: tuple, named: dict):
    parts = tree_flatten((given, named))[0]
    inside, target = any(isinstance(part, _There) for part in parts), named.get("device")
    if inside and operation not in _CROSSING:
        _refuse_mixtures(operation, given, parts)
    if operation is torch.ops.aten.copy_.default:
        there = isinstance(given[0], _There)
    else:
        there = inside if target is None else torch.device(target) == ELSEWHERE
    if not there and not inside:
        return operation(*given, **named)
    if there and target is not None:
        named = named | {"device": torch.device("cpu")}
    given_held, named_held = tree_map(
        lambda part: part.held if isinstance(part, _There) else part, (given, named)
    )
    found = operation(*given_held, **named_held)
    if operation._schema.is_mutable:
        return given[0] if given else named.get("out", found)
    if not there:
        return found
    return tree_map(lambda part: _There(part) if isinstance(part, Tensor) else part, found)


def _refuse_mixtures(operation, given: tuple, parts: list) -> None:
    """As a GPU does; a CPU tensor of one number is let in, and so are indices in brackets."""
    if operation.name().startswith("aten::index") and isinstance(given[1], list | tuple):
        parts = [given[0], *given[2:]]
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if any(tensor.dim() and not isinstance(tensor, _There) for tensor in tensors):
        raise RuntimeError(f"{operation}: expected all tensors to be on the same device")
    if any(isinstance(part, torch.Generator) for part in parts):
        raise RuntimeError(f"{operation}: expected a generator of that device, not of the CPU")
