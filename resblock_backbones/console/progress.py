"""Progress of long work on stderr: a bar on a terminal, a few lines in a log file."""

import sys
import time
from types import TracebackType
from typing import TextIO

BAR_WIDTH = 30


class Progress:
    """Counts steps and shows them.

    On a terminal one line is rewritten, at most ten times a second; otherwise a line is written at
    each quarter, which keeps log files short.

    Args:
        total: number of steps.
        title: what is counted.
        show: whether to write anything at all.
        stream: where to write; default: stderr.

    Example:
        >>> with Progress(total=4, title="images", stream=sys.stdout) as progress:
        ...     for _ in range(4):
        ...         progress.step()
        images: 1 of 4
        images: 2 of 4
        images: 3 of 4
        images: 4 of 4
    """

    def __init__(
        self, *, total: int, title: str, show: bool = True, stream: TextIO | None = None
    ) -> None:
        self.total = total
        self.title = title
        self.show = show
        self.stream = sys.stderr if stream is None else stream
        self.on_terminal = self.stream.isatty()
        self.done = 0
        self._written_at = 0.0
        self._line_open = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The next output, such as an error message, starts on a new line.
        if self._line_open:
            self.stream.write("\n")
            self.stream.flush()

    def step(self) -> None:
        """Count one step as done."""
        self.done += 1
        if not self.show:
            return
        if self.on_terminal:
            self._rewrite_bar()
        elif self.done * 4 // self.total > (self.done - 1) * 4 // self.total:
            self.stream.write(f"{self.title}: {self.done} of {self.total}\n")
            self.stream.flush()

    def _rewrite_bar(self) -> None:
        now = time.monotonic()
        if self.done < self.total and now - self._written_at < 0.1:
            return
        filled = "#" * (BAR_WIDTH * self.done // self.total)
        self.stream.write(f"\r{self.title} [{filled:<{BAR_WIDTH}}] {self.done}/{self.total}")
        self.stream.flush()
        self._written_at = now
        self._line_open = True
