"""Training: batches, the learning-rate schedule, and the loop in which a model learns.

The same :class:`Trainer` runs in one process or, under ``torchrun``, in several, with the same
losses: each process draws the whole batch and works on its share of the rows.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from itertools import islice

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm.auto import tqdm

from llm.config import TrainConfig
from llm.generation import evaluating
from llm.history import History
from llm.output import cross_entropy
from llm.runs import resume_run, save_run, stop_on_interrupt

IGNORE = -100  # stands for padding in rows of token ids; cross_entropy leaves it out
Tokens = np.ndarray | Tensor


def get_batch(
    data: Tokens,
    batch_size: int,
    seq_len: int,
    device: str | torch.device = "cpu",
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Random windows of a long row of token ids: ``(inputs, targets)``, two int64 ``(B, T)``.

    ``data`` is one-dimensional: an array, a memory map or a tensor of integers. Targets are the
    inputs one place on. Starts are uniform in 0 … len − T − 1, drawn on the CPU. Raises
    ``ValueError`` when ``data`` has fewer than T + 1 tokens or does not hold integers.
    """
    if data.ndim != 1:
        raise ValueError(f"data must be one row of token ids, got shape {tuple(data.shape)}")
    if batch_size < 1 or seq_len < 1:
        raise ValueError(f"batch_size={batch_size} and seq_len={seq_len} must be at least 1")
    _check_length("data", data, seq_len)
    starts = torch.randint(len(data) - seq_len, (batch_size,), generator=generator)
    rows = [_ids(data[start : start + seq_len + 1]) for start in starts.tolist()]
    return _shifted(torch.stack(rows).to(device))


def _ids(data: Tokens) -> Tensor:
    tensor = data if isinstance(data, Tensor) else torch.from_numpy(np.array(data))
    if tensor.is_floating_point():
        raise ValueError(f"data must hold integers, got {data.dtype}")
    return tensor.to(torch.int64)


def _shifted(windows: Tensor) -> tuple[Tensor, Tensor]:
    """``(B, T + 1)`` to inputs and targets ``(B, T)``."""
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


def cosine_schedule(
    step: int, warmup: int, total: int, max_lr: float, min_lr: float = 0.0
) -> float:
    """The learning rate at a step: up in a line, down along a cosine, then level.

    max_lr · step / warmup below ``warmup``; from there half a cosine to ``min_lr`` at ``total``;
    ``min_lr`` after it. Source: Loshchilov and Hutter (2017), with linear warmup.
    """
    return learning_rate("cosine", step, warmup, total, max_lr, min_lr)


SHAPES: dict[str, Callable[[float], float]] = {
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
    "linear": lambda progress: 1 - progress,
    "constant": lambda progress: 1.0,
}


def learning_rate(
    schedule: str, step: int, warmup: int, total: int, max_lr: float, min_lr: float = 0.0
) -> float:
    """Like :func:`cosine_schedule`, with a ``schedule`` of :data:`SHAPES` after the warmup."""
    if not 0 <= warmup <= total:
        raise ValueError(f"need 0 <= warmup <= total, got warmup={warmup}, total={total}")
    if step < warmup:
        return max_lr * step / warmup
    progress = (step - warmup) / (total - warmup) if step < total else 1.0
    return min_lr + (max_lr - min_lr) * SHAPES[schedule](progress)


def evaluate(
    model: nn.Module, data: Tokens, seq_len: int, batch_size: int = 32, n_batches: int | None = None
) -> float:
    """The mean loss in nats a token over fixed windows of ``data``, or over its rows, in order.

    Windows of ``seq_len`` follow one another without overlap; a rest shorter than that is left out.
    """
    device = next(model.parameters()).device
    nats, count = 0.0, 0
    with torch.no_grad(), evaluating(model):
        for windows in islice(_in_order(data, seq_len, batch_size), n_batches):
            inputs, targets = _shifted(windows.to(device))
            kept = int((targets != IGNORE).sum())
            loss = cross_entropy(model(inputs.clamp(min=0)).float(), targets)
            nats, count = nats + kept * float(loss), count + kept
    return nats / count


