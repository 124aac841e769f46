"""Training at the press of a button: live curves and samples in a notebook, while Python trains.

The widgets are the core ones of ipywidgets, 7.7 or 8. They are made when somebody is there to
press them: a build of the site and a notebook that only runs through get a sentence instead.
"""

import html
import os
import sys
import threading
import time
from importlib.util import find_spec
from types import SimpleNamespace

import torch

from llm.data import END
from llm.generation import generate
from llm.history import History
from llm.training import Trainer

DRAWING_SHARE = 0.05  # of the time, at most, goes into drawing


def live_training(
    trainer: Trainer, prompt: str = "Once there was a", tokenizer=None, floor: float | None = None
) -> "LiveTraining | History":
    """A Start and a Stop button for ``trainer``, with its numbers and curves as it learns.

    With a ``tokenizer`` the model continues ``prompt`` at each evaluation; ``floor`` is drawn into
    the curves, in nats a token. Stop finishes the step in hand; Start goes on from there, and so
    does ``trainer.fit()``. Where there is no notebook, the training runs at once and its history
    comes back.
    """
    return LiveTraining(trainer, prompt, tokenizer, floor) if _notebook() else trainer.fit()


class LiveTraining:
    """What :func:`live_training` shows: a training in a thread of its own, and its widgets.

    A second one for the same trainer stops the first and takes its place. Other cells may run in
    the meantime, but should leave the model alone. ``error`` is what ended the last run, or None.
    """

    def __init__(self, trainer: Trainer, prompt: str, tokenizer=None, floor: float | None = None):
        self.trainer, self.tokenizer, self.floor = trainer, tokenizer, floor
        self.special = getattr(tokenizer, "special_tokens", {})
        self.prompt_ids = self._beginning() + tokenizer.encode(prompt) if tokenizer else []
        self.panel: SimpleNamespace | None = None
        self.running, self.error, self._thread, self._next_drawing = False, None, None, 0.0
        others = [c for c in trainer.callbacks if isinstance(c, LiveTraining)]
        for other in others:
            other.stop()
            other.wait()
        trainer.callbacks = (*(c for c in trainer.callbacks if c not in others), self)

    def __repr__(self) -> str:
        return f"LiveTraining({self.trainer.config.steps} steps)"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        if not _somebody_is_there():
            sentence = "<p>Run this page in Jupyter or Colab to train here.</p>"
            return {"text/plain": repr(self), "text/html": sentence + self._curves()}
        view = {"version_major": 2, "version_minor": 0, "model_id": self._shown().box.model_id}
        return {"text/plain": repr(self), "application/vnd.jupyter.widget-view+json": view}

    def start(self) -> None:
        """Train in the background, like the Start button; nothing happens if it trains already."""
        if self.running:
            return
        panel = self._shown()
        self.running, self.error = True, None
        panel.start.disabled, panel.stop.disabled, panel.message.value = True, False, ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the step in hand be the last, like the Stop button."""
        if self.running:
            self.panel.stop.disabled = self.trainer.stopped = True

    def wait(self, seconds: float | None = None) -> History:
        """The history when the run in hand has ended, or after so many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.trainer.history

    def __call__(self, trainer: Trainer, row: dict) -> None:
        """Show a new row of the history; the trainer calls this."""
        if self.panel is None:
            return
        if self.running and self.panel.stop.disabled:
            trainer.stopped = True  # even if the button was pressed before fit() had begun
        if self.tokenizer and "val_loss" in row:
            self.panel.sample.value = _text(self._sample())
        if time.monotonic() >= self._next_drawing:
            self._draw()

    def _run(self) -> None:
        trainer, panel = self.trainer, self.panel
        shows_bar, trainer.progress = trainer.progress, False
        try:
            trainer.fit()
            end = "Stopped" if trainer.stopped else "Finished"
            panel.message.value = _text(f"{end} at step {trainer.step:,}.")
        except Exception as error:
            self.error = error
            panel.message.value = _text(f"{type(error).__name__}: {error}")
        finally:
            self._draw()
            trainer.progress = shows_bar
            panel.start.disabled, panel.stop.disabled = trainer.step >= trainer.config.steps, True
            self.running = False

    def _shown(self) -> SimpleNamespace:
        """The widgets, made when first needed."""
        if self.panel is None:
            self.panel = _widgets(self.trainer.config.steps)
            self.panel.start.on_click(lambda button: self.start())
            self.panel.stop.on_click(lambda button: self.stop())
            self._draw()
        return self.panel

    def _draw(self) -> None:
        """Bring bar, numbers and curves up to the last row of the history."""
        started = time.monotonic()
        rows = self.trainer.history.rows
        if rows:
            self.panel.bar.value = rows[-1]["step"]
            self.panel.numbers.value = _text(self._numbers(rows[-1]))
            self.panel.curves.value = self._curves()
        now = time.monotonic()
        self._next_drawing = now + (now - started) / DRAWING_SHARE

    def _numbers(self, row: dict) -> str:
        validation = self.trainer.history.column("val_loss")[-1:]
        words = [f"step {row['step']:,} of {self.trainer.config.steps:,}"]
        words += [f"loss {row['loss']:.3f}", *(f"validation {loss:.3f}" for loss in validation)]
        return " · ".join([*words, f"{row['tokens_per_second']:,.0f} tokens/s"])

    def _curves(self) -> str:
        history = self.trainer.history
        return history.plot(self.floor).svg() if history.rows else ""

    def _beginning(self) -> list[int]:
        """The special token that the documents begin with, if they are rows and have one."""
        train = self.trainer.train
        first = [int(train[0, 0])] if train.ndim == 2 else []
        return [i for i in first if i in self.special.values()]

    def _sample(self, length: int = 60) -> str:
        """What the model writes after the prompt, always with the same luck."""
        prompt = torch.tensor([self.prompt_ids], device=self.trainer.device)
        generator = torch.Generator().manual_seed(0)
        stop = [self.special[END]] if END in self.special else []
        ids = generate(self.trainer.model, prompt, length, generator=generator, stop=stop)
        return self.tokenizer.decode(i for i in ids[0].tolist() if i not in self.special.values())


def _widgets(steps: int) -> SimpleNamespace:
    from ipywidgets import HTML, Button, HBox, IntProgress, VBox

    start = Button(description="Start", icon="play")
    stop = Button(description="Stop", icon="stop", disabled=True)
    bar = IntProgress(max=steps)
    texts = {name: HTML() for name in ("message", "numbers", "curves", "sample")}
    box = VBox([HBox([start, stop, bar]), *texts.values()])
    return SimpleNamespace(start=start, stop=stop, bar=bar, box=box, **texts)


def _text(words: str) -> str:
    """``words`` as HTML that shows them as they are, whatever they contain."""
    return f'<div style="white-space: pre-wrap">{html.escape(words)}</div>'


def _notebook():
    """The shell of this notebook; None where there is none, or no widgets."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell if hasattr(shell, "kernel") and find_spec("ipywidgets") else None


def _somebody_is_there() -> bool:
    """Whether a reader can press a button, who then could also be asked a question.

    Whoever runs a notebook through, as a test or to make a page of it, allows no questions.
    """
    shell = _notebook()
    if shell is None or "LLM_BOOK_BUILD" in os.environ:
        return False
    return shell.get_parent().get("content", {}).get("allow_stdin", True)
