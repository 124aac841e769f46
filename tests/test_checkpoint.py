"""llm.checkpoint: bit for bit there and back, whole or not at all, and never any code."""

import copy
import io
import os
import pickle

import pytest
import torch
from torch import nn

from llm import AdamW, load_checkpoint, load_weights, save_checkpoint, save_weights
from llm.checkpoint import write_atomically

OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "SGD with momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-2, amsgrad=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-2),
    "fused AdamW": lambda p: torch.optim.AdamW(p, lr=1e-2, fused=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.5, centered=True),
    "Adamax": lambda p: torch.optim.Adamax(p, lr=1e-2),
    "Rprop": lambda p: torch.optim.Rprop(p, lr=1e-2),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=2),
    "ours": lambda p: AdamW(p, lr=1e-2),
}


def network():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2))


def train(model, optimizer, steps, start=0):
    losses = []
    for step in range(start, start + steps):
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))

        def closure(x=x):
            optimizer.zero_grad()
            loss = (model(x) - x[:, :2]).square().mean()
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).item())
    return losses


def snapshot(*parts):
    return copy.deepcopy([part.state_dict() for part in parts])


def assert_same(first, second):
    """Equal types, values and bits, however nested."""
    assert type(first) is type(second) or isinstance(first, dict) and isinstance(second, dict)
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype and first.shape == second.shape
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    else:
        assert first == second


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("to", ["path", "string", "file"])
def test_a_resumed_run_has_the_same_losses_bit_for_bit(make, to, tmp_path):
    model = network()
    optimizer = make(model.parameters())
    train(model, optimizer, 5)
    place = {"path": tmp_path / "run.st", "string": str(tmp_path / "s"), "file": io.BytesIO()}[to]
    save_checkpoint(place, model=model, optimizer=optimizer, step=5)
    saved = snapshot(model, optimizer)
    expected = train(model, optimizer, 5, start=5)

    other = network()
    resumed = make(other.parameters())
    if to == "file":
        place.seek(0)
    assert load_checkpoint(place, model=other, optimizer=resumed) == 5
    assert_same(snapshot(other, resumed), saved)
    assert train(other, resumed, 5, start=5) == expected


def test_the_model_of_the_book_resumes_too(tiny):
    def loss(model, ids):
        return nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())

    def steps(model, optimizer, n):
        for _ in range(n):
            optimizer.zero_grad()
            value = loss(model, torch.arange(10)[None])
            value.backward()
            optimizer.step()
        return value.item()

    model, other, file = tiny(), tiny(), io.BytesIO()
    optimizer, resumed = (AdamW(m.parameters(), lr=1e-2) for m in (model, other))
    steps(model, optimizer, 3)
    save_checkpoint(file, model=model, optimizer=optimizer, step=3)
    file.seek(0)
    assert load_checkpoint(file, model=other, optimizer=resumed) == 3
    assert other.lm_head.weight is other.embeddings.token.weight
    assert steps(other, resumed, 3) == steps(model, optimizer, 3)


class Odd(nn.Module):
    """State of every awkward kind."""

    def __init__(self):
        super().__init__()
        whole = torch.randn(4, 6)
        self.register_buffer("first", whole[:2])
        self.register_buffer("second", whole[2:])
        self.register_buffer("transposed", torch.randn(3, 5).T)
        self.register_buffer("spread", torch.randn(8)[::2])
        self.register_buffer("scalar", torch.tensor(torch.rand(()).item()))
        self.register_buffer("empty", torch.zeros(0, 3))
        self.register_buffer("none_left", torch.zeros(3, 0))
        self.register_buffer("flags", torch.rand(5) > 0.5)
        self.register_buffer("counts", torch.randint(100, (3,), dtype=torch.uint8))
        self.register_buffer("fp16", torch.randn(3).half())
        self.brain = nn.Parameter(torch.randn(3, 2).bfloat16())
        self.fp64 = nn.Parameter(torch.randn(2, dtype=torch.float64))
        self.inner = nn.Linear(4, 4)
        self.tied = self.inner
        self.register_buffer("special", torch.tensor([torch.inf, -torch.inf, 0.0, -0.0]))


def test_tensors_of_every_kind_come_back(tmp_path):
    model, other = Odd(), Odd()
    expected = snapshot(model)
    save_checkpoint(tmp_path / "odd", model=model, step=2)
    assert load_checkpoint(tmp_path / "odd", model=other) == 2
    assert_same(snapshot(other), expected)
    assert other.tied.weight is other.inner.weight
    third = Odd()
    save_weights(tmp_path / "weights", model)
    load_weights(tmp_path / "weights", third)
    assert_same(snapshot(third), expected)


class Remembering(nn.Linear):
    """A module with state that is no tensor."""

    note = None

    def get_extra_state(self):
        return {"note": self.note, ("a", 1): torch.arange(3)}

    def set_extra_state(self, state):
        self.note = state["note"], state["a", 1].tolist()


def test_state_beside_tensors_comes_back(tmp_path):
    model, other = Remembering(2, 2), Remembering(2, 2)
    model.note = [1, 2.5, None, True, "né", float("inf"), (3, {"x": 4})]
    save_checkpoint(tmp_path / "file", model=model)
    load_checkpoint(tmp_path / "file", model=other)
    assert other.note == (model.note, [0, 1, 2])


