"""A training run on disk: everything that is needed to go on as if it had never stopped.

A run is a folder of checkpoints, ``step-00000100.safetensors`` and so on, each with the model, the
optimizer, the history and the state of every random generator. The last two are kept.
"""

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from llm.checkpoint import read_checkpoint, restore, save_checkpoint

KEPT = 2


def save_run(folder: str | Path, trainer) -> None:
    """Add a checkpoint of ``trainer`` to ``folder`` and remove all but the last two.

    Raises ``OSError`` where the file cannot be written; those that are there stay whole.
    """
    folder = Path(folder)
    path = folder / f"step-{trainer.step:08d}.safetensors"
    extra = {
        "settings": trainer.settings(),
        "history": trainer.history.rows,
        "random": _random_states(trainer.generator),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_checkpoint(
            path, model=trainer.model, optimizer=trainer.optimizer, step=trainer.step, extra=extra
        )
    except OSError as error:
        raise OSError(
            f"cannot save step {trainer.step} in {folder} ({error}); earlier checkpoints are "
            "whole: make room or choose another folder, and start the run again"
        ) from error
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink()


def resume_run(folder: str | Path, trainer) -> None:
    """Bring ``trainer`` to where the last checkpoint of ``folder`` left it, if there is one.

    Raises ``ValueError`` for a run with other settings, named one by one.
    """
    found = checkpoints(Path(folder))
    if not found:
        return
    content = read_checkpoint(found[-1])
    extra = content["extra"]
    saved = extra["settings"]
    other = [f"{k}={saved.get(k)!r}" for k, v in trainer.settings().items() if saved.get(k) != v]
    if other:
        raise ValueError(
            f"{found[-1]} belongs to a run with {', '.join(other)}: take those settings or another "
            "folder"
        )
    trainer.step = restore(content, found[-1], trainer.model, trainer.optimizer)
    trainer.history.rows = extra["history"]
    _restore_random_states(extra["random"], trainer.generator)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(folder.glob("step-*.safetensors"))


@contextmanager
def stop_on_interrupt(trainer) -> Iterator[None]:
    """Let Ctrl-C finish the step in hand and stop ``trainer``; a second one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number, frame):
        trainer.stopped = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _random_states(generator: torch.Generator) -> dict:
    kind, keys, *rest = np.random.get_state()
    return {
        "generator": generator.get_state(),
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), *rest),
    }


def _restore_random_states(states: dict, generator: torch.Generator) -> None:
    generator.set_state(states["generator"])
    torch.set_rng_state(states["torch"])
    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
