"""The training loop: equal in one process and in two, and equal however often it is stopped."""

import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from llm import GPT
from llm.config import TrainConfig
from llm.history import History
from llm.runs import checkpoints
from llm.training import IGNORE, Trainer, evaluate, learning_rate

DATA = np.array([random.Random(i % 37).randrange(11) for i in range(2000)])


def small_model(**changes) -> GPT:
    torch.manual_seed(0)
    fields = {"vocab_size": 11, "max_seq_len": 8, "d_model": 16, "n_layers": 2, "n_heads": 2}
    return GPT(**fields | changes)


def trained(steps: int = 12, model=None, callbacks=(), val=DATA[-200:], **settings) -> Trainer:
    settings = {"batch_size": 8, "warmup": 2, "log_every": 1, "eval_every": 5} | settings
    config = TrainConfig(steps=steps, **settings)
    trainer = Trainer(model or small_model(), DATA[:-200], val, config, callbacks)
    trainer.fit()
    return trainer


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return list(trainer.model.state_dict().values())


def equal(first: Trainer, second: Trainer) -> bool:
    return all(map(torch.equal, weights(first), weights(second)))


def test_a_model_learns_what_repeats():
    history = trained(steps=150, lr=1e-2).history
    losses = history.column("loss")
    assert sum(losses[:5]) / 5 > 2.2 and sum(losses[-5:]) / 5 < 0.8 * sum(losses[:5]) / 5
    assert history.column("step") == list(range(1, 151))
    assert len(history.column("val_loss")) == 30


