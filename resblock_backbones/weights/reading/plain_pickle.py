"""Reading pickles of NumPy arrays and containers, as Detectron2 and Caffe2 write them."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .stand_ins import NUMPY, without_stand_ins


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Replaces ``_codecs.encode``, with which old protocols write bytes."""
    return text.encode("latin-1")


#: The only names that a pickle may import.
ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    **{(one.__module__, one.__name__): one for one in NUMPY},
}


class PlainUnpickler(pickle.Unpickler):
    """Unpickles numbers, text, containers and NumPy arrays, and refuses anything else.

    Raises:
        CheckpointError: the pickle names something that is not data.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise CheckpointError(
                f"refused, because it asks for {module}.{name}, which is not data: loading it "
                "could run code; save plain arrays instead"
            )
        return ADMITTED[module, name]


def read_plain_pickle(path: Path) -> Any:
    """The content of a pickle file, without running code from it.

    Raises:
        CheckpointError: it has more than containers and NumPy arrays.
        Exception: any error of pickle for a damaged file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "weights.pkl")
        ...     _ = path.write_bytes(pickle.dumps({"conv1_w": [1.0, 2.0]}))
        ...     read_plain_pickle(path)
        {'conv1_w': [1.0, 2.0]}
    """
    with path.open("rb") as opened:
        # Files of Python 2 have text in place of bytes.
        return without_stand_ins(PlainUnpickler(opened, encoding="latin1").load())
