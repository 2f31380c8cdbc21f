"""Predictions of a test in a file that is whole or not there."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from mmengine.evaluator import DumpResults

from ....files.whole import whole_file


class WholeDumpResults(DumpResults):
    """MMEngine's `DumpResults`, whose file gets its name when it is complete."""

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Write the file; there are no metrics."""
        with whole_file(Path(self.out_file_path)) as opened:
            pickle.dump(results, opened)
        return {}
