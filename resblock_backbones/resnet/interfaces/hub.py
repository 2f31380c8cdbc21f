"""Networks in folders and on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...options.errors import InputError
from .stored_network import CONFIG, WEIGHTS, read_network, write_network

_INSTALL = "is not installed: pip install 'resblock_backbones[hub]'"


class HubMethods:
    """``save_pretrained``, ``from_pretrained`` and ``push_to_hub``, as of the Hub's own models."""

    def save_pretrained(self, save_directory: str | Path, **arguments: Any) -> str | None:
        """Write ``config.json``, ``model.safetensors`` and a model card into a folder.

        Args:
            save_directory: the folder.
            arguments: of huggingface_hub's ``ModelHubMixin.save_pretrained``.

        Raises:
            InputError: an option is a class or a function that has no name in a file.
            ModuleNotFoundError: huggingface_hub or safetensors is not installed.

        Example:
            >>> import tempfile, torch
            >>> from resblock_backbones import FlexResNet
            >>> net, x = FlexResNet(18, width=0.25, attention="SE").eval(), torch.rand(1, 3, 32, 32)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = net.save_pretrained(folder)
            ...     again = FlexResNet.from_pretrained(folder)
            >>> again.plan == net.plan, torch.equal(again(x)[-1], net(x)[-1])
            (True, True)
        """
        return self._shelf().save_pretrained(save_directory, **arguments)

    def push_to_hub(self, repo_id: str, **arguments: Any) -> str:
        """Upload what ``save_pretrained`` writes.

        Args:
            repo_id: ``'user/name'``.
            arguments: of huggingface_hub's ``ModelHubMixin.push_to_hub``: ``private``, ``token``,
                ``commit_message``, ...

        Returns:
            The commit's URL.
        """
        return self._shelf().push_to_hub(repo_id, **arguments)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **options: Any,
    ) -> Any:
        """Build the network that ``save_pretrained`` stored, with its weights, in eval mode.

        Args:
            source: a folder, or a repository of the Hub.
            revision, cache_dir, token, local_files_only: of huggingface_hub's ``hf_hub_download``.
            options: of ``FlexResNet``, in place of the stored ones, as ``frozen_stages=1``.

        Raises:
            InputError: there is no such network, it is of a newer version, or damaged.
            ModuleNotFoundError: huggingface_hub or safetensors is not installed.
        """
        config, weights = stored_files(
            source,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
            local_files_only=local_files_only,
        )
        return read_network(cls, config, weights, options)

    def _shelf(self) -> Any:
        return shelf(lambda folder: write_network(self, folder), tags=["backbone", "resnet"])


def stored_files(source: str | Path, **arguments: Any) -> tuple[Path, Path]:
    """``config.json`` and ``model.safetensors`` of a folder, or of a repository of the Hub.

    Args:
        source: a folder, or ``'user/name'``.
        arguments: of huggingface_hub's ``hf_hub_download``.

    Raises:
        InputError: there is neither.
        ModuleNotFoundError: huggingface_hub or safetensors is not installed.
    """
    need("safetensors")
    if Path(source).is_dir():
        return Path(source, CONFIG), Path(source, WEIGHTS)
    config, weights = _download(str(source), **arguments)
    return config, weights


def shelf(write: Callable[[Path], None], tags: Sequence[str]) -> Any:
    """What ``write`` puts into a folder, with huggingface_hub's ways to store and upload it.

    Args:
        write: writes the files; huggingface_hub adds a model card where there is none.
        tags: of that card.

    Raises:
        ModuleNotFoundError: huggingface_hub or safetensors is not installed.
    """
    for library in ("huggingface_hub", "safetensors"):
        need(library)
    from huggingface_hub import ModelHubMixin

    class Shelf(ModelHubMixin, library_name="resblock_backbones", tags=list(tags)):
        def _save_pretrained(self, save_directory: Path) -> None:
            write(save_directory)

    return Shelf()


def _download(repo_id: str, **arguments: Any) -> list[Path]:
    need("huggingface_hub")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        return [Path(hf_hub_download(repo_id, name, **arguments)) for name in (CONFIG, WEIGHTS)]
    except (OSError, HFValidationError) as error:  # of the network, or no such repository or file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{repo_id}: neither a folder nor a repository that can be read: {reason}"
        ) from error


def need(library: str) -> None:
    """Refuse a library that is missing, with the way to install it."""
    try:
        __import__(library)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != library:
            raise
        raise ModuleNotFoundError(f"{library} {_INSTALL}", name=library) from error
