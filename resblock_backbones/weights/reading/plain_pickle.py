"""Reading pickles of numpy arrays and containers, as Detectron2 and Caffe2 write them."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .stand_ins import NUMPY, without_stand_ins


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """For ``_codecs.encode``, by which old protocols write bytes."""
    return text.encode("latin-1")


#: All that a pickle may name.
ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    **{(one.__module__, one.__name__): one for one in NUMPY},
}


class PlainUnpickler(pickle.Unpickler):
    """Unpickles numbers, text, containers and numpy arrays; refuses whatever else is named.

    Raises:
        CheckpointError: the pickle names something that is not data.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise CheckpointError(
                f"refused, because it asks for {module}.{name}, which is not data: loading it "
                "could run code; save plain arrays where you made it"
            )
        return ADMITTED[module, name]


def read_plain_pickle(path: Path) -> Any:
    """The content of a pickle file, without ever running what is in it.

    Raises:
        CheckpointError: it names more than containers and numpy arrays.
        Exception: whatever pickle says of a damaged file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "weights.pkl")
        ...     _ = path.write_bytes(pickle.dumps({"conv1_w": [1.0, 2.0]}))
        ...     read_plain_pickle(path)
        {'conv1_w': [1.0, 2.0]}
    """
    with path.open("rb") as opened:
        # Files of Python 2 hold text for bytes.
        return without_stand_ins(PlainUnpickler(opened, encoding="latin1").load())
