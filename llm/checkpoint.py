"""Saving and loading without pickle: tensors as safetensors, everything else as JSON beside them.

A file is written whole under another name, synced and renamed, so a crash leaves the old file or
the new one. Loading never runs code from a file, and changes nothing until all of it is checked.
"""

import json
import os
import secrets
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor, nn

FORMAT = "inside-an-llm checkpoint 1"
PARTS = ("model", "optimizer", "extra")
State = dict[str, Tensor]
File = str | os.PathLike | BinaryIO


def save_checkpoint(
    path: File,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    step: int = 0,
    extra: dict | None = None,
) -> None:
    """Write a model, and an optimizer with its state, to a path or an open binary file.

    Any module and any torch optimizer; ``extra`` is whatever else of tensors and plain data should
    go along. Raises ``ValueError`` for state that is neither a tensor nor plain data.
    """
    tensors: State = {}
    content = {"model": _pack(model.state_dict(), "model", tensors, {}), "step": int(step)}
    content["extra"] = _pack(extra, "extra", tensors, {})
    content |= {"optimizer": None, "optimizer_class": None}
    if optimizer is not None:
        content["optimizer"] = _pack(optimizer.state_dict(), "optimizer", tensors, {})
        content["optimizer_class"] = _class_name(optimizer)
    metadata = {"format": FORMAT, "content": json.dumps(content)}
    _write(path, write_tensors(tensors, metadata))


def load_checkpoint(
    path: File, *, model: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> int:
    """Read what :func:`save_checkpoint` wrote into ``model`` and ``optimizer``; return the step.

    Raises ``ValueError``, with nothing changed, for a damaged file, a file of another kind, names
    or shapes that the model does not have, and an optimizer that does not match.
    """
    return restore(read_checkpoint(path), path, model, optimizer)


def restore(
    content: dict, path: File, model: nn.Module, optimizer: torch.optim.Optimizer | None
) -> int:
    """Put what :func:`read_checkpoint` found in ``path`` into place, as :func:`load_checkpoint`."""
    _check_fit(model, content["model"], path)
    if optimizer is not None:
        _check_optimizer(optimizer, content, path)
        optimizer.load_state_dict(content["optimizer"])
    model.load_state_dict(content["model"])
    return content["step"]


def save_weights(path: File, model: nn.Module) -> None:
    """Write the weights alone, as a plain safetensors file; a shared tensor is written once."""
    state = model.state_dict()
    aliases = _aliases(state)
    _write(path, write_tensors({n: _copy(t) for n, t in state.items() if n not in aliases}))


def load_weights(path: File, model: nn.Module) -> None:
    """Read a safetensors file into ``model``, which it must fit name by name and shape by shape."""
    tensors, _ = _read(path)
    for name, original in _aliases(model.state_dict()).items():
        if name not in tensors and original in tensors:
            tensors[name] = tensors[original]
    _check_fit(model, tensors, path)
    model.load_state_dict(tensors)


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Write ``data`` to ``path``: whole or not at all, on the disk when this returns."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _pack(value, name: str, tensors: State, seen: dict[tuple, str]):
    """``value`` as JSON; its tensors go into ``tensors``, shared ones once, and leave a name."""
    if isinstance(value, Tensor):
        if _memory(value) not in seen:
            seen[_memory(value)] = name
            tensors[name] = _copy(value)
        return {"tensor": seen[_memory(value)]}
    if isinstance(value, dict):
        items = ((_pack(k, name, tensors, seen), k, v) for k, v in value.items())
        return {"dict": [[key, _pack(v, f"{name}.{k}", tensors, seen)] for key, k, v in items]}
    if isinstance(value, list | tuple):
        items = [_pack(v, f"{name}.{i}", tensors, seen) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"cannot save {name}: {type(value).__name__} is neither tensor nor plain data")


def _unpack(packed, tensors: State):
    """The inverse of :func:`_pack`."""
    if not isinstance(packed, dict):
        return packed
    (kind, content), *_ = packed.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_unpack(key, tensors): _unpack(value, tensors) for key, value in content}
    return {"list": list, "tuple": tuple}[kind](_unpack(item, tensors) for item in content)


def _copy(tensor: Tensor) -> Tensor:
    """The same numbers in memory of their own, in order: what safetensors asks for."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def read_checkpoint(path: File) -> dict:
    """All that :func:`save_checkpoint` put in: model, optimizer, optimizer_class, step, extra."""
    tensors, metadata = _read(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{_name(path)} holds no training checkpoint: use load_weights for weights"
        )
    try:
        content = json.loads(metadata["content"])
        return content | {part: _unpack(content[part], tensors) for part in PARTS}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{_name(path)} is damaged: {error!r}") from None


def _memory(tensor: Tensor) -> tuple:
    """Equal for two tensors that are the same memory seen the same way; an empty one is alone."""
    place = tensor.data_ptr() or id(tensor)
    return place, tensor.dtype, tensor.shape, tensor.stride()


def _aliases(state: State) -> dict[str, str]:
    """Names whose tensor stands earlier under another name, with that name."""
    first: dict[tuple, str] = {}
    homes = {name: first.setdefault(_memory(tensor), name) for name, tensor in state.items()}
    return {name: home for name, home in homes.items() if name != home}


def _check_fit(model: nn.Module, state: State, path: File) -> None:
    expected = model.state_dict()
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected]
    misfits = [
        f"{name} {_sizes(state[name])} instead of {_sizes(expected[name])}"
        for name in expected
        if name in state and _sizes(state[name]) != _sizes(expected[name])
    ]
    faults = {"missing": missing, "not in the model": unknown, "of another shape": misfits}
    found = "; ".join(f"{fault}: {_shortened(names)}" for fault, names in faults.items() if names)
    if found:
        raise ValueError(
            f"{_name(path)} does not fit the model: build it with the config it had. {found}"
        )


def _sizes(value) -> tuple | None:
    """The shape of a tensor; of a module's other state, which may be of any kind, nothing."""
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _check_optimizer(optimizer: torch.optim.Optimizer, content: dict, path: File) -> None:
    if content["optimizer"] is None:
        raise ValueError(f"{_name(path)} was saved without an optimizer: leave optimizer out")
    saved, wanted = content["optimizer_class"], _class_name(optimizer)
    if saved != wanted:
        raise ValueError(f"{_name(path)} holds the state of {saved}, the optimizer is {wanted}")
    saved = [len(group["params"]) for group in content["optimizer"]["param_groups"]]
    wanted = [len(group["params"]) for group in optimizer.param_groups]
    if saved != wanted:
        raise ValueError(
            f"{_name(path)} holds groups of {saved} parameters, the optimizer has {wanted}"
        )


def _class_name(optimizer: torch.optim.Optimizer) -> str:
    return f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"


def _shortened(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _name(path: File) -> str:
    return str(getattr(path, "name", "the file")) if hasattr(path, "read") else str(path)


def _write(path: File, data: bytes) -> None:
    if hasattr(path, "write"):
        path.write(data)
    else:
        write_atomically(path, data)


def _read(path: File) -> tuple[State, dict[str, str]]:
    """The tensors and the metadata of a safetensors file."""
    data = path.read() if hasattr(path, "read") else Path(path).read_bytes()
    try:
        tensors = read_tensors(data)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
    except (SafetensorError, ValueError) as error:
        raise ValueError(
            f"{_name(path)} is not a complete safetensors file ({error}): it may be cut short, or "
            "pickled by torch.save, which this book does not load"
        ) from None
    return tensors, header.get("__metadata__", {})
