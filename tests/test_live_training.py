"""Training from a notebook: real widgets, real threads and, in the last tests, real kernels."""

import math
import queue
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import torch
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from llm import GPT, CharTokenizer, History, TrainConfig, Trainer, live_training
from llm import data as corpora
from llm.training import IGNORE
from llm.views.live_training import LiveTraining

ROOT = Path(__file__).parent.parent
WIDGET = "application/vnd.jupyter.widget-view+json"
DATA = torch.tensor([i % 7 for i in range(400)])
LONG = 100_000  # steps that no test waits for


@pytest.fixture
def live():
    """Make panels, and stop what still trains at the end."""
    made = []

    def make(steps=LONG, callbacks=(), vocab_size=7, data=DATA, tokenizer=None, **settings):
        model = GPT(vocab_size=vocab_size, max_seq_len=60, d_model=8, n_layers=1, n_heads=1)
        settings = {"batch_size": 2, "log_every": 1, "eval_every": 5, "eval_batches": 1} | settings
        settings = {"seq_len": 8} | settings if data.ndim == 1 else settings
        trainer = Trainer(model, data, data, TrainConfig(steps=steps, **settings), callbacks)
        made.append(LiveTraining(trainer, "abc", tokenizer, floor=0.5))
        return made[-1]

    yield make
    for panel in made:
        panel.stop()
        panel.wait(60)
        assert not panel.running


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def shown(panel: LiveTraining, name: str) -> str:
    """What a text of the panel says, without its markup."""
    return re.sub("<[^>]*>", "", getattr(panel.panel, name).value)


def test_the_buttons_start_stop_and_go_on(live, capsys):
    rows = []
    live = live(callbacks=[lambda trainer, row: rows.append(row)])
    widgets, history = live._shown(), live.trainer.history
    assert not widgets.start.disabled and widgets.stop.disabled
    for _ in range(3):
        before = len(history.rows)
        widgets.start.click()
        assert widgets.start.disabled and not widgets.stop.disabled
        until(lambda before=before: len(history.rows) > before + 10)
        widgets.start.click()  # changes nothing
        widgets.stop.click()
        assert live.wait(60) is history and not live.running
        assert not widgets.start.disabled and widgets.stop.disabled
        assert shown(live, "message") == f"Stopped at step {live.trainer.step:,}."
    assert history.column("step") == list(range(1, live.trainer.step + 1))
    assert rows == history.rows and widgets.bar.value == live.trainer.step
    assert capsys.readouterr().err == "" and live.trainer.progress  # no second bar


def test_stop_is_heard_even_before_training_has_begun(live, monkeypatch):
    live = live()
    fit = live.trainer.fit

    def late_fit():
        until(lambda: live.panel.stop.disabled and live.trainer.stopped)
        return fit()

    monkeypatch.setattr(live.trainer, "fit", late_fit)
    for times in range(1, 4):
        live.start()
        live.stop()
        live.wait(60)
        assert live.trainer.step == times and "Stopped" in shown(live, "message")


def test_numbers_curves_and_a_sample_follow_the_training(live):
    live = live(steps=20, tokenizer=CharTokenizer("abc<&>d"))
    live.start()
    live.wait(60)
    last = live.trainer.history.rows[-1]
    assert shown(live, "message") == "Finished at step 20."
    expected = rf"step 20 of 20 · loss {last['loss']:.3f} · validation {last['val_loss']:.3f} · "
    assert re.fullmatch(expected + r"[\d,]+ tokens/s", shown(live, "numbers"))
    assert "Loss over 20 steps" in live.panel.curves.value and "floor" in live.panel.curves.value
    assert re.fullmatch(r"abc(&amp;|&lt;|&gt;|[abcd]){60,}", shown(live, "sample"))
    assert live.panel.start.disabled and live.panel.stop.disabled


def test_a_sample_of_stories_starts_and_ends_as_the_stories_do(live):
    stories = corpora.stories(30)
    tokenizer = corpora.story_tokenizer(stories)
    ids = [corpora.story_ids(tokenizer, text) for text in stories.documents]
    rows = corpora.pad_rows(ids, IGNORE)[:, :60]
    vocab_size = len(tokenizer.vocab)
    live = live(steps=5, data=rows, vocab_size=vocab_size, tokenizer=tokenizer)
    assert live.prompt_ids == [tokenizer.special_tokens["<|begin|>"], *tokenizer.encode("abc")]
    live.start()
    live.wait(60)
    assert live.error is None and shown(live, "sample").startswith("abc")
    assert "&lt;|" not in live.panel.sample.value