def _in_order(data: Tokens, seq_len: int, batch_size: int) -> Iterator[Tensor]:
    """Windows ``(B, T + 1)`` that follow one another without overlap, or rows as they come."""
    if data.ndim == 1:
        _check_length("data", data, seq_len)
        starts = range(0, len(data) - seq_len, seq_len)
        rows = [data[start : start + seq_len + 1] for start in starts]
    else:
        rows = data
    for i in range(0, len(rows), batch_size):
        yield torch.stack([_ids(row) for row in rows[i : i + batch_size]])


def _check_length(name: str, data: Tokens, seq_len: int) -> None:
    if len(data) < seq_len + 1:
        raise ValueError(
            f"{name} has {len(data)} tokens, but seq_len={seq_len} needs at least {seq_len + 1}: "
            "take a longer text or a shorter seq_len"
        )


class Trainer:
    """Teaches ``model`` to predict the next token of ``train`` and watches it on ``val``.

    Each is one long row of token ids, from which random windows are drawn, or rows ``(N, L)``, one
    document each, padded with :data:`IGNORE`. Every ``callback(trainer, row)`` is called after each
    new row of the history. A run with ``config.folder`` is saved as it goes, and continues from
    there when it is started again: bit for bit on the CPU. Ctrl-C saves and stops.

    Raises ``ValueError`` for data too short for one window, a batch that cannot be shared out, and
    a folder that holds a run with other settings.
    """

    def __init__(
        self,
        model: nn.Module,
        train: Tokens,
        val: Tokens,
        config: TrainConfig,
        callbacks: Sequence[Callable] = (),
    ):
        self.model, self.config, self.callbacks = model, config, tuple(callbacks)
        self.train, self.val = train, val
        self.seq_len = config.seq_len or model.config.max_seq_len
        self.rank, self.n_processes = _join_processes()
        self.device = next(model.parameters()).device
        self.optimizer = self._make_optimizer()
        self.generator = torch.Generator().manual_seed(config.seed)
        self.history, self.step, self.stopped = History(), 0, False
        self.progress = self.rank == 0  # whether to show a bar
        self._check()

    def fit(self) -> History:
        """Train to the last step, or until stopped; the history of losses, old rows included.

        Called again, it goes on where it stopped.
        """
        if self.config.folder is not None and self.step == 0:
            resume_run(self.config.folder, self)
        parallel = self.model
        if self.n_processes > 1:
            parallel = DistributedDataParallel(self.model)
        self.model.train()
        self.stopped = False
        self.optimizer.zero_grad()  # a step that failed may have left gradients
        steps = range(self.step, self.config.steps)
        with stop_on_interrupt(self), tqdm(steps, disable=not self.progress) as progress:
            for _ in progress:
                row = self._train_step(parallel)
                self.step += 1
                self._record(row, progress)
                if self.stopped or self._is_stale():
                    break
                every = self.config.save_every
                if every and self.step % every == 0 and self.step < self.config.steps:
                    self.save()
        self.save()
        return self.history

    def save(self) -> None:
        """Write the whole run to ``config.folder``, if there is one."""
        if self.config.folder is not None and self.rank == 0:
            save_run(self.config.folder, self)

    def settings(self) -> dict:
        """What must be equal for a run to go on: all settings but where and when it is kept."""
        mine = asdict(self.config)
        mine = {name: mine[name] for name in mine if name not in ("folder", "save_every")}
        model = self.model.config.to_dict() if hasattr(self.model, "config") else {}
        return mine | {f"model.{name}": value for name, value in model.items()}

    def _train_step(self, parallel: nn.Module) -> dict:
        """One update of the weights by one batch."""
        c, started = self.config, time.perf_counter()
        inputs, targets = self._draw()
        n_targets = int((targets != IGNORE).sum())
        mine = slice(self.rank, None, self.n_processes)
        shares = list(
            zip(
                inputs[mine].chunk(c.accumulation),
                targets[mine].chunk(c.accumulation),
                strict=True,
            )
        )
        loss = torch.zeros((), device=self.device)
        for i, (x, y) in enumerate(shares):
            waits = self.n_processes > 1 and i < len(shares) - 1
            with parallel.no_sync() if waits else nullcontext(), self._autocast():
                logits = parallel(x.clamp(min=0)).float()
                part = cross_entropy(logits, y) * int((y != IGNORE).sum()) / n_targets
                (part * self.n_processes).backward()  # DDP takes the mean over processes
            loss += part.detach()
        if self.n_processes > 1:
            dist.all_reduce(loss)
        self._refuse_non_finite(float(loss))
        lr = self._learning_rate()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), c.max_grad_norm or math.inf)
        self.optimizer.step()
        self.optimizer.zero_grad()
        seconds = time.perf_counter() - started
        return {
            "step": self.step + 1,
            "loss": float(loss),
            "lr": lr,
            "grad_norm": float(norm),
            "tokens_per_second": n_targets / seconds,
        }

    def _draw(self) -> tuple[Tensor, Tensor]:
        size = self.config.batch_size
        if self.train.ndim == 1:
            return get_batch(self.train, size, self.seq_len, self.device, self.generator)
        rows = torch.randint(len(self.train), (size,), generator=self.generator)
        windows = _ids(self.train[rows.numpy()])
        longest = int((windows != IGNORE).sum(-1).max())
        return _shifted(windows[:, :longest].to(self.device))

    def _learning_rate(self) -> float:
        c = self.config
        lr = learning_rate(c.schedule, self.step + 1, c.warmup, c.steps, c.lr, c.min_lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        return lr

    def _record(self, row: dict, progress: tqdm) -> None:
        """Add a row to the history every ``log_every`` steps, with a validation loss when due."""
        c = self.config
        due = self.step % c.eval_every == 0 or self.step == c.steps
        if not due and self.step % c.log_every:
            return
        if due:
            row["val_loss"] = evaluate(
                self.model, self.val, self.seq_len, c.batch_size, c.eval_batches
            )
        self.history.rows.append(row)
        shown = {k: f"{row[k]:.3f}" for k in ("loss", "val_loss") if k in row}
        progress.set_postfix(shown)
        for callback in self.callbacks:
            callback(self, row)

    def _is_stale(self) -> bool:
        """Whether the validation loss has not improved for ``patience`` evaluations."""
        losses = self.history.column("val_loss")
        patience = self.config.patience
        return bool(
            patience
            and len(losses) > patience
            and min(losses[-patience:]) >= min(losses[:-patience])
        )

    def _refuse_non_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at step {self.step + 1} (learning rate "
                f"{self.optimizer.param_groups[0]['lr']:.2g}): try a lower lr, a longer warmup or "
                "a smaller max_grad_norm; checkpoints of earlier steps are untouched"
            )

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """AdamW that shrinks matrices only, not biases and norms."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {
                "params": [p for p in parameters if p.dim() >= 2],
                "weight_decay": self.config.weight_decay,
            },
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.lr, betas=self.config.betas, fused=True)

    def _autocast(self):
        wanted, kind = self.config.precision, self.device.type
        able = kind == "cuda" and torch.cuda.is_bf16_supported()
        enabled = wanted == "bf16" or (wanted == "auto" and able)
        return torch.autocast(kind, torch.bfloat16) if enabled else nullcontext()

    def _check(self) -> None:
        c = self.config
        if c.batch_size % (c.accumulation * self.n_processes):
            raise ValueError(
                f"batch_size={c.batch_size} cannot be shared by {self.n_processes} processes in "
                f"{c.accumulation} parts: make it a multiple of {c.accumulation * self.n_processes}"
            )
        for name, data in {"train": self.train, "val": self.val}.items():
            if data.ndim not in (1, 2) or len(data) == 0:
                raise ValueError(f"{name} must be a row or rows of ids, got {tuple(data.shape)}")
            if data.ndim == 1:
                _check_length(name, data, self.seq_len)


def _join_processes() -> tuple[int, int]:
    """This process's number and how many there are; 0 and 1 without ``torchrun``."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()
