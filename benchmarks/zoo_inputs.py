"""Small random inputs, labelled, for every kind of model in both zoos.

They look as the data sets' pipelines leave them: images as uint8 (C, H, W), boxes as
(x1, y1, x2, y2) in pixels, masks as bitmaps, label maps as (1, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

#: Images in a batch: batch norm over 1x1 maps needs two.
BATCH = 2
#: Side of a square image, in pixels; divisible by every stride.
SIZE = 128
OBJECTS = 4
FRAMES = 2
#: CLRNet's head is made for images of this height and width, 72 points and 4 lanes.
LANES_SIZE = (320, 800)


class Inputs:
    """Makes the batches for one model.

    Args:
        model: the model's config.
        size: height and width of the images, in pixels.
        seed: of all random numbers.
    """

    def __init__(self, model: Mapping[str, Any], size: tuple[int, int], seed: int = 0) -> None:
        self.size = size
        self.random = np.random.default_rng(seed)
        counts = [n for n in values_of(model, "num_classes") if isinstance(n, int) and n > 0]
        things = list(values_of(model, "num_things_classes"))
        stuff = list(values_of(model, "num_stuff_classes"))
        #: Labels of objects are below this; the label map also has those of stuff.
        self.things = min([*counts, *things] or [1])
        self.labels = things[0] + stuff[0] if things and stuff else min(counts or [2])

    def image(self, *, frames: int = 0) -> torch.Tensor:
        """(3, H, W), or (frames, 3, H, W)."""
        shape = (frames, 3, *self.size) if frames else (3, *self.size)
        return torch.from_numpy(self.random.integers(0, 256, shape, dtype=np.uint8))

    def boxes(self, count: int) -> torch.Tensor:
        """(count, 4): from a quarter to three quarters of the image, inside it."""
        height, width = self.size
        whole = np.array([width, height])
        sides = self.random.uniform(0.25, 0.75, (count, 2)) * whole
        corners = self.random.uniform(0, 1, (count, 2)) * (whole - sides)
        return torch.from_numpy(np.concatenate([corners, corners + sides], 1)).float()

    def meta(self, number: int) -> dict[str, Any]:
        """What pipelines tell about an image."""
        height, width = self.size
        return {
            "img_id": number,
            "img_path": f"random-{number}.png",
            "img_shape": self.size,
            "ori_shape": self.size,
            "pad_shape": self.size,
            "scale_factor": (1.0, 1.0),
            "flip": False,
            "flip_direction": None,
            "border": np.array([0, height, 0, width], dtype=np.float32),  # of CenterNet's crop
            "homography_matrix": np.eye(3, dtype=np.float32),  # of semi-supervised training
        }

    def objects(self, count: int = OBJECTS) -> InstanceData:
        """Boxes, labels, elliptic masks and identities."""
        from mmdet.structures.bbox import HorizontalBoxes
        from mmdet.structures.mask import BitmapMasks

        boxes = self.boxes(count)
        y, x = np.mgrid[: self.size[0], : self.size[1]] + 0.5
        masks = [
            ((x - (x1 + x2) / 2) / (x2 - x1)) ** 2 + ((y - (y1 + y2) / 2) / (y2 - y1)) ** 2 < 0.25
            for x1, y1, x2, y2 in boxes.tolist()
        ]
        return InstanceData(
            bboxes=HorizontalBoxes(boxes),
            labels=torch.from_numpy(self.random.integers(0, self.things, count)),
            masks=BitmapMasks(np.stack(masks).astype(np.uint8), *self.size),
            instances_ids=torch.arange(count),
        )

    def label_map(self, labels: int) -> torch.Tensor:
        """(1, H, W): squares of random labels; a border of 255, which is ignored."""
        side = 8
        cells = [math.ceil(length / side) for length in self.size]
        coarse = self.random.integers(0, labels, cells).repeat(side, 0).repeat(side, 1)
        filled = coarse[: self.size[0], : self.size[1]].astype(np.int64)
        filled[:, :2] = 255
        return torch.from_numpy(filled)[None]

    def detection_sample(self, number: int, *, proposals: bool) -> BaseDataElement:
        """A `DetDataSample` with all kinds of labels."""
        from mmdet.structures import DetDataSample

        sample = DetDataSample(metainfo=self.meta(number))
        sample.gt_instances = self.objects()
        sample.ignored_instances = self.objects(1)[:0]
        sample.gt_sem_seg = PixelData(sem_seg=self.label_map(self.labels))
        if proposals:
            found = self.boxes(20)
            sample.proposals = InstanceData(
                bboxes=found, scores=torch.ones(len(found)), labels=torch.zeros(len(found)).long()
            )
        return sample

    def detection(self, *, proposals: bool = False) -> dict[str, Any]:
        """Images with objects; `proposals` for detectors that make none themselves."""
        return {
            "inputs": [self.image() for _ in range(BATCH)],
            "data_samples": [self.detection_sample(i, proposals=proposals) for i in range(BATCH)],
        }

    def semi_supervised(self) -> dict[str, Any]:
        """Three branches: labelled images, and others for the teacher and the student."""
        branches = {name: self.detection() for name in ("sup", "unsup_teacher", "unsup_student")}
        return {
            key: {name: batch[key] for name, batch in branches.items()}
            for key in ("inputs", "data_samples")
        }

    def video(self, *, batch: int, frames: int = FRAMES) -> dict[str, Any]:
        """Videos whose first frame is the key frame and whose objects are in every frame."""
        from mmdet.structures import TrackDataSample

        samples = []
        for number in range(batch):
            track = TrackDataSample(
                metainfo={"key_frames_inds": [0], "ref_frames_inds": list(range(1, frames))}
            )
            images = []
            for frame in range(frames):
                sample = self.detection_sample(number, proposals=False)
                sample.set_metainfo(
                    {
                        "frame_id": frame,
                        "video_id": number,
                        "video_length": frames,
                        "ori_video_length": frames,
                        "is_video_data": True,
                    }
                )
                # Pipelines of videos leave boxes as they read them.
                for kind in (sample.gt_instances, sample.ignored_instances):
                    kind.bboxes = kind.bboxes.tensor
                images.append(sample)
            track.video_data_samples = images
            samples.append(track)
        return {
            "inputs": [self.image(frames=frames) for _ in range(batch)],
            "data_samples": samples,
        }

    def lanes(self) -> dict[str, Any]:
        """Images with lanes: one upright, one slanted, two empty places."""
        samples = []
        for number in range(BATCH):
            lines = np.full((4, 78), -1e5, dtype=np.float32)
            lines[:, 0], lines[:, 1] = 1, 0
            for row, slope in enumerate((0.0, 2.0)):
                lines[row, :6] = 0, 1, 0, 300, 0.5 - 0.1 * row, 60
                lines[row, 6:66] = 300 + slope * np.arange(60)
            sample = BaseDataElement(metainfo=self.meta(number))
            sample.lines_array = lines
            sample.gt_sem_seg = PixelData(sem_seg=self.label_map(self.labels))
            sample.org_height, sample.org_width = self.size
            samples.append(sample)
        return {"inputs": [self.image() for _ in range(BATCH)], "data_samples": samples}

    def segmentation(self) -> dict[str, Any]:
        """Images with label maps, maps of edges, and depths in metres."""
        from mmseg.structures import SegDataSample

        samples = []
        for number in range(BATCH):
            sample = SegDataSample(metainfo=self.meta(number))
            labels = self.label_map(self.labels)
            sample.gt_sem_seg = PixelData(data=labels)
            edges = (labels != labels.roll(1, 1)) | (labels != labels.roll(1, 2))
            sample.gt_edge_map = PixelData(data=edges.long())
            depth = self.random.uniform(1, 9, (1, *self.size))
            sample.gt_depth_map = PixelData(data=torch.from_numpy(depth).float())
            samples.append(sample)
        return {"inputs": [self.image() for _ in range(BATCH)], "data_samples": samples}


def values_of(node: Any, key: str) -> Iterator[Any]:
    """Every value that stands under `key`, however deep."""
    if isinstance(node, Mapping):
        if key in node:
            yield node[key]
        node = list(node.values())
    if isinstance(node, list | tuple):
        for child in node:
            yield from values_of(child, key)