def test_a_batch_in_parts_gives_the_same_weights():
    whole, parts = trained(batch_size=32), trained(batch_size=32, accumulation=4)
    for a, b in zip(weights(whole), weights(parts), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_padded_rows_weigh_by_their_real_tokens_in_every_split():
    rows = np.full((40, 9), IGNORE)
    for i, row in enumerate(rows):
        row[: 2 + i % 8] = [(i + j) % 11 for j in range(2 + i % 8)]
    results = []
    for accumulation in (1, 4):
        config = TrainConfig(steps=5, batch_size=8, accumulation=accumulation, eval_every=5)
        trainer = Trainer(small_model(), rows, rows, config)
        trainer.fit()
        results.append(weights(trainer))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_evaluation_is_the_mean_over_all_targets():
    model, data = small_model().eval(), torch.from_numpy(DATA[:90])
    windows = [data[s : s + 9] for s in range(0, 88, 8)]
    total = sum(
        F.cross_entropy(model(w[None, :-1])[0], w[1:], reduction="sum").item() for w in windows
    )
    assert math.isclose(evaluate(model, data, 8), total / (8 * len(windows)), rel_tol=1e-5)


@pytest.mark.parametrize(
    ("schedule", "middle"), [("cosine", 0.55), ("linear", 0.55), ("constant", 1.0)]
)
def test_schedules_rise_in_a_line_and_end_where_they_should(schedule, middle):
    rates = [learning_rate(schedule, step, 10, 110, 1.0, 0.1) for step in (0, 5, 10, 60, 110, 200)]
    end = 1.0 if schedule == "constant" else 0.1
    assert rates == pytest.approx([0.0, 0.5, 1.0, middle, end, end])


def test_decay_pulls_matrices_only():
    groups = Trainer(small_model(), DATA, DATA, TrainConfig(steps=1)).optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(p.dim() >= 2 for p in groups[0]["params"])
    assert all(p.dim() < 2 for p in groups[1]["params"])


def test_training_stops_early_when_validation_no_longer_improves():
    noise = np.random.default_rng(0).integers(0, 11, 200)
    trainer = trained(steps=400, lr=3e-2, eval_every=5, patience=3, val=noise)
    assert trainer.step < 400
    losses = trainer.history.column("val_loss")
    assert min(losses[-3:]) >= min(losses[:-3])


def test_a_resumed_run_is_the_undisturbed_run_bit_for_bit(tmp_path):
    straight = trained(steps=20, model=small_model(dropout=0.1))

    def stop(trainer, row):
        trainer.stopped = row["step"] == 7

    folder = str(tmp_path)
    first = trained(steps=20, model=small_model(dropout=0.1), callbacks=[stop], folder=folder)
    assert first.step == 7
    torch.manual_seed(99)  # whatever happens in between
    resumed = trained(steps=20, model=small_model(dropout=0.1), folder=folder)
    assert equal(straight, resumed)
    assert resumed.history.column("loss") == straight.history.column("loss")


def test_a_stopped_trainer_goes_on_when_it_is_asked_again(capsys):
    straight = trained(steps=20)

    def stop(trainer, row):
        if row["step"] in (7, 12):
            trainer.stopped = True

    trainer = trained(steps=20, callbacks=[stop])
    assert (trainer.step, trainer.stopped) == (7, True)
    trainer.fit()
    assert (trainer.step, trainer.stopped) == (12, True)
    assert "it/s" in capsys.readouterr().err
    trainer.progress = False
    trainer.fit()
    assert (trainer.step, trainer.stopped) == (20, False)
    assert capsys.readouterr().err == ""
    assert equal(straight, trainer)
    assert trainer.history.column("loss") == straight.history.column("loss")


def test_a_step_that_failed_leaves_nothing_behind(monkeypatch):
    def fail(*_):
        raise RuntimeError("out of memory")

    config = TrainConfig(steps=1, batch_size=8, schedule="constant")
    trainer = Trainer(small_model(), DATA, DATA, config)
    with monkeypatch.context() as patch:
        patch.setattr(trainer.optimizer, "step", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            trainer.fit()
    trainer.fit()
    fresh = Trainer(small_model(), DATA, DATA, config)
    fresh._draw()  # the batch that was lost
    fresh.fit()
    assert equal(trainer, fresh)


def test_ctrl_c_finishes_the_step_saves_and_stops(tmp_path):
    def interrupt(trainer, row):
        if row["step"] == 3:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    trainer = trained(callbacks=[interrupt], folder=str(tmp_path))
    assert trainer.step == 3
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000003.safetensors"]
    assert signal.getsignal(signal.SIGINT) is before


def test_the_last_two_checkpoints_are_kept(tmp_path):
    trained(steps=10, save_every=3, folder=str(tmp_path))
    assert [int(path.stem[5:]) for path in checkpoints(tmp_path)] == [9, 10]


def test_a_run_with_other_settings_is_refused_by_name(tmp_path):
    trained(steps=4, folder=str(tmp_path))
    with pytest.raises(ValueError, match="lr=0.001"):
        trained(steps=4, lr=2e-3, folder=str(tmp_path))
    with pytest.raises(ValueError, match="model.d_model=16"):
        trained(steps=4, model=small_model(d_model=32), folder=str(tmp_path))


def test_a_failed_save_leaves_the_earlier_checkpoint_whole(tmp_path, monkeypatch):
    trained(steps=4, folder=str(tmp_path))
    trainer = Trainer(small_model(), DATA, DATA, TrainConfig(steps=9, folder=str(tmp_path)))
    trainer.step = 5

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="cannot save step 5.*No space left.*earlier checkpoints"):
        trainer.save()
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000004.safetensors"]
    assert trained(steps=4, folder=str(tmp_path)).step == 4


def test_a_damaged_checkpoint_is_named(tmp_path):
    trained(steps=4, folder=str(tmp_path))
    (path,) = checkpoints(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="step-00000004.safetensors is not a complete"):
        trained(steps=4, folder=str(tmp_path))


def test_a_loss_that_is_no_number_stops_with_the_step_and_advice():
    def spoil(trainer, row):
        if row["step"] == 2:
            trainer.model.lm_head.weight.data.fill_(math.nan)

    with pytest.raises(FloatingPointError, match="nan at step 3 .*lower lr"):
        trained(callbacks=[spoil])


def test_data_that_cannot_fill_a_window_or_a_batch_is_refused():
    config = TrainConfig(steps=1)
    with pytest.raises(ValueError, match="train has 5 tokens.*seq_len=8"):
        Trainer(small_model(), DATA[:5], DATA, config)
    with pytest.raises(ValueError, match="val has 5 tokens.*seq_len=8"):
        Trainer(small_model(), DATA, DATA[:5], config)
    with pytest.raises(ValueError, match="batch_size=10.*multiple of 4"):
        Trainer(small_model(), DATA, DATA, TrainConfig(steps=1, batch_size=10, accumulation=4))
    for wrong in ({"steps": 0}, {"lr": 0.0}, {"warmup": 9}, {"schedule": "square"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TrainConfig(**{"steps": 5} | wrong)


def test_the_history_saves_itself_as_a_table(tmp_path):
    history = trained(steps=5).history
    history.save(tmp_path / "history.csv")
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "step,loss,val_loss,lr,grad_norm,tokens_per_second" and len(lines) == 6
    assert "5 steps" in repr(history) and repr(History()) == "History(no steps yet)"
    with pytest.raises(ValueError, match="no column 'los'"):
        history.column("los")


SCRIPT = """
import sys
import torch
from tests.test_trainer import trained
kwargs = {"folder": sys.argv[1], "save_every": 1} if sys.argv[1] != "-" else {}
trainer = trained(steps=int(sys.argv[2]), **kwargs)
if trainer.rank == 0:
    torch.save([w.clone() for w in trainer.model.state_dict().values()], sys.argv[3])
"""


def command(*arguments) -> dict:
    root = str(Path(__file__).resolve().parent.parent)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    return {"args": [sys.executable, *arguments], "env": environment, "cwd": root}


def test_two_processes_equal_one(tmp_path):
    script, out = tmp_path / "run.py", tmp_path / "weights"
    script.write_text(SCRIPT)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    subprocess.run(**command(*torchrun, script, "-", "10", out), check=True, timeout=120)
    for a, b in zip(weights(trained(steps=10)), torch.load(out), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def killed_and_resumed(tmp_path: Path, kills: int) -> None:
    """Kill a run at random moments, resume it each time, and compare with an undisturbed one."""
    script, out, folder = tmp_path / "run.py", tmp_path / "weights", tmp_path / "run"
    script.write_text(SCRIPT)
    rng, steps, done = random.Random(0), 40 * kills, 0
    while done < kills:
        process = subprocess.Popen(**command(script, folder, str(steps), out))
        before = len(list(folder.glob("*"))) and checkpoints(folder)[-1].name
        while process.poll() is None and (not folder.exists() or not checkpoints(folder)):
            time.sleep(0.01)
        while process.poll() is None and checkpoints(folder)[-1].name == before:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done += 1
    subprocess.run(**command(script, folder, str(steps), out), check=True, timeout=300)
    assert all(map(torch.equal, weights(trained(steps=steps)), torch.load(out)))


def test_killed_runs_resume_bit_for_bit(tmp_path):
    killed_and_resumed(tmp_path, kills=5)


@pytest.mark.slow
def test_runs_killed_fifty_times_resume_bit_for_bit(tmp_path):
    killed_and_resumed(tmp_path, kills=50)


def test_half_the_bits_give_nearly_the_same_losses():
    full, half = (trained(steps=20, lr=1e-2, precision=p).history for p in ("fp32", "bf16"))
    apart = [abs(a - b) for a, b in zip(full.column("loss"), half.column("loss"), strict=True)]
    assert 0 < max(apart) < 0.02  # nats, of losses near 2.4


def test_a_history_comes_back_as_it_was_saved(tmp_path):
    history = trained(steps=6).history
    history.save(tmp_path / "history.csv")
    assert History.load(tmp_path / "history.csv").rows == history.rows
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other.csv has the columns"):
        History.load(tmp_path / "other.csv")