def test_watching_changes_nothing(live):
    tokenizer = CharTokenizer("abcdefg")
    torch.manual_seed(0)
    watched = live(steps=30, tokenizer=tokenizer)
    torch.manual_seed(0)
    alone = live(steps=30)
    watched.start()
    watched.wait(60)
    assert watched.trainer.history.column("loss") == alone.trainer.fit().column("loss")


def test_an_error_is_shown_and_can_be_gone_on_from(live):
    def spoil(trainer, row):
        if row["step"] == 3 and not trainer.spoilt:
            trainer.spoilt = trainer.model.lm_head.weight.detach().clone()
            trainer.model.lm_head.weight.data.fill_(math.nan)

    live = live(steps=9, callbacks=[spoil])
    live.trainer.spoilt = False
    live.start()
    live.wait(60)
    assert isinstance(live.error, FloatingPointError)
    assert shown(live, "message").startswith("FloatingPointError: the loss is nan at step 4")
    assert not live.panel.start.disabled and live.panel.stop.disabled
    live.trainer.model.lm_head.weight.data.copy_(live.trainer.spoilt)
    live.panel.start.click()
    live.wait(60)
    assert live.error is None and shown(live, "message") == "Finished at step 9."


def test_an_error_of_a_callback_is_shown_as_text(live):
    def fail(trainer, row):
        raise KeyError("<img src=x>")

    live = live(callbacks=[fail])
    live.start()
    live.wait(60)
    assert "KeyError: &#x27;&lt;img src=x&gt;&#x27;" in live.panel.message.value


def test_a_second_panel_takes_the_place_of_the_first(live):
    first = live()
    first.start()
    until(lambda: first.trainer.step > 3)
    second = LiveTraining(first.trainer, "")
    assert not first.running and first.trainer.callbacks == (second,)
    second.start()
    second.stop()
    second.wait(60)
    assert "Stopped" in shown(second, "message")


def test_its_text_is_the_same_before_and_after(live):
    live = live(steps=4)
    assert repr(live) == "LiveTraining(4 steps)"
    live.start()
    live.wait(60)
    assert repr(live) == "LiveTraining(4 steps)"


def test_without_a_reader_there_is_a_sentence_and_the_last_curve(live):
    live = live(steps=4)
    bundle = live._repr_mimebundle_()
    assert bundle["text/plain"] == "LiveTraining(4 steps)" and "<svg" not in bundle["text/html"]
    assert live.panel is None and live.trainer.step == 0
    live.trainer.fit()
    bundle = live._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"} and live.panel is None
    assert bundle["text/html"].startswith("<p>Run this page in Jupyter or Colab to train here.</p>")
    assert "Loss over 4 steps" in bundle["text/html"]


def test_the_curve_takes_a_small_share_of_the_time(live, monkeypatch):
    drawn = []
    live = live(steps=200)

    def slow_curves():
        drawn.append(live.trainer.step)
        time.sleep(0.2)
        return ""

    monkeypatch.setattr(live, "_curves", slow_curves)
    live.start()
    live.wait(60)
    assert drawn[0] == 1 and drawn[-1] == 200 and len(drawn) <= 10


# In processes of their own


TRAINER = """
import torch
from llm import GPT, TrainConfig, Trainer, live_training
model = GPT(vocab_size=7, max_seq_len=8, d_model=8, n_layers=1, n_heads=1)
data = torch.tensor([i % 7 for i in range(400)])
config = TrainConfig(steps={steps}, batch_size=2, log_every=1, eval_every=5)
trainer = Trainer(model, data, data, config)
live = live_training(trainer)
"""


