"""Fine-tuning: going on from a trained model, with all of its weights, some, or a few new ones.

Freezing by name, LoRA (Hu et al., 2021), batches whose loss counts the answer only, a short loop,
and the loss of direct preference optimization (Rafailov et al., 2023). The task is made up: short
questions about the stories, in a form that the storyteller has never read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from llm.checkpoint import write_atomically
from llm.data import stories, story_ids
from llm.output import cross_entropy
from llm.story_words import WORDS
from llm.training import IGNORE

ADAPTED = ("blocks.*_proj",)


def freeze(model: nn.Module, *patterns: str) -> list[str]:
    """Stop the parameters whose names match from being trained; returns the names.

    Patterns are those of a shell: ``freeze(model, "embeddings.*", "blocks.[01].*")``. A tied matrix
    answers to its first name only. Raises ``ValueError`` for a pattern that matches nothing.
    """
    return _set_trainable(model, patterns, False)


def unfreeze(model: nn.Module, *patterns: str) -> list[str]:
    """Let the parameters whose names match be trained again; see :func:`freeze`."""
    return _set_trainable(model, patterns, True)


def _set_trainable(model: nn.Module, patterns: Sequence[str], trainable: bool) -> list[str]:
    parameters = dict(model.named_parameters())
    names = _matching(list(parameters), patterns)
    for name in names:
        parameters[name].requires_grad_(trainable)
        parameters[name].grad = None  # a stale one would still be a step
    return names


def _matching(names: list[str], patterns: Sequence[str]) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{pattern!r} matches none of {len(names)} names, such as {names[-1]}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


class LoRALinear(nn.Linear):
    """A frozen linear layer plus a trained product of two thin matrices.

    ``y = W x + (alpha / rank) · B A x`` with W ``(out, in)``, A ``(rank, in)``, B ``(out, rank)``.
    B starts at 0, so that the layer starts as it was. Source: Hu et al. (2021), section 4.1.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float | None = None):
        n_out, n_in = linear.weight.shape
        if not 1 <= rank <= min(n_out, n_in):
            raise ValueError(f"rank={rank} must be at least 1 and at most {min(n_out, n_in)}")
        super().__init__(n_in, n_out, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.scale = (rank if alpha is None else alpha) / rank
        a = torch.randn(rank, n_in) / n_in**0.5  # drawn on the CPU, then moved
        self.A = nn.Parameter(a.to(linear.weight))
        self.B = nn.Parameter(linear.weight.new_zeros(n_out, rank))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.scale * (x @ self.A.T @ self.B.T)  # (…, in) -> (…, out)

    def merged(self) -> nn.Linear:
        """An ordinary layer with ``W + scale · B A`` in place of W."""
        linear = nn.Linear(*self.weight.T.shape, bias=False, device="meta")
        linear.weight = nn.Parameter((self.weight + self.scale * self.B @ self.A).detach())
        linear.bias = self.bias
        return linear


def add_lora(model: nn.Module, *patterns: str, rank: int = 3, alpha: float | None = None) -> list:
    """Freeze the whole model and give its linear layers that match an adapter; returns their names.

    Without patterns those in the blocks are meant. ``alpha`` is the rank unless given. Raises
    ``ValueError`` for a pattern without a layer, and for a model that has adapters already.
    """
    if _adapters(model):
        raise ValueError("the model has adapters: merge_lora(model) first, or load it again")
    linear = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    names = _matching(linear, patterns or ADAPTED)
    model.requires_grad_(False)
    for name in names:
        _replace(model, name, LoRALinear(model.get_submodule(name), rank, alpha))
    return names


def merge_lora(model: nn.Module) -> nn.Module:
    """Fold every adapter into its layer: the same function with the parts of the old model."""
    for name, adapter in _adapters(model).items():
        _replace(model, name, adapter.merged())
    return model.requires_grad_(True)


def save_lora(path: str | Path, model: nn.Module) -> None:
    """Write the adapters alone, with what is needed to add them again, as safetensors."""
    adapters, tensors = _adapters(model), {}
    if not adapters:
        raise ValueError("the model has no adapters: add_lora(model) first")
    for name, layer in adapters.items():
        tensors |= {f"{name}.A": layer.A.detach().cpu(), f"{name}.B": layer.B.detach().cpu()}
        tensors["scale"] = torch.tensor(layer.scale)
    write_atomically(path, save(tensors))


def load_lora(path: str | Path, model: nn.Module) -> nn.Module:
    """Add the adapters of a file to a model like the one that they were trained on.

    Raises ``ValueError`` for layers that the model does not have, or of another shape.
    """
    tensors = load_file(path)
    scale, shapes = float(tensors.pop("scale")), {k: v.shape for k, v in model.named_parameters()}
    names = sorted({name.rpartition(".")[0] for name in tensors})
    for name in names:
        wanted = (len(tensors[f"{name}.B"]), tensors[f"{name}.A"].shape[1])
        if shapes.get(f"{name}.weight") != wanted:
            raise ValueError(f"{path} adapts {name} {wanted}, which this model does not have")
    rank = len(tensors[f"{names[0]}.A"])
    add_lora(model, *names, rank=rank, alpha=scale * rank)
    model.load_state_dict(tensors, strict=False)
    return model


def _adapters(model: nn.Module) -> dict[str, LoRALinear]:
    return {name: part for name, part in model.named_modules() if isinstance(part, LoRALinear)}


def _replace(model: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, part)


class Example(NamedTuple):
    """A story, a question about it, its answer in one word, and what is asked for."""

    story: str
    question: str
    answer: str
    kind: str


QUESTIONS = {
    "owner": "Who has the {colour} {thing} now?",
    "finder": "Who found the {colour} {thing}?",
    "colour": "What colour has the {thing}?",
    "place": "Where was the {thing}?",
}


def story_questions(n: int, seed: int = 0, kinds: Sequence[str] = tuple(QUESTIONS)[:2]) -> list:
    """``n`` stories of one event, without their closing question, each with one of our own.

    ``kinds`` are the keys of :data:`QUESTIONS` from which each is drawn: those whose answer is a
    name, unless given.
    """
    corpus = stories(n, seed, replace(WORDS, max_events=1))
    random, examples = Random(seed), []
    for document in corpus.documents:
        told = corpus.told(document)
        words = [word.word for word in told]
        start = words.index("found")  # Ravi found a red kite in the pond
        finder, _, _, colour, thing, _, _, place = words[start - 1 : start + 7]
        answers = {"finder": finder, "place": place, "colour": colour}
        answers["owner"] = next(word.word for word in reversed(told) if word.kind == "owner")
        kind = random.choice(kinds)
        story = document[: document.rindex(" Who has the")]
        question = QUESTIONS[kind].format(colour=colour, thing=thing)
        examples.append(Example(story, question, answers[kind], kind))
    return examples


def prompt_ids(tokenizer, story: str, question: str) -> list[int]:
    """begin, the story, the mark of a question, the question, the mark of an answer."""
    special = tokenizer.special_tokens
    before = [special["<|begin|>"], *tokenizer.encode(story), special["<|question|>"]]
    return [*before, *tokenizer.encode(" " + question), special["<|answer|>"]]


def instruction_batch(
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]], pad: int = 0
) -> tuple[Tensor, Tensor]:
    """Prompts and answers as ``(inputs, targets)``, ``(B, T)`` each, the loss on answers only.

    Targets are the inputs one place on; where that is a token of the prompt, or padding, stands
    −100. The prompt's last token is the first that is asked for something.

    >>> instruction_batch([([7, 8, 9], [4, 5])])
    (tensor([[7, 8, 9, 4]]), tensor([[-100, -100, 4, 5]]))
    """
    if not all(len(prompt) and len(answer) for prompt, answer in pairs):
        raise ValueError("each prompt and each answer needs at least one token")
    T = max(len(prompt) + len(answer) for prompt, answer in pairs) - 1
    inputs, targets = torch.full((len(pairs), T), pad), torch.full((len(pairs), T), IGNORE)
    for row, (prompt, answer) in enumerate(pairs):
        ids = torch.tensor([*prompt, *answer])
        inputs[row, : len(ids) - 1] = ids[:-1]
        targets[row, len(prompt) - 1 : len(ids) - 1] = ids[len(prompt) :]
    return inputs, targets


