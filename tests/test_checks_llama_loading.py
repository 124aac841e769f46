"""Each catalogued bug of the assignment gets its name and no other; right solutions pass."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from planted import assert_named_alone

from llm import (
    GroupedQueryAttention,
    ModelConfig,
    RotaryPositionalEmbedding,
    Transformer,
    checks,
    data,
    kv_cache_bytes,
    load,
    to_huggingface,
    trace,
)
from llm.checks import CheckFailed
from llm.checks import llama_loading_bugs as known
from llm.checks.llama_loading import as_checkpoint
from llm.config import LLAMA_STYLE
from llm.huggingface import from_huggingface
from llm.llama import rope_order

SEEDS = range(8)
FACTORS = {"llama": 1.0, "llama3": 1.3}
CATALOGUES = [  # a check, what its variant adds, its bugs
    (checks.check_grouped_attention, {}, known.GROUPED_BUGS),
    (checks.check_read_config, {}, known.READ_CONFIG_BUGS),
    (checks.check_params_of, {}, known.PARAMS_OF_BUGS),
    (checks.check_cache_bytes, {}, known.CACHE_BYTES_BUGS),
    (checks.check_count_tensors, {}, known.COUNT_TENSORS_BUGS),
]
for layout in ("half", "interleaved"):
    CATALOGUES += [
        (checks.check_rotate, {"layout": layout}, known.rotate_bugs(layout)),
        (checks.check_convert, {"layout": layout}, known.CONVERT[layout][1]),
    ]
for rule, factor in FACTORS.items():
    CATALOGUES += [(checks.check_network_width, {"rule": rule}, known.network_width_bugs(factor))]
for source in ("meta", "hf"):
    CATALOGUES += [(checks.check_translate, {"source": source}, known.translate_bugs(source))]
PLANTED = [
    (check, chosen, catalogue, sentence)
    for check, chosen, catalogue in CATALOGUES
    for sentence in catalogue
]


@pytest.mark.parametrize(
    "check, chosen, catalogue, sentence",
    PLANTED,
    ids=[f"{c.__name__[6:]}-{'-'.join(map(str, v.values()))}-{s[:30]}" for c, v, _, s in PLANTED],
)
def test_each_bug_gets_its_name_and_no_other(check, chosen, catalogue, sentence):
    assert_named_alone(check, catalogue, sentence, SEEDS, **chosen)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 120
    assert all(len(sentence) < 100 and sentence.endswith(".") for *_, sentence in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def rotate_by_the_book(x, positions, theta, layout):
    return RotaryPositionalEmbedding(x.shape[-1], 99, theta, layout)(x, positions)


def width_by_steps(d_model, multiple, factor):
    width = int(2 * 4 * d_model / 3)
    if factor > 1:
        width = int(factor * width)
    return multiple * ((width + multiple - 1) // multiple)


def grouped_by_view(q, k, v):
    B, H, T, D = q.shape
    groups = q.view(B, k.shape[1], -1, T, D)
    scores = groups @ k[:, :, None].transpose(-2, -1) / D**0.5
    scores = scores.masked_fill(torch.ones(T, T).triu(1).bool(), -torch.inf)
    heads = (scores.softmax(-1) @ v[:, :, None]).view(B, H, T, D)
    return heads.transpose(1, 2).reshape(B, T, H * D)


def read_by_the_book(config):
    theirs = {k: v for k, v in config.items() if k not in ("rope_scaling", "hidden_act")}
    if config.get("rope_scaling") or config.get("hidden_act", "silu") != "silu":
        raise ValueError("no")
    style = LLAMA_STYLE | {"norm_eps": 1e-6}
    names = {"rms_norm_eps": "norm_eps", "tie_word_embeddings": "tie_embeddings"}
    ours = {names.get(k, k): v for k, v in theirs.items()}
    full = ModelConfig.from_names(**style | ours).to_dict()
    return {name: full[name] for name in SIZES}


SIZES = (
    "vocab_size max_seq_len d_model n_layers n_heads n_kv_heads head_dim d_ff norm_eps rope_theta "
    "tie_embeddings"
).split()


def params_by_the_book(sizes):
    return ModelConfig(**LLAMA_STYLE | sizes).n_params()


def cache_by_the_book(sizes, n_tokens, n_bytes):
    return kv_cache_bytes(ModelConfig(**LLAMA_STYLE | sizes), n_tokens, n_bytes)


def convert_by_order(weight, n_heads, layout):
    heads = weight.unflatten(0, (n_heads, -1))
    return heads[:, rope_order(heads.shape[1], layout)].flatten(0, 1)


def translate_step_by_step(state, sizes, source):
    ours = {}
    for name, tensor in state.items():
        outer = {f"{k}.weight": f"{v}.weight" for k, v in known.OUTER[source].items()}
        if name in outer:
            ours[outer[name]] = tensor
            continue
        i, rest = (
            name.removeprefix(known.LAYERS[source] + ".").removesuffix(".weight").split(".", 1)
        )
        part = known.BLOCK[source][rest]
        for projection, n in (("q_proj", "n_heads"), ("k_proj", "n_kv_heads")):
            if part.endswith(projection):
                layout = known.LAYOUT_OF[source]
                tensor = convert_by_order(tensor, sizes[n], layout)
        ours[f"blocks.{i}.{part}.weight"] = tensor
    ours.setdefault("lm_head.weight", ours["embeddings.token.weight"])
    return ours


def count_by_place(state):
    seen, total = set(), 0
    for tensor in state.values():
        total += 0 if tensor.data_ptr() in seen else tensor.numel()
        seen.add(tensor.data_ptr())
    return total


SOLUTIONS = [
    (checks.check_grouped_attention, {}, grouped_by_view),
    (checks.check_read_config, {}, read_by_the_book),
    (checks.check_params_of, {}, params_by_the_book),
    (checks.check_cache_bytes, {}, cache_by_the_book),
    (checks.check_count_tensors, {}, count_by_place),
    (checks.check_grouped_attention, {}, known.grouped_attention),
    (checks.check_read_config, {}, known.read_config),
    (checks.check_params_of, {}, known.params_of),
    (checks.check_cache_bytes, {}, known.cache_bytes),
    (checks.check_count_tensors, {}, known.count_tensors),
]
for layout in ("half", "interleaved"):
    SOLUTIONS += [
        (checks.check_rotate, {"layout": layout}, partial(rotate_by_the_book, layout=layout)),
        (checks.check_convert, {"layout": layout}, partial(convert_by_order, layout=layout)),
    ]
for rule, factor in FACTORS.items():
    by_steps = partial(width_by_steps, factor=factor)
    SOLUTIONS += [(checks.check_network_width, {"rule": rule}, by_steps)]
for source in ("meta", "hf"):
    by_steps = partial(translate_step_by_step, source=source)
    SOLUTIONS += [(checks.check_translate, {"source": source}, by_steps)]


@pytest.mark.parametrize("check, chosen, solution", SOLUTIONS)
def test_right_solutions_pass(check, chosen, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed, **chosen).cases >= 2
    name = check.__name__.removeprefix("check_")
    assert repr(check(solution, **chosen)).startswith(f"✓ {name} is correct in all")


def test_the_published_widths():
    assert known.network_width(4096, 256) == 11008
    assert known.network_width(4096, 1024, 1.3) == 14336
    assert known.network_width(96, 8) == ModelConfig(10, d_model=96, n_heads=4, ffn="swiglu").d_ff


def test_the_reference_of_grouped_attention_is_that_of_the_book():
    layer, x = GroupedQueryAttention(24, 6, 2, bias=False), torch.randn(2, 5, 24)
    maps = (layer.q_proj, layer.k_proj, layer.v_proj)
    q, k, v = (p(x).unflatten(-1, (-1, 4)).transpose(1, 2) for p in maps)
    torch.testing.assert_close(layer.out_proj(known.grouped_attention(q, k, v)), layer(x))


def test_a_checkpoint_in_hugging_faces_names_is_translated_like_the_books_loader():
    model, _ = load("draft")
    state, config = to_huggingface(model)
    sizes = known.read_config(config | {"rope_theta": 10000.0})
    ours = known.translate(state, sizes, "hf")
    mine = Transformer(ModelConfig(**LLAMA_STYLE | sizes, rope_layout="interleaved"))
    mine.load_state_dict(ours)
    ids = torch.arange(2, 40)[None]
    with torch.no_grad():
        right = from_huggingface(state, config)(ids)
        torch.testing.assert_close(mine(ids), right, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("source", ["meta", "hf"])
@pytest.mark.parametrize("name", ["storyteller", "draft"])
def test_a_checkpoint_comes_back_as_the_same_model(name, source):
    model, _ = load(name)
    state, config = as_checkpoint(model, source)
    sizes, layout = known.read_config(config), known.LAYOUT_OF[source]
    mine = Transformer(ModelConfig(**LLAMA_STYLE | sizes, rope_layout=layout))
    mine.load_state_dict(known.translate(state, sizes, source))
    ids = torch.arange(2, 40)[None]
    with torch.no_grad():
        torch.testing.assert_close(mine(ids), model(ids), rtol=1e-3, atol=1e-3)


def test_each_patient_shows_its_fingerprint():
    model, tokenizer = load("draft")
    rows = [data.story_ids(tokenizer, d)[:50] for d in data.stories(20, seed=11).documents]
    ids, off, attended = torch.tensor(rows), {}, {}
    with torch.no_grad(), trace(model) as right:
        logits = model(ids)
    for cause, patient in known.patients(model).items():
        with torch.no_grad(), trace(patient) as acts:
            apart = (patient(ids) - logits).norm(dim=-1) / logits.norm(dim=-1)
        stream = acts["blocks.0.residual_mid"] - right["blocks.0.residual_mid"]
        off[cause], attended[cause] = apart.mean(0), stream[:, 0].norm(dim=-1).mean()
    assert set(off) == set(known.FINGERPRINTS)
    for cause in ("layout", "base"):
        assert off[cause][0] < 1e-5
    assert off["layout"][1] > 0.1 > 0.02 > off["base"][1]
    assert off["base"][1] < off["base"][2] < off["base"][4] < off["base"][8]
    assert attended["swap"] < 1e-5 < 0.1 < off["swap"][0]
    assert attended["tile"] > 0.1
    assert attended["eps"] > 1e-3 and off["eps"].median() < 0.1


def test_a_diagnosis_is_answered_letter_by_letter():
    right = {"A": "layout", "B": "eps"}
    assert checks.check_causes(right, right) is None
    with pytest.raises(CheckFailed, match="A is not eps: then every number is a little off"):
        checks.check_causes({"A": "eps", "B": "eps"}, right)
    with pytest.raises(CheckFailed, match="A is still None; write one of the five words"):
        checks.check_causes({"A": None, "B": "eps"}, right)
    with pytest.raises(CheckFailed, match="B is 'rope'; the words are layout, base, swap"):
        checks.check_causes({"A": "layout", "B": "rope"}, right)


FOREIGN = [
    (checks.check_rotate, lambda x, positions, theta: 0.5 * x),
    (checks.check_network_width, lambda d_model, multiple: 7),
    (checks.check_grouped_attention, lambda q, k, v: F.relu(known.grouped_attention(q, k, v))),
    (checks.check_read_config, lambda config: {"vocab_size": 3}),
    (checks.check_params_of, lambda sizes: 7),
    (checks.check_cache_bytes, lambda sizes, n_tokens, n_bytes: 7),
    (checks.check_convert, lambda weight, n_heads: weight.tanh()),
    (checks.check_translate, lambda state, sizes: {"wte": torch.ones(3)}),
    (checks.check_count_tensors, lambda state: 7),
]


@pytest.mark.parametrize("check, wrong", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong):
    catalogue = next(bugs for other, _, bugs in CATALOGUES if other is check)
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match="should be") as caught:
            check(wrong, seed=seed)
        assert not [s for s in catalogue if s in str(caught.value)]


def test_a_tied_head_is_counted_as_in_the_exhibit():
    def by_identity(state):
        return sum(t.numel() for t in {id(t): t for t in state.values()}.values())

    model, _ = load("storyteller")
    assert count_by_place(model.state_dict()) == model.n_params() < by_identity(model.state_dict())
    with pytest.raises(CheckFailed, match="two objects, one place in memory"):
        checks.check_count_tensors(by_identity)


def test_layers_have_numbers_of_two_digits():
    def first_digit(state, sizes):
        return {
            n.replace("blocks.10", "blocks.1"): t for n, t in known.translate(state, sizes).items()
        }

    with pytest.raises(CheckFailed, match=r"blocks\.10?\."):
        checks.check_translate(first_digit)


def test_what_should_raise_is_told():
    with pytest.raises(CheckFailed, match="should raise ValueError, yours is sizes, and no ValueE"):
        checks.check_read_config(partial(known.read_config, refused=()))


def test_what_is_not_a_choice_is_refused():
    with pytest.raises(ValueError, match="layout must be one of half, interleaved, got 'other'"):
        checks.check_rotate(known.rotate, layout="other")
    with pytest.raises(CheckFailed, match="3 is not a dictionary"):
        checks.check_translate(lambda state, sizes: 3)
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_count_tensors(lambda state: None)
