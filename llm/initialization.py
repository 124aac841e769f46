"""How the weights of a model start: small random numbers, of a size that keeps signals in bounds.

GPT-2's way: Radford et al. (2019, section 2.3). Xavier: Glorot and Bengio (2010, equation 16).
"""

import math
from collections.abc import Callable

from torch import Tensor, nn

WRITERS = ("out_proj.weight", "down_proj.weight")  # what writes to the residual stream
MAPS = ("_proj.weight", "lm_head.weight")


def initialize(model: nn.Module, scheme: str = "normal", std: float = 0.02) -> None:
    """Draw all matrices of a transformer anew, and set its biases to 0; norms stay as they are.

    ``"normal"`` draws from N(0, σ²) with σ = ``std``, and divides what writes to the residual
    stream by √(2 · n_layers), so that the sum of 2 · n_layers such writes does not grow with the
    depth.
    ``"xavier"`` draws a linear map of shape (out, in) uniformly from ±√(6 / (in + out)), which
    keeps the variance of signals and of gradients about equal; tables are drawn as above. Raises
    ``ValueError`` for another scheme.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme={scheme!r}: choose one of {', '.join(SCHEMES)}")
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2:
            SCHEMES[scheme](name, parameter, std, model.config.n_layers)
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def _normal(name: str, matrix: Tensor, std: float, n_layers: int) -> None:
    share = math.sqrt(2 * n_layers) if name.endswith(WRITERS) else 1
    nn.init.normal_(matrix, std=std / share)


def _xavier(name: str, matrix: Tensor, std: float, n_layers: int) -> None:
    if name.endswith(MAPS):
        nn.init.xavier_uniform_(matrix)
    else:
        nn.init.normal_(matrix, std=std)


SCHEMES: dict[str, Callable[[str, Tensor, float, int], None]] = {
    "normal": _normal,
    "xavier": _xavier,
}
