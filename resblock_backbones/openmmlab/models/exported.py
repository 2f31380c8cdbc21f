"""An exported file in the place of a config's model, for MMEngine's test loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from ...options.errors import InputError
from ...prediction.onnx_model import OnnxModel


class ExportedModel(BaseModel):
    """Gives MMEngine's metrics what a file finds in the images of the config's pipeline.

    Args:
        file: the `.onnx` file of `resblock export`.
        task: of the config, `detection` or `segmentation`.

    Raises:
        InputError: it cannot be read, is no whole model, or one of another task.
    """

    def __init__(self, file: str, task: str) -> None:
        super().__init__()
        self.model = OnnxModel(file)
        if self.model.card.task != task:
            raise InputError(
                f"{file}: is a model for {self.model.card.task}, and the config is for {task}"
            )

    def forward(
        self, inputs: Sequence[Tensor], data_samples: Sequence[Any], mode: str = "predict"
    ) -> list[Any]:
        """Predictions for images `(3, H, W)`, BGR, as the config's pipeline gives them."""
        results = []
        for image, sample in zip(inputs, data_samples, strict=True):
            pixels = image.permute(1, 2, 0).cpu().numpy()[..., ::-1][None]  # (1, H, W, 3), RGB
            size = sample.ori_shape
            scale = pixels.shape[2] / size[1], pixels.shape[1] / size[0]
            (found,) = self.model.run(pixels, size, scale)
            if found.label_map is not None:
                label_map = torch.from_numpy(np.ascontiguousarray(found.label_map))
                sample.pred_sem_seg = PixelData(data=label_map[None])
            else:
                objects = {"bboxes": found.boxes, "scores": found.scores, "labels": found.labels}
                if found.masks is not None:
                    objects["masks"] = np.asarray(found.masks)
                sample.pred_instances = InstanceData(
                    **{name: torch.from_numpy(value) for name, value in objects.items()}
                )
            results.append(sample)
        return results
