"""Focal loss (RetinaNet, arXiv 1708.02002) with a sigmoid for each class, and with a softmax.

Probabilities are clamped to the smallest normal float32 number before the logarithm, so that the
loss of one that rounds to 0 is 87.3 and not infinite.
"""

import torch
from torch import Tensor

from .kernel import in_working_dtype

SMALLEST = torch.finfo(torch.float32).tiny


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill `output` (N, C) with the loss of each class of each sample.

    Args:
        input: (N, C) logits.
        target: (N,) int64 class; any other number is the background.
        weight: (C,) factor for a sample by its class, or empty.
    """
    logits, weight = in_working_dtype(input, weight)
    is_class = one_hot(target, logits)
    probability, complement = probability_of_target(logits, is_class)
    share = torch.where(is_class, alpha, 1 - alpha)
    loss = -share * complement**gamma * probability.clamp(min=SMALLEST).log()
    output.copy_(weighted(loss, target, weight))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill `grad_input` (N, C) with the gradient of `sigmoid_focal_loss_forward`."""
    logits, weight = in_working_dtype(input, weight)
    is_class = one_hot(target, logits)
    probability, complement = probability_of_target(logits, is_class)
    share = torch.where(is_class, -alpha, 1 - alpha)
    surprise = probability * probability.clamp(min=SMALLEST).log()
    gradient = share * complement**gamma * (complement - gamma * surprise)
    grad_input.copy_(weighted(gradient, target, weight))


def one_hot(target: Tensor, logits: Tensor) -> Tensor:
    """(N, C) whether a class is the target of its sample."""
    return target[:, None] == torch.arange(logits.shape[1], device=logits.device)


def probability_of_target(logits: Tensor, is_class: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C) probability that the sigmoid gives to the binary target, and one minus it.

    Each is computed directly: as one minus the other a small probability would be rounded to 0.
    """
    yes = 1 / (1 + (-logits).exp())
    no = 1 - yes
    return torch.where(is_class, yes, no), torch.where(is_class, no, yes)


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill `output` (N,) with the loss of each sample; 0 where `target` is not a class.

    Args:
        input: (N, C) probabilities: MMCV has already taken the softmax.
        target: (N,) int64 class.
        weight: (C,) factor for a sample by its class, or empty.
    """
    probabilities, weight = in_working_dtype(input, weight)
    probability = probability_of_class(probabilities, target)
    loss = -alpha * (1 - probability) ** gamma * probability.clamp(min=SMALLEST).log()
    output.copy_(weighted(torch.where(is_labelled(target, input), loss, 0), target, weight))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill `grad_input` (N, C) with the gradient of `softmax_focal_loss_forward` to the logits.

    Args:
        buff: (N,) filled with the gradient to the logit of a class that has all the probability.
    """
    probabilities, weight = in_working_dtype(input, weight)
    probability = probability_of_class(probabilities, target)
    rest = 1 - probability
    surprise = probability * probability.clamp(min=SMALLEST).log()
    gradient = alpha * (gamma * rest ** (gamma - 1) * surprise - rest**gamma)
    gradient = weighted(torch.where(is_labelled(target, input), gradient, 0), target, weight)
    buff.copy_(gradient)
    towards_class = one_hot(target, probabilities).to(probabilities.dtype) - probabilities
    grad_input.copy_(gradient[:, None] * towards_class)


def is_labelled(target: Tensor, classes: Tensor) -> Tensor:
    """(N,) whether a target is one of the columns of `classes` (N, C)."""
    return (target >= 0) & (target < classes.shape[1])


def probability_of_class(probabilities: Tensor, target: Tensor) -> Tensor:
    """(N,) entry of each row of (N, C) at its target, or at the nearest column to it."""
    column = target.clamp(0, max(probabilities.shape[1] - 1, 0))
    return probabilities.gather(1, column[:, None])[:, 0]


def weighted(values: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """`values` (N, ...) times the weight of each sample's class; 1 where it has none."""
    if weight.numel() == 0:
        return values
    known = (target >= 0) & (target < len(weight))
    factor = torch.where(known, weight[target.clamp(0, len(weight) - 1)], 1)
    return values * factor.view(-1, *[1] * (values.dim() - 1))
