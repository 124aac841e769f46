"""What a page makes of the packed past models, in PyTorch: another reader of the same bytes."""

import base64
import gzip
from functools import cache

import numpy as np
import torch

from llm import generate
from llm.model import Transformer
from llm.views.film_past import past_models
from llm.views.language_model import tokens_of

SIZES = {"f4": 4, "f2": 2, "i1": 1}


@cache
def unpacked() -> dict[int, Transformer]:
    """The models by step, with the weights that stand in the files of a site."""
    past = past_models()
    files, spec = past.files(inline=False), past.spec(inline=False)
    last = spec["steps"][-1]
    formats = {step: spec["tensors"] for step in spec["steps"]} | {last: spec["model"]["tensors"]}
    names = {s: f"weights-storyteller-{s}" for s in spec["steps"]} | {last: "weights-storyteller"}
    return {step: _model(formats[step], files[names[step]]) for step in spec["steps"]}


def _model(tensors: list, packed: str) -> Transformer:
    model = Transformer(past_models().final.model.config)
    data = gzip.decompress(base64.b64decode(packed))
    weights = {}
    for name, shape, kind in tensors:
        scales = 1.0
        if kind == "i1":
            scales = np.frombuffer(data[: 4 * shape[0]], "<f4")[:, None]
            data = data[4 * shape[0] :]
        size = SIZES[kind] * int(np.prod(shape))
        numbers, data = data[:size], data[size:]
        if kind == "f2":
            numbers = np.frombuffer(numbers, np.uint8).reshape(2, -1).T.tobytes()
        values = np.frombuffer(numbers, f"<{kind}").reshape(shape).astype("f4") * scales
        weights[name] = torch.from_numpy(values)
    assert not data
    model.load_state_dict(weights, strict=False)
    return model.eval()


def surprises(step: int, text: str) -> tuple[list[float], torch.Tensor, str]:
    """Nats of each token but the first, the chances of the next one, and the greedy dozen after."""
    model, tokenizer = unpacked()[step], past_models().final.tokenizer
    ids = tokens_of(model, tokenizer, text)
    with torch.no_grad():
        log = model(torch.tensor([ids]))[0].log_softmax(-1)
    nats = [-float(log[t, id_]) for t, id_ in enumerate(ids[1:])]
    end = tokenizer.special_tokens["<|end|>"]
    more = generate(model, torch.tensor([ids]), 12, temperature=0, stop=(end,))[0, len(ids) :]
    return nats, log[-1].exp(), tokenizer.decode(more.tolist())
