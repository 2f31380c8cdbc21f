"""Line NMS through mmcv.ops, against its definition."""

import pytest
import torch

from resblock_backbones.openmmlab.ops.boxes import line_nms as module

line_nms = pytest.importorskip("mmcv.ops.line_nms", reason="not in this MMCV").line_nms

STRIPS = 72


def some_lines(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Lines in three bundles, of different starts and lengths; scores that all differ."""
    generator = torch.Generator().manual_seed(seed)
    lines = torch.zeros(count, 5 + STRIPS)
    lines[:, 2] = torch.rand(count, generator=generator) * 0.7
    lines[:, 4] = torch.rand(count, generator=generator) * 60
    bundle = torch.randint(0, 3, (count, 1), generator=generator)
    lines[:, 5:] = bundle * 100 + torch.randn(count, STRIPS, generator=generator) * 20
    return lines, torch.rand(count, generator=generator)


def literal(lines, scores, threshold, top_k):
    """Kept lines by falling score, and for each line the number of the last that it lies at."""

    def span(line):
        first = int(float(line[2]) * (STRIPS - 1) + 0.5)
        return first, min(first + int(line[4]) - 1, STRIPS - 1)

    def close(a, b):
        (first_a, last_a), (first_b, last_b) = span(a), span(b)
        first, last = max(first_a, first_b), min(last_a, last_b)
        if last < first:
            return False
        distances = [abs(float(a[5 + s]) - float(b[5 + s])) for s in range(first, last + 1)]
        return sum(distances) / len(distances) < threshold

    order = sorted(range(len(lines)), key=lambda i: -float(scores[i]))
    kept, parent, gone = [], [0] * len(lines), set()
    for position, i in enumerate(order):
        if i in gone or len(kept) == top_k:
            continue
        kept.append(i)
        parent[i] = len(kept)
        for j in order[position + 1 :]:
            if close(lines[i], lines[j]):
                gone.add(j)
                parent[j] = len(kept)
    return kept, parent


@pytest.mark.parametrize("top_k", [3, 100])
@pytest.mark.parametrize("threshold", [15.0, 25.0])
def test_it_follows_the_definition(top_k, threshold):
    for seed in range(3):
        lines, scores = some_lines(25, seed)
        kept, parent = literal(lines, scores, threshold, top_k)
        keep, number, parents = line_nms(lines, scores, threshold, top_k)
        assert number.item() == len(kept)
        assert keep.tolist() == kept + [0] * (25 - len(kept))
        assert parents.tolist() == parent
        assert keep[:number].tolist() == kept  # as MMDetection uses it


def test_lines_without_a_common_strip_are_not_compared():
    lines, scores = some_lines(2, seed=0)
    lines[:, 5:] = 0
    lines[0, [2, 4]], lines[1, [2, 4]] = torch.tensor([0.0, 10]), torch.tensor([0.5, 10])
    assert line_nms(lines, scores, 1.0, 5)[1].item() == 2
    lines[1, 2] = 0.1
    assert line_nms(lines, scores, 1.0, 5)[1].item() == 1


def test_results_do_not_depend_on_how_many_lines_are_compared_together(monkeypatch):
    lines, scores = some_lines(20, seed=4)
    expected = line_nms(lines, scores, 20.0, 9)
    monkeypatch.setattr(module, "LINES_AT_ONCE", 3)
    torch.testing.assert_close(line_nms(lines, scores, 20.0, 9), expected)


def test_no_lines_give_no_lines():
    keep, number, parents = line_nms(torch.zeros(0, 5 + STRIPS), torch.zeros(0), 10.0, 5)
    assert (len(keep), number.item(), len(parents)) == (0, 0, 0)