def test_plain_python_trains_at_once():
    code = TRAINER.format(steps=12) + "print(live)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("History(12 steps, last loss ")
    assert "12/12" in done.stderr


def run_notebook(*cells: str) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    return notebook


def test_a_notebook_that_only_runs_through_trains_only_when_told():
    notebook = run_notebook(
        TRAINER.format(steps=LONG) + "live",
        "assert trainer.step == 0 and live.panel is None",
        "live.start()",
        "import time\nwhile trainer.step < 20:\n    time.sleep(0.01)",
        "live.stop()\nhistory = live.wait(60)\nassert not live.running and live.error is None\n"
        "assert history.column('step') == list(range(1, trainer.step + 1))",
        "live",
    )
    first, last = (notebook.cells[i].outputs[0].data for i in (0, -1))
    assert set(first) == set(last) == {"text/plain", "text/html"}
    assert first["text/plain"] == last["text/plain"] == f"LiveTraining({LONG} steps)"
    assert "<svg" not in first["text/html"] and "<svg" in last["text/html"]
    assert not any(cell.outputs for cell in notebook.cells[1:-1])


def test_a_page_of_the_book_holds_no_dead_widget(monkeypatch, tmp_path):
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path))
    notebook = run_notebook(TRAINER.format(steps=LONG) + "live", "assert trainer.step == 0")
    assert set(notebook.cells[0].outputs[0].data) == {"text/plain", "text/html"}
    assert "widgets" not in notebook.metadata


class Reader:
    """Somebody at a notebook: runs cells, presses buttons, sees what the widgets then say."""

    def __init__(self, client):
        self.client, self.outputs, self.widgets, self.errors = client, [], {}, []

    def run(self, code: str) -> None:
        request = self.client.execute(code, allow_stdin=True)
        while not self._see(60) == ("status", "idle", request):
            pass
        assert not self.errors

    def press(self, description: str) -> None:
        (button,) = [i for i, state in self.widgets.items() if self._says(state, description)]
        content = {
            "comm_id": button,
            "data": {"method": "custom", "content": {"event": "click"}},
        }
        message = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(message)

    def see_until(self, condition, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.texts()
            try:
                self._see(0.1)
            except queue.Empty:
                pass

    def texts(self) -> str:
        states = [s for s in self.widgets.values() if s.get("_model_name") == "HTMLModel"]
        return " ".join(re.sub("<[^>]*>", "", state.get("value", "")) for state in states)

    @staticmethod
    def _says(state: dict, description: str) -> bool:
        return state.get("_model_name") == "ButtonModel" and state["description"] == description

    def _see(self, seconds: float) -> tuple:
        message = self.client.get_iopub_msg(timeout=seconds)
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open":
            self.widgets[content["comm_id"]] = dict(content["data"]["state"])
        elif kind == "comm_msg" and content["data"].get("method") == "update":
            self.widgets[content["comm_id"]].update(content["data"]["state"])
        elif kind in ("execute_result", "display_data"):
            self.outputs.append(content["data"])
        elif kind in ("error", "stream"):
            self.errors.append(content.get("text") or "\n".join(content["traceback"]))
        return kind, content.get("execution_state"), message["parent_header"].get("msg_id")


@pytest.fixture
def reader():
    manager, client = start_new_kernel(cwd=str(ROOT))
    yield Reader(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_reader_gets_widgets_that_work(reader):
    reader.run(TRAINER.format(steps=LONG) + "live")
    (output,) = reader.outputs
    assert set(output) == {"text/plain", WIDGET} and output[WIDGET]["model_id"] in reader.widgets
    reader.press("Start")
    reader.see_until(lambda: "tokens/s" in reader.texts())
    reader.run("assert 0 < trainer.step < trainer.config.steps")  # other cells run meanwhile
    reader.press("Stop")
    reader.see_until(lambda: "Stopped at step" in reader.texts())
    reader.run("live.wait(60)\nbefore = trainer.step")
    reader.press("Start")
    reader.see_until(lambda: "Stopped" not in reader.texts())
    reader.run("import time\nwhile trainer.step == before:\n    time.sleep(0.01)")
    reader.press("Stop")
    reader.see_until(lambda: "Stopped at step" in reader.texts())
    assert any(state.get("_model_name") == "IntProgressModel" for state in reader.widgets.values())
    assert not reader.errors


def test_live_training_needs_a_notebook_to_wait_for_a_button():
    trainer = Trainer(
        GPT(vocab_size=7, max_seq_len=8, d_model=8, n_layers=1, n_heads=1),
        DATA,
        DATA,
        TrainConfig(steps=3, batch_size=2),
    )
    history = live_training(trainer)
    assert isinstance(history, History) and trainer.step == 3
