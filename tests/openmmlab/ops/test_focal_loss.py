"""Focal losses through mmcv.ops, against their formulas, torchvision and finite differences."""

import math

import pytest
import torch
import torchvision
from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss

PARAMETERS = [(2.0, 0.25), (0.0, 0.5), (1.5, 0.9)]
SMALLEST = 2.0**-126


def samples(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (8, 3), targets of which 3 is the background, weights of the classes."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 3, generator=generator, dtype=torch.float64) * 3
    targets = torch.tensor([0, 1, 2, 3, 1, 0, 3, 2])
    return logits.to(dtype), targets, torch.tensor([0.5, 2.0, 1.5], dtype=dtype)


def loss_of(probability: float, gamma: float, alpha: float) -> float:
    return -alpha * (1 - probability) ** gamma * math.log(max(probability, SMALLEST))


def sigmoid_losses(logits, targets, gamma, alpha, weight=None):
    """One loss for each class of each sample."""
    result = torch.zeros_like(logits)
    for n, target in enumerate(targets.tolist()):
        for c in range(logits.shape[1]):
            yes = 1 / (1 + math.exp(-float(logits[n, c])))
            is_class = c == target
            result[n, c] = loss_of(
                yes if is_class else 1 - yes, gamma, alpha if is_class else 1 - alpha
            )
            if weight is not None:
                result[n, c] *= weight[target]
    return result


def softmax_losses(logits, targets, gamma, alpha, weight=None):
    """One loss for each sample."""
    result = logits.new_zeros(len(logits))
    for n, target in enumerate(targets.tolist()):
        if target >= 0:
            powers = [math.exp(float(logit)) for logit in logits[n]]
            result[n] = loss_of(powers[target] / sum(powers), gamma, alpha)
            if weight is not None:
                result[n] *= weight[target]
    return result


@pytest.mark.parametrize(("gamma", "alpha"), PARAMETERS)
def test_each_class_has_the_loss_of_the_formula(gamma, alpha):
    logits, targets, weight = samples()
    expected = sigmoid_losses(logits, targets, gamma, alpha)
    result = sigmoid_focal_loss(logits, targets, gamma, alpha, None, "none")
    torch.testing.assert_close(result, expected)
    targets = targets.clamp(max=2)
    expected = sigmoid_losses(logits, targets, gamma, alpha, weight)
    for reduction, reduced in [
        ("none", expected),
        ("sum", expected.sum()),
        ("mean", expected.sum() / 8),  # over samples, not over classes
    ]:
        result = sigmoid_focal_loss(logits, targets, gamma, alpha, weight, reduction)
        torch.testing.assert_close(result, reduced)


def test_the_sigmoid_form_is_torchvisions_for_targets_as_ones():
    logits, targets, _ = samples()
    ones = torch.nn.functional.one_hot(targets, 4)[:, :3].double()
    expected = torchvision.ops.sigmoid_focal_loss(logits, ones, 0.25, 2.0)
    result = sigmoid_focal_loss(logits, targets, 2.0, 0.25, None, "none")
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(("gamma", "alpha"), PARAMETERS)
def test_each_sample_has_the_loss_of_the_formula(gamma, alpha):
    logits, targets, weight = samples()
    targets = targets.clamp(max=2)
    for weights in (None, weight):
        expected = softmax_losses(logits, targets, gamma, alpha, weights)
        for reduction, reduced in [
            ("none", expected),
            ("sum", expected.sum()),
            ("mean", expected.mean()),
        ]:
            result = softmax_focal_loss(logits, targets, gamma, alpha, weights, reduction)
            torch.testing.assert_close(result, reduced)


@pytest.mark.parametrize("loss", [sigmoid_focal_loss, softmax_focal_loss])
@pytest.mark.parametrize(("gamma", "alpha"), PARAMETERS)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("is_weighted", [True, False])
def test_gradients_are_those_of_finite_differences(loss, gamma, alpha, reduction, is_weighted):
    logits, targets, weight = samples()
    torch.autograd.gradcheck(
        lambda x: loss(
            x, targets.clamp(max=2), gamma, alpha, weight if is_weighted else None, reduction
        ),
        logits.requires_grad_(),
    )


def test_the_gradient_of_unreduced_sigmoid_losses_and_of_the_background():
    logits, targets, _ = samples()
    torch.autograd.gradcheck(
        lambda x: sigmoid_focal_loss(x, targets, 2.0, 0.25, None, "none"), logits.requires_grad_()
    )


def test_a_probability_that_rounds_to_zero_costs_what_the_smallest_number_does():
    logits = torch.tensor([[100.0, -200.0]], requires_grad=True)
    result = sigmoid_focal_loss(logits, torch.tensor([1]), 2.0, 0.25, None, "none")
    most = -math.log(SMALLEST)
    torch.testing.assert_close(result, torch.tensor([[0.75 * most, 0.25 * most]]))
    result.sum().backward()
    assert logits.grad.isfinite().all()
    (result,) = softmax_focal_loss(logits.detach(), torch.tensor([1]), 2.0, 0.25, None, "none")
    assert result.item() == pytest.approx(0.25 * most)


def test_labels_below_zero_are_ignored_by_the_softmax_form():
    logits, targets, weight = samples()
    targets = torch.tensor([0, -1, 2, -1, 1, 0, -1, 2])
    logits.requires_grad_()
    for weights in (None, weight):
        result = softmax_focal_loss(logits, targets, 2.0, 0.25, weights, "sum")
        expected = softmax_losses(logits.detach(), targets, 2.0, 0.25, weights).sum()
        torch.testing.assert_close(result.detach(), expected)
        (gradient,) = torch.autograd.grad(result, logits)
        assert not gradient[targets < 0].any()
        assert gradient[targets >= 0].all()


def test_the_background_has_no_weight_to_be_multiplied_by():
    logits, targets, weight = samples()
    plain, weighted = (
        sigmoid_focal_loss(logits, targets, 2.0, 0.25, w, "none") for w in (None, weight)
    )
    torch.testing.assert_close(weighted[targets == 3], plain[targets == 3])


@pytest.mark.parametrize("loss", [sigmoid_focal_loss, softmax_focal_loss])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_other_dtypes_are_close_to_the_exact_result(loss, dtype):
    logits, targets, weight = samples(dtype)
    targets = targets.clamp(max=2)
    logits.requires_grad_()
    exact = logits.detach().double().requires_grad_()
    result = loss(logits, targets, 2.0, 0.25, weight, "sum")
    expected = loss(exact, targets, 2.0, 0.25, weight.double(), "sum")
    assert result.dtype == dtype
    tolerance = {torch.float16: 1e-2, torch.bfloat16: 5e-2, torch.float32: 1e-5}[dtype]
    torch.testing.assert_close(result.double(), expected, rtol=tolerance, atol=tolerance)
    result.backward()
    expected.backward()
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("loss", [sigmoid_focal_loss, softmax_focal_loss])
def test_no_samples_have_no_loss(loss):
    logits = torch.zeros(0, 3, requires_grad=True)
    result = loss(logits, torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, "sum")
    assert result.item() == 0
    result.backward()
    assert logits.grad.shape == (0, 3)


def test_autocast_keeps_the_numbers():
    logits, targets, _ = samples(torch.float32)
    expected = sigmoid_focal_loss(logits, targets, 2.0, 0.25, None, "none")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = sigmoid_focal_loss(logits, targets, 2.0, 0.25, None, "none")
    assert torch.equal(result, expected)
