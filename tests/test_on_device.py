"""The same numbers on the device that LLM_DEVICE names as on the CPU, within what it can do.

Every random draw is made on the CPU and moved. `make test-gpu` runs these where there is a GPU.
Without one the device is that of `elsewhere.py`, which computes on the CPU and refuses what a GPU
would.
"""

from collections.abc import Iterator

import pytest
import torch
from elsewhere import elsewhere

from llm import (
    GPT,
    Llama,
    TrainConfig,
    Trainer,
    Transformer,
    data,
    default_device,
    generate,
    get_batch,
    load,
    trace,
)
from llm.architectures import RNN, Encoder, EncoderDecoder
from llm.films import Film, held_out
from llm.finetuning import (
    add_lora,
    answers,
    fine_tune,
    freeze,
    question_batches,
    story_questions,
)
from llm.interpretability import attribution
from llm.speculative import speculative_generate
from llm.views import AttentionView, BlockView, CacheView, LensView, OutputView

TOLERANCE = {"cpu": 1e-6, "cuda": 2e-4, "mps": 2e-3}
SWITCHES = [
    {"position": "sinusoidal"},
    {"position": "learned", "scale_embeddings": True},
    {"position": "rope"},
    {"position": "rope", "rope_layout": "interleaved", "qk_norm": True},
    {"position": "alibi"},
    {"position": "relative"},
    {"position": "none", "attention_window": 3},
    {"norm": "rmsnorm", "ffn": "swiglu", "bias": False, "n_kv_heads": 2},
    {"norm_position": "post", "ffn": "relu", "tie_embeddings": False},
]


@pytest.fixture
def device() -> Iterator[torch.device]:
    if default_device().type != "cpu":
        yield default_device()
        return
    with elsewhere() as device:
        yield device


@pytest.fixture
def tolerance() -> float:
    return TOLERANCE[default_device().type]


