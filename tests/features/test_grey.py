"""Features of a network for grey images, from images of any kind."""

import numpy as np
import torch
from PIL import Image

from resblock_backbones import FlexResNet
from resblock_backbones.data.image_files import find_images
from resblock_backbones.features.extract import extract_features
from resblock_backbones.features.feature_files import read_features
from resblock_backbones.weights.pixels import Pixels


def test_a_grey_network_sees_the_grey_of_an_image(tmp_path):
    torch.manual_seed(0)
    net = FlexResNet(18, width=0.25, in_channels=1).eval()
    photo = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    grey = Image.fromarray(photo).convert("L")
    Image.fromarray(np.asarray(grey).astype(np.uint16) << 8).save(tmp_path / "deep.png")
    pixels = Pixels((120.0,) * 3, (60.0,) * 3)
    extract_features(net, pixels, find_images([str(tmp_path)]), tmp_path / "out", progress=False)
    with torch.inference_mode():
        x = (torch.from_numpy(np.array(grey)).float()[None, None] - 120) / 60
        expected = net(x)[0][0]
    for name in ("photo", "deep"):
        found = read_features(tmp_path / f"out/{name}.npz").maps["layer1"]
        torch.testing.assert_close(found, expected)
