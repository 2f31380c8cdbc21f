"""Addresses of weights whose host is gone, and where the same files are kept today."""

from __future__ import annotations

import re

#: Beginning of an address that nobody answers -> of the copies. OpenMMLab's domain lapsed in June
#: 2026 (mmdetection's issues 12445 to 12447); OneDL, which maintains the packages, has its files.
MOVED = {"download.openmmlab.com": "mmassets.onedl.ai"}

#: How OpenMMLab names a file: the end of the stem is the beginning of its SHA-256.
PUBLISHED_HASH = re.compile(r"-([0-9a-f]{8})\.pth$")


def moved_to(url: str) -> str | None:
    """Where the file of an address is now, if its host is gone.

    >>> moved_to("https://download.openmmlab.com/pretrain/third_party/resnet50_v1c-2cccc1ad.pth")
    'https://mmassets.onedl.ai/pretrain/third_party/resnet50_v1c-2cccc1ad.pth'
    >>> moved_to("https://download.pytorch.org/models/resnet50-0676ba61.pth")
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"https://{MOVED[host]}/{path}" if host in MOVED and scheme.startswith("http") else None


def published_hash(name: str) -> str | None:
    """The beginning of a file's SHA-256, where its name tells it.

    >>> published_hash("faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth")
    '047c8118'
    """
    found = PUBLISHED_HASH.search(name)
    return found.group(1) if found else None