def test_what_json_cannot_hold_is_named(tmp_path):
    model = Remembering(2, 2)
    model.note = object()
    with pytest.raises(ValueError, match="_extra_state.note: object"):
        save_checkpoint(tmp_path / "file", model=model)
    assert not list(tmp_path.iterdir())


def test_shared_weights_are_written_once(tiny, tmp_path):
    tied, untied = tiny(), tiny(tie_embeddings=False)
    for model, name in ((tied, "tied"), (untied, "untied")):
        save_weights(tmp_path / name, model)
    sizes = [(tmp_path / name).stat().st_size for name in ("tied", "untied")]
    assert sizes[1] - sizes[0] > 13 * 16 * 4
    other = tiny()
    load_weights(tmp_path / "tied", other)
    assert_same(snapshot(other), snapshot(tied))
    with pytest.raises(ValueError, match="missing: lm_head.weight"):
        load_weights(tmp_path / "tied", untied)


def saved_run(path):
    model = network()
    optimizer = torch.optim.AdamW(model.parameters())
    train(model, optimizer, 2)
    save_checkpoint(path, model=model, optimizer=optimizer, step=2)
    return path.read_bytes()


def assert_refused(path, match, model=None, optimizer=None):
    """Loading raises a ``ValueError`` and leaves model and optimizer untouched."""
    model = model or network()
    optimizer = optimizer or torch.optim.AdamW(model.parameters())
    before = snapshot(model, optimizer)
    with pytest.raises(ValueError, match=match):
        load_checkpoint(path, model=model, optimizer=optimizer)
    assert_same(snapshot(model, optimizer), before)


@pytest.mark.parametrize("tenths", range(10))
def test_a_file_cut_short_is_refused(tenths, tmp_path):
    path = tmp_path / "run"
    data = saved_run(path)
    path.write_bytes(data[: len(data) * tenths // 10])
    assert_refused(path, f"{path} is not a complete safetensors file")
    path.write_bytes(data[:-1])
    assert_refused(path, "not a complete safetensors file")


def test_a_damaged_header_is_refused_or_harmless(tmp_path):
    path = tmp_path / "run"
    data = saved_run(path)
    length = 8 + int.from_bytes(data[:8], "little")
    outcomes = set()
    for place in torch.randint(length, (150,)).tolist():
        path.write_bytes(data[:place] + b"#" + data[place + 1 :])
        model = network()
        before = snapshot(model)
        try:
            load_checkpoint(path, model=model)
            outcomes.add("loaded")
        except ValueError:
            outcomes.add("refused")
            assert_same(snapshot(model), before)
    assert "refused" in outcomes


class Malicious:
    """Unpickling it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))]
)
def test_a_pickle_is_refused_and_not_run(write, tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "model.pt"
    write({"model": Malicious(trap)}, path)
    assert_refused(path, "pickled by torch.save")
    with pytest.raises(ValueError, match="safetensors"):
        load_weights(path, network())
    assert not trap.exists()


def test_other_files_models_and_optimizers_are_named(tmp_path):
    run, weights, bare = tmp_path / "run", tmp_path / "weights", tmp_path / "bare"
    saved_run(run)
    save_weights(weights, network())
    save_checkpoint(bare, model=network())
    assert_refused(weights, "no training checkpoint: use load_weights")
    assert_refused(bare, "without an optimizer")
    wide = nn.Sequential(nn.Linear(4, 7), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2))
    assert_refused(run, r"of another shape: 0.weight \(6, 4\) instead of \(7, 4\)", wide)
    assert_refused(run, "missing: 4.weight", nn.Sequential(*network(), nn.Linear(2, 2)))
    assert_refused(run, "not in the model: 3.weight", network()[:3])
    model = network()
    assert_refused(run, "AdamW.*SGD", model, torch.optim.SGD(model.parameters()))
    two = [{"params": model[0].parameters()}, {"params": model[3].parameters()}]
    assert_refused(run, r"\[6\] parameters.*\[2, 2\]", model, torch.optim.AdamW(two))
    path = tmp_path / "missing"
    with pytest.raises(FileNotFoundError, match="missing"):
        load_checkpoint(path, model=model)


def test_a_checkpoint_loads_without_its_optimizer(tmp_path):
    saved_run(tmp_path / "run")
    assert load_checkpoint(tmp_path / "run", model=network()) == 2


@pytest.mark.parametrize("function", ["os.replace", "os.fsync", "builtins.open"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_a_save_that_fails_leaves_the_old_file_alone(function, error, tmp_path, monkeypatch):
    path = tmp_path / "run"
    old = saved_run(path)

    def fail(*arguments):
        raise error

    monkeypatch.setattr(function, fail)
    with pytest.raises(type(error)):
        save_checkpoint(path, model=network(), step=9)
    with pytest.raises(type(error)):
        save_weights(path, network())
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        save_checkpoint(tmp_path / "nowhere" / "run", model=network())
    assert not list(tmp_path.iterdir())


def test_a_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    write_atomically(tmp_path / "ours", b"data")
    modes = [(tmp_path / name).stat().st_mode for name in ("usual", "ours")]
    assert modes[0] == modes[1] and (tmp_path / "ours").read_bytes() == b"data"
