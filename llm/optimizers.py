"""SGD, Adam and AdamW, written out; each says what it adds to the one before.

They take the steps of ``torch.optim``'s optimizers of the same names. Momentum: Polyak (1964);
Adam: Kingma and Ba (2015); decoupled weight decay: Loshchilov and Hutter (2019).
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


class _Optimizer(torch.optim.Optimizer):
    """The loop over parameters; a subclass says how one parameter moves."""

    def __init__(self, params: Iterable, lr: float, weight_decay: float, **defaults):
        for name, value in {"lr": lr, "weight_decay": weight_decay}.items():
            if not value >= 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **defaults})

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        """Move every parameter that has a gradient; returns ``closure()``'s loss, if given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, self.state[parameter], group)
        return loss

    def _move(self, parameter: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        raise TypeError(f"{type(self).__name__} must say how a parameter moves")


class SGD(_Optimizer):
    """w ← w − lr · v, where v ← momentum · v + g and g includes weight_decay · w."""

    def __init__(self, params, lr: float = 1e-2, momentum: float = 0.0, weight_decay: float = 0.0):
        _check_betas(momentum)
        super().__init__(params, lr, weight_decay, momentum=momentum)

    def _move(self, parameter, grad, state, group):
        velocity = grad + group["weight_decay"] * parameter
        if group["momentum"]:
            if "velocity" in state:
                velocity = velocity + group["momentum"] * state["velocity"]
            state["velocity"] = velocity.clone()
        parameter.sub_(group["lr"] * velocity)


class Adam(_Optimizer):
    """SGD with a step size of its own for each weight: w ← w − lr · m̂ / (√v̂ + eps).

    m and v are running means of the gradient and of its square; the hats divide by 1 − betaᵗ,
    since both start at 0.
    """

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        _check_betas(*betas)
        super().__init__(params, lr, weight_decay, betas=betas, eps=eps)

    def _move(self, parameter, grad, state, group):
        grad = grad + group["weight_decay"] * parameter
        self._adapt(parameter, grad, state, group)

    def _adapt(self, parameter, grad, state, group):
        if not state:
            state["t"] = 0
            state["m"], state["v"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        (beta1, beta2), m, v = group["betas"], state["m"], state["v"]
        state["t"] += 1
        m.lerp_(grad, 1 - beta1)
        v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        m_scale, v_scale = 1 - beta1 ** state["t"], 1 - beta2 ** state["t"]
        denominator = (v.sqrt() / v_scale**0.5).add_(group["eps"])
        parameter.addcdiv_(m, denominator, value=-group["lr"] / m_scale)


class AdamW(Adam):
    """Adam with the decay taken out of the gradient: w shrinks by lr · weight_decay · w itself."""

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)

    def _move(self, parameter, grad, state, group):
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        self._adapt(parameter, grad, state, group)


def _check_betas(*betas: float) -> None:
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"momentum and betas must be at least 0 and below 1, got {betas}")
