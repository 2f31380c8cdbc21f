"""MMEngine's runner with ten changes.

The terminal output is short, a truncated image is an error, several processes work without a GPU,
weights that do not fit the model are an error, annotations that were repaired are read from a copy,
a part of the config that cannot be built, or fails when it is first used, is told in one line, what
cannot be trained well is told before the first iteration, a validation without the metric that
chooses the best checkpoint does not end the run, COCO's numbers come from faster-coco-eval where
that is installed, and convolutional models train in channels last in half precision on a GPU.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.evaluator import Evaluator
from mmengine.model import MMDistributedDataParallel, is_model_wrapper, revert_sync_batchnorm
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from ...resnet.network import FlexResNet
from ...resnet.random_weights import random_parts
from ...weights import CheckpointError
from ..datasets.copies import with_copies
from ..datasets.images import LoadWholeImageFromFile
from ..datasets.pipelines import kind_of
from ..models.model_weights import behind_wrappers, compare_weights
from .amp import convert_to_channels_last
from .evaluation.choose import with_faster_coco
from .screen import quiet_screen_handlers, raise_of_log_files
from .setup.batches import check_batches
from .setup.first_steps import first_steps_told
from .setup.hooks import check_checkpoint_hook, check_default_hooks
from .setup.mistakes import built_from
from .setup.optimizers import check_optimizer, fit_constructor, rules_without_parameters
from .watching.checkpoints import BestCheckpointHook


class FlexRunner(Runner):
    """`mmengine.runner.Runner` for the tools; takes the same arguments.

    Attributes:
        needs_all_weights: whether a checkpoint must have every weight of the model, as for testing,
            or only some, as for fine-tuning.
        classes_of_test: by label, as the test set has them; empty where that is not known.
        annotation_copies: annotation file -> the repaired copy that is read in its place.
        reached: names of the hooks' methods that were called in training so far.
    """

    needs_all_weights = False
    classes_of_test: tuple[str, ...] = ()
    annotation_copies: Mapping[Path, Path] = {}
    reached: set[str] | None = None

    @built_from("env_cfg")
    def setup_env(self, *args: Any, **kwargs: Any) -> None:
        super().setup_env(*args, **kwargs)

    @built_from("randomness")
    def set_randomness(self, *args: Any, **kwargs: Any) -> None:
        super().set_randomness(*args, **kwargs)

    @built_from("log_processor")
    def build_log_processor(self, *args: Any, **kwargs: Any) -> Any:
        return super().build_log_processor(*args, **kwargs)

    @built_from("log_level")
    def build_logger(self, *args: Any, **kwargs: Any) -> logging.Logger:
        logger = super().build_logger(*args, **kwargs)
        quiet_screen_handlers(logger)
        raise_of_log_files(logger)
        return logger

    @built_from("model")
    def build_model(self, model: nn.Module | dict) -> nn.Module:
        return super().build_model(model)

    @built_from("visualizer")
    def build_visualizer(self, *args: Any, **kwargs: Any) -> Any:
        return super().build_visualizer(*args, **kwargs)

    @built_from("default_hooks or custom_hooks")
    def register_hook(self, hook: Any, *args: Any, **kwargs: Any) -> None:
        if kind_of(hook) == "CheckpointHook":
            check_checkpoint_hook(hook)
            hook = {**hook, "type": BestCheckpointHook}
        super().register_hook(hook, *args, **kwargs)

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        if self.reached is not None:
            self.reached.add(fn_name)
        super().call_hook(fn_name, **kwargs)

    def train(self) -> nn.Module:
        self.reached = set()
        with first_steps_told(self.reached):
            return super().train()

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        check_default_hooks(hooks)
        super().register_default_hooks(hooks)

    @built_from("train_cfg")
    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        built = super().build_train_loop(loop)
        self.model.train()
        check_batches(built.dataloader, self.model)
        return built

    @built_from("val_cfg")
    def build_val_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        return super().build_val_loop(loop)

    @built_from("test_cfg")
    def build_test_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        return super().build_test_loop(loop)

    @built_from("optim_wrapper")
    def build_optim_wrapper(self, optim_wrapper: Any) -> OptimWrapper | OptimWrapperDict:
        check_optimizer(optim_wrapper)
        for warning in rules_without_parameters(optim_wrapper, self.model):
            self.logger.warning(warning)
        return super().build_optim_wrapper(fit_constructor(optim_wrapper, self.model))

    @built_from("param_scheduler")
    def build_param_scheduler(self, *args: Any, **kwargs: Any) -> Any:
        return super().build_param_scheduler(*args, **kwargs)

    def _maybe_compile(self, target: str) -> None:
        # The heads of a detector fall into a hundred graphs, which take minutes to compile and save
        # nothing; backbone and neck are one graph each and most of the time.
        given = self.cfg.get("compile")
        if not given and not isinstance(given, dict):
            return
        model = self.model.module if is_model_wrapper(self.model) else self.model
        found = [getattr(model, name, None) for name in ("backbone", "neck")]
        parts = [part for part in found if isinstance(part, nn.Module)]
        if not parts:
            super()._maybe_compile(target)
        for part in parts:
            part.compile(**(given if isinstance(given, dict) else {}))
            self.logger.info(f"{type(part).__name__} is compiled at the first iterations")

    def load_or_resume(self) -> None:
        super().load_or_resume()
        # Here rather than at the first forward pass, so that it is in the log of the run.
        for name, module in self.model.named_modules():
            if isinstance(module, FlexResNet) and (parts := random_parts(module)):
                module.weights_are_given = True
                self.logger.warning(
                    f"{name.removeprefix('module.')}: trains with random values that stay as they "
                    f"are: {' and '.join(parts)}; set init_cfg, or train from scratch with "
                    "frozen_stages=-1, norm_eval=False"
                )

    @built_from("val_evaluator or test_evaluator")
    def build_evaluator(self, evaluator: Any) -> Evaluator:
        faster = with_faster_coco(with_copies(evaluator, self.annotation_copies))
        return super().build_evaluator(faster)

    @built_from("a dataloader")
    def build_dataloader(  # static in MMEngine, which calls it on a runner
        self, dataloader: DataLoader | dict, *args: Any, **kwargs: Any
    ) -> DataLoader:
        if isinstance(dataloader, dict):
            # Here and not in the config, so that the saved config is as it was written.
            dataloader = copy.deepcopy(with_copies(dataloader, self.annotation_copies))
            _refuse_truncated_images(dataloader)
        return Runner.build_dataloader(dataloader, *args, **kwargs)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        wrapper = self.cfg.get("optim_wrapper")
        if isinstance(wrapper, dict) and self.cfg.get("channels_last", True):
            # Before the parameters are wrapped, so that gradients have the same format.
            device = torch.device(get_device())
            for line in convert_to_channels_last(model, wrapper, device):
                self.logger.info(line)
        if not self.distributed or torch.cuda.is_available():
            return super().wrap_model(model_wrapper_cfg, model)
        # SyncBN works on GPUs only, and a model on the CPU has no device id.
        return MMDistributedDataParallel(
            module=revert_sync_batchnorm(model),
            broadcast_buffers=False,
            find_unused_parameters=self.cfg.get("find_unused_parameters", False),
        )

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable = "cpu",
        strict: bool = False,
        revise_keys: list | None = None,
    ) -> dict:
        """Load weights as MMEngine does, and check that they fit.

        Raises:
            CheckpointError: nothing in it fits the model, some of the model's weights are
                missing although all are needed, or its classes have another order than those of
                the test set.
        """
        revise_keys = [(r"^module\.", "")] if revise_keys is None else revise_keys
        checkpoint = super().load_checkpoint(filename, map_location, strict, revise_keys)
        self._check_weights(filename, checkpoint.get("state_dict", checkpoint), revise_keys)
        self._check_classes(filename, checkpoint.get("meta") or {})
        return checkpoint

    def _check_classes(self, filename: str, meta: Mapping[str, Any]) -> None:
        told = {str(key).lower(): value for key, value in (meta.get("dataset_meta") or {}).items()}
        classes = told.get("classes")
        trained = tuple(classes) if isinstance(classes, list | tuple) else ()
        same = sorted(map(str, trained)) == sorted(self.classes_of_test)
        if trained and same and trained != self.classes_of_test:
            raise CheckpointError(
                f"{filename}: was trained with the classes in the order {trained}, and the config "
                f"has {self.classes_of_test}: a label would mean another class; write "
                "metainfo.classes as in training"
            )

    def _check_weights(self, filename: str, state_dict: dict[str, Any], revise_keys: list) -> None:
        matched, parts = compare_weights(behind_wrappers(self.model), state_dict, revise_keys)
        if not matched:
            raise CheckpointError(f"{filename}: none of its weights fits the model of the config")
        if parts and self.needs_all_weights:
            raise CheckpointError(
                f"{filename}: does not fit the model of the config: {'; '.join(parts)}"
            )
        if parts:
            self.logger.warning(f"{filename}: {matched} weights loaded; {'; '.join(parts)}")


def _refuse_truncated_images(part: Any) -> None:
    """Replace MMCV's loader with `LoadWholeImageFromFile` in every pipeline inside of `part`."""
    if isinstance(part, dict):
        kind = part.get("type")
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
        if name.split(".")[-1] == "LoadImageFromFile":
            part["type"] = LoadWholeImageFromFile
        for inner in part.values():
            _refuse_truncated_images(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            _refuse_truncated_images(inner)