def question_batches(
    tokenizer, examples: Sequence[Example], size: int, seed: int = 0, mix: Sequence[str] = ()
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end, drawn at random, of questions whose answer is a word and the end.

    With stories to ``mix`` in, every four questions bring one of them, with the loss on all of it.
    """
    random, end = Random(seed), tokenizer.special_tokens["<|end|>"]
    while True:
        pairs = []
        for e in random.choices(examples, k=size):
            answer = [*tokenizer.encode(f" {e.answer}"), end]
            pairs.append((prompt_ids(tokenizer, e.story, e.question), answer))
        for row in (
            story_ids(tokenizer, text) for text in random.choices(mix, k=size // 4 if mix else 0)
        ):
            pairs.append((row[:1], row[1:]))
        yield instruction_batch(pairs)


def fine_tune(
    model: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    steps: int,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    watch: Callable[[int, float], None] = lambda step, loss: None,
) -> list[float]:
    """Train what is not frozen on so many batches; the loss of each step, in nats a target.

    The rate falls in a line to 0. ``watch(step, loss)`` is called after each step. Raises
    ``ValueError`` when all is frozen.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("every parameter is frozen: unfreeze some, or add_lora(model)")
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=weight_decay)
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    device, losses = trained[0].device, []
    for step, (inputs, targets) in zip(range(1, steps + 1), batches, strict=False):
        model.train()
        loss = cross_entropy(model(inputs.to(device)), targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        falling.step()
        losses.append(loss.item())
        watch(step, losses[-1])
    model.eval()
    return losses


@torch.no_grad()
def answers(model: nn.Module, tokenizer, examples: Sequence[Example]) -> list[str]:
    """The model's first choice of one word for each question."""
    rows = [prompt_ids(tokenizer, e.story, e.question) for e in examples]
    inputs, targets = instruction_batch([(row, [0]) for row in rows])
    logits = model(inputs.to(next(model.parameters()).device)).cpu()
    chosen = logits[targets != IGNORE].argmax(-1)  # (B, T, V) -> (B,)
    return [tokenizer.decode([i]).strip() for i in chosen.tolist()]


def answer_log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    """The log-probability of each answer ``(B,)``: its tokens' sum, places of −100 left out."""
    kept = targets != IGNORE
    log_probs = logits.log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return (log_probs * kept).sum(-1)  # (B, T) -> (B,)


def dpo_loss(
    chosen: Tensor, rejected: Tensor, old_chosen: Tensor, old_rejected: Tensor, beta: float = 0.1
) -> Tensor:
    """How little the model has come to prefer the chosen answers, more than the old one did.

    Four log-probabilities of answers, ``(B,)`` each; the mean of −log σ(beta · margin), where the
    margin is (chosen − rejected) − (old chosen − old rejected). Before training it is ln 2.
    Source: Rafailov et al. (2023), equation 7.
    """
    if not beta > 0:
        raise ValueError(f"beta must be positive, got {beta}")
    margin = (chosen - rejected) - (old_chosen - old_rejected)
    return -nn.functional.logsigmoid(beta * margin).mean()
