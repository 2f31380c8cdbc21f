"""Reading and writing video files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..data.errors import ImageError

SUFFIXES = frozenset([".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"])
#: Used if the file does not say.
FRAMES_PER_SECOND = 25.0
#: Codecs that OpenCV can write on most machines, the best first.
WRITERS = ((".mp4", "mp4v"), (".avi", "MJPG"))


class Video:
    """The frames of a video file, each `(H, W, 3)`, BGR, uint8.

    Attributes:
        frames: number of frames according to the file; 0 if it does not say.
        rate: frames per second.

    Raises:
        ImageError: the file is not a video that OpenCV can read.
    """

    def __init__(self, file: Path) -> None:
        # Otherwise FFmpeg prints messages of its own about damaged files.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        cv2.setLogLevel(0)
        self.file = file
        if not file.is_file():
            raise ImageError(f"{file}: there is no such video")
        self._capture = cv2.VideoCapture(str(file))
        known = self._capture.isOpened()
        self._first = self._capture.read()[1] if known else None
        if self._first is None:
            raise ImageError(f"{file}: cannot be read as a video")
        self.frames = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS)) or FRAMES_PER_SECOND

    def __iter__(self) -> Iterator[np.ndarray]:
        frame: Any = self._first
        while frame is not None:
            yield frame
            frame = self._capture.read()[1]
        self._capture.release()


class VideoWriter:
    """Writes frames to a video file that gets its name only when it is complete.

    Args:
        file: without suffix; the first codec that works on this machine determines it.
        rate: frames per second.

    Attributes:
        file: with suffix; known after the first frame.
    """

    def __init__(self, file: Path, rate: float) -> None:
        self.file, self._rate = file, rate
        self._writer: Any = None
        self._part = file

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a frame `(H, W, 3)`, RGB."""
        # Codecs need even sizes, and OpenCV would silently cut off a row or column.
        height, width = frame.shape[:2]
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._writer is None:
            self._open((frame.shape[1], frame.shape[0]))
        self._writer.write(np.ascontiguousarray(frame[..., ::-1]))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._part.replace(self.file)
        else:
            self._part.unlink(missing_ok=True)

    def _open(self, size: tuple[int, int]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        for suffix, codec in WRITERS:
            target = self.file.with_name(self.file.name + suffix)
            self._part = target.with_name(f".{self.file.name}.{os.getpid()}.part{suffix}")
            code = cv2.VideoWriter_fourcc(*codec)  # type: ignore[attr-defined]
            self._writer = cv2.VideoWriter(str(self._part), code, self._rate, size)
            if self._writer.isOpened():
                self.file = target
                return
        raise ImageError(f"{self.file}: OpenCV has no codec to write a video on this machine")