def near(here: torch.Tensor, there: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(there.cpu(), here, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("fields", SWITCHES, ids=lambda f: "-".join(map(str, f.values())))
def test_logits_and_gradients(tiny, device, tolerance, fields):
    model = tiny(**fields)
    ids = torch.randint(model.config.vocab_size, (2, 6))
    here = model(ids)
    here.square().mean().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    there = model.to(device)(ids.to(device))
    there.square().mean().backward()
    near(here.detach(), there.detach(), tolerance)
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        near(gradient, parameter.grad, tolerance)


@pytest.mark.parametrize("use_cache", [True, False])
def test_writing_draws_the_same_tokens(device, use_cache):
    model, tokenizer = load("storyteller")
    ids = torch.tensor([tokenizer.encode("Once there was a")] * 2)
    texts = []
    for place in ("cpu", device):
        dice = torch.Generator().manual_seed(5)
        model = model.to(place)
        texts.append(
            generate(model, ids.to(place), 20, top_p=0.9, generator=dice, use_cache=use_cache).cpu()
        )
    assert texts[0].tolist() == texts[1].tolist()


def test_padding_and_a_trace(tiny, device, tolerance):
    model = tiny(position="rope")
    ids, mask = torch.randint(model.config.vocab_size, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    mask[0, :2] = False
    seen = []
    for place in ("cpu", device):
        with torch.no_grad(), trace(model.to(place)) as activations:
            model(ids.to(place), padding_mask=mask.to(place))
        seen.append(activations["blocks.1.attention.weights"])
    near(*seen, tolerance)


def test_a_batch_is_drawn_on_the_cpu_and_moved(device):
    data = torch.arange(500)
    drawn = [
        get_batch(data, 4, 8, device=place, generator=torch.Generator().manual_seed(1))
        for place in ("cpu", device)
    ]
    assert drawn[1][0].device.type == device.type
    for here, there in zip(*drawn, strict=True):
        assert torch.equal(here, there.cpu())


def test_a_short_training_run_has_the_same_losses(device, tolerance, monkeypatch):
    if device.type == "meta":  # for which torch has no fused step
        adam = torch.optim.AdamW
        monkeypatch.setattr(
            torch.optim, "AdamW", lambda *given, fused, **rest: adam(*given, **rest)
        )
    data, losses = torch.arange(400) % 7, []
    for place in ("cpu", device):
        torch.manual_seed(0)
        model = GPT(vocab_size=7, max_seq_len=16, d_model=8, n_layers=1, n_heads=1).to(place)
        settings = TrainConfig(steps=10, batch_size=4, seq_len=8, log_every=1)
        losses.append(Trainer(model, data, data, settings).fit().column("loss"))
    assert losses[1] == pytest.approx(losses[0], abs=10 * tolerance)


@pytest.mark.parametrize("make", [RNN, Encoder, EncoderDecoder], ids=lambda m: m.__name__)
def test_the_other_families(device, tolerance, make):
    sizes = {} if make is RNN else {"n_layers": 2, "n_heads": 2, "max_seq_len": 8}
    model = make(vocab_size=11, d_model=8, **sizes).eval()
    ids = torch.randint(11, (2, 5))
    given = (ids, ids.flip(1)) if make is EncoderDecoder else (ids,)
    with torch.no_grad():
        here = model(*given)
        there = model.to(device)(*[part.to(device) for part in given])
    near(here, there, tolerance)


def test_a_model_is_made_the_same_wherever_it_goes(device):
    torch.manual_seed(3)
    here = Llama(vocab_size=11, d_model=8, n_layers=1, n_heads=2, max_seq_len=8)
    torch.manual_seed(3)
    there = Transformer(here.config).to(device)
    for one, other in zip(here.parameters(), there.parameters(), strict=True):
        assert torch.equal(one, other.cpu())


MIXTURES = {
    "a tensor of the CPU": lambda there: there + torch.ones(3),
    "ids of the CPU": lambda there: torch.nn.functional.embedding(torch.tensor([0]), there[None]),
    "a place of the CPU": lambda there: torch.where(torch.ones(3) > 0, there, 0),
    "a draw with a generator of the CPU": lambda there: there.multinomial(
        1, generator=torch.Generator()
    ),
    "numpy without a copy": lambda there: there.numpy(),
}


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_a_device_that_is_not_there_refuses_what_a_gpu_would(mixture):
    with elsewhere() as device, pytest.raises((RuntimeError, TypeError)):
        mixture(torch.ones(3, device=device))


def _filmed(model, tokenizer, ids):
    film = Film(tokenizer, held_out(data.stories(20), 3), [0])
    film.record(model, 0)
    return film.frames[0]


def _lora_losses(model, tokenizer, ids):
    freeze(model)
    add_lora(model, "blocks.*.attention.q_proj")
    batches = question_batches(tokenizer, story_questions(4), 2)
    return fine_tune(model, batches, 2)


def _speculated(model, tokenizer, ids):
    dice = torch.Generator().manual_seed(2)
    return speculative_generate(model, model, ids, 6, generator=dice).token_ids.tolist()


def _parts(model, tokenizer, ids):
    with torch.no_grad(), trace(model) as acts:
        model(ids)
    return [part.sum().item() for part in attribution(model, acts, 5, 6).values()]


LOOKS = {
    "film": _filmed,
    "adapters": _lora_losses,
    "guesses": _speculated,
    "attribution": _parts,
    "answers": lambda model, tokenizer, ids: answers(model, tokenizer, story_questions(4)),
} | {
    view.__name__: lambda model, tokenizer, ids, view=view: view(
        "Once there was a queen", model, tokenizer
    ).describe()
    for view in (AttentionView, BlockView, CacheView, LensView, OutputView)
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_what_looks_at_a_model_sees_the_same(device, tolerance, look):
    seen = []
    for place in ("cpu", device):
        torch.manual_seed(0)
        model, tokenizer = load("storyteller")
        ids = torch.tensor([data.story_ids(tokenizer, "Once there was a queen")]).to(place)
        seen.append(look(model.to(place), tokenizer, ids))
    near_numbers = look in (_lora_losses, _parts)
    assert seen[1] == (pytest.approx(seen[0], abs=100 * tolerance) if near_numbers else seen[0])
