"""What the files of whole models are compared with their models on."""

import pytest
import torch

from resblock_backbones.deploy.models.compare import example_images


@pytest.mark.parametrize("size", [None, (320, 320), (64, 96)])
def test_no_two_places_of_an_image_look_alike(size):
    for batch in example_images(size=size):
        for image in batch:
            windows = torch.nn.functional.unfold(image[None].float(), 8, stride=4)[0].t()
            assert len(windows.unique(dim=0)) == len(windows)


def test_images_of_a_fixed_size_are_drawn_in_it():
    batches = example_images(size=(9, 200))
    assert [tuple(one.shape) for one in batches] == [(1, 3, 9, 200)] * 5
    assert {one.dtype for one in batches} == {torch.uint8}


def test_the_last_image_is_dark():
    *drawn, dark = example_images()
    assert int(dark.max()) < 16 and all(int(one.max()) > 150 for one in drawn)
