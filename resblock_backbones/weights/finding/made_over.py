"""Networks whose tensors were put into another form, told by what that leaves in their names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

#: What stands in a name, what was done, and how it is undone.
KINDS = (
    (r"(?:^|\.)_?flat_param", "sharded by FSDP; save it with StateDictType.FULL_STATE_DICT"),
    (r"\.\w+_(?:orig|mask)$", "pruned; call torch.nn.utils.prune.remove before saving"),
    (
        r"\.parametrizations\.|\.weight_[gv]$",
        "parametrized; call torch.nn.utils.parametrize.remove_parametrizations before saving",
    ),
    (
        r"(?:^|\.)(?:\w*fake_quant\w*|activation_post_process\w*|zero_point|_packed_params)(?:\.|$)",
        "quantised; save it before that",
    ),
    (r"\.(?:base_layer|lora_\w+)\.", "given adapters by PEFT; call merge_and_unload() and save it"),
)
_PATTERNS = [(re.compile(pattern), what) for pattern, what in KINDS]


def how_made_over(tensors: Mapping[str, Tensor]) -> str:
    """What was done to a network with such names, and how it is undone; ``""`` for nothing known.

    >>> import torch
    >>> how_made_over({"layer1.0.conv1.weight_orig": torch.ones(2)})
    'pruned; call torch.nn.utils.prune.remove before saving'
    """
    for name, tensor in tensors.items():
        for pattern, what in _PATTERNS:
            if pattern.search(name):
                return what
        if name.endswith(".weight") and not tensor.numel():
            return "split by DeepSpeed; its zero_to_fp32.py makes one file of the parts"
    return ""
