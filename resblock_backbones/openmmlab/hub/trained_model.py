"""A trained model in a folder: ``config.json``, ``model.safetensors`` and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...files.whole import write_whole
from ...options.errors import InputError
from ...resnet.interfaces.hub import shelf, stored_files
from ...resnet.interfaces.stored_network import CONFIG, WEIGHTS
from .card import model_card
from .facts import Facts, read_facts

CARD = "README.md"


@dataclass(frozen=True)
class TrainedModel:
    """The model of a run as it is stored.

    Attributes:
        facts: how to build it, and what the run measured.
        weights: the state dict.
    """

    facts: Facts
    weights: Mapping[str, Tensor]

    def save_pretrained(self, save_directory: str | Path, **arguments: Any) -> str | None:
        """Write the three files into a folder.

        Args:
            save_directory: the folder.
            arguments: of huggingface_hub's ``ModelHubMixin.save_pretrained``.

        Raises:
            ModuleNotFoundError: huggingface_hub or safetensors is not installed.
        """
        return self._shelf().save_pretrained(save_directory, **arguments)

    def push_to_hub(self, repo_id: str, **arguments: Any) -> str:
        """Upload what ``save_pretrained`` writes.

        Args:
            repo_id: ``'user/name'``.
            arguments: of huggingface_hub's ``ModelHubMixin.push_to_hub``: ``private``, ...

        Returns:
            The commit's URL.
        """
        return self._shelf().push_to_hub(repo_id, **arguments)

    @classmethod
    def from_pretrained(cls, source: str | Path, **arguments: Any) -> TrainedModel:
        """What ``save_pretrained`` stored.

        Args:
            source: a folder, or ``'user/name'`` of the Hub.
            arguments: of huggingface_hub's ``hf_hub_download``: ``revision``, ``token``, ...

        Raises:
            InputError: there is no such model, or it is of a newer version, or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        config_file, weights_file = stored_files(source, **arguments)
        facts = read_facts(config_file)
        try:
            weights = load_file(weights_file)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{weights_file}: cannot be read: {error}") from error
        return cls(facts, weights)

    def _shelf(self) -> Any:
        return shelf(self._write, tags=[])

    def _write(self, folder: Path) -> None:
        from safetensors.torch import save

        config, card = self.facts.as_json(), model_card(self.facts)
        # Copies: parts of a model that share their memory have no place in the file.
        tensors = {
            name: one.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, one in self.weights.items()
        }
        write_whole(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))
        write_whole(folder / CARD, card.encode())
        write_whole(folder / CONFIG, config.encode())
