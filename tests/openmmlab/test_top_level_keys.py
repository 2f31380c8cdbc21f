"""A top-level key that resembles one that is read is refused; one's own stay one's own."""

import pytest

pytest.importorskip("mmengine")

from resblock_backbones.openmmlab.configs.read import read_config
from resblock_backbones.openmmlab.configs.top_level import TOP_LEVEL_KEYS
from resblock_backbones.options.errors import ConfigError


def slips(key):
    """A letter missing, doubled, swapped with the next one, or another one, in longer words."""
    word = max(key.split("_"), key=len)
    if len(word) < 5:
        return
    for at in range(1, len(word) - 1):
        for slip in (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + "x" + word[at + 1 :],
        ):
            if slip != word:
                yield key.replace(word, slip)


def read(folder, text, name="a.py"):
    file = folder / name
    file.write_text(text)
    return read_config(str(file))


@pytest.mark.parametrize("key", sorted(TOP_LEVEL_KEYS))
def test_every_slip_of_a_letter_is_refused_with_the_right_name(key, tmp_path):
    for slip in list(slips(key))[::3]:
        if slip in TOP_LEVEL_KEYS:
            continue
        with pytest.raises(ConfigError, match=f"no key '{slip}'.*did you mean '{key}'"):
            read(tmp_path, f"{slip} = dict(type='A')\n")


@pytest.mark.parametrize(
    ("slip", "key"),
    [
        ("Train_Dataloader", "train_dataloader"),
        ("train_data_loader", "train_dataloader"),
        ("dataloader_train", "train_dataloader"),
        ("optimizer_wrapper", "optim_wrapper"),
        ("val_config", "val_cfg"),
        ("workdir", "work_dir"),
        ("test_dataloaders", "test_dataloader"),
        ("param_schedulers", "param_scheduler"),
    ],
)
def test_other_spellings_are_refused(slip, key, tmp_path):
    (tmp_path / "base.py").write_text(f"{key} = dict(a=1)\n")
    with pytest.raises(ConfigError, match=f"no key '{slip}'.*did you mean '{key}'"):
        read(tmp_path, f"_base_ = ['base.py']\n{slip} = dict(a=2)\n")
    with pytest.raises(ConfigError, match=f"no key '{slip}'.*did you mean '{key}'"):
        read(tmp_path, f'{{"{slip}": {{"a": 2}}}}', "a.json")


def test_variables_and_keys_of_one_s_own_are_kept(tmp_path):
    (tmp_path / "base.py").write_text("models = ['a', 'b']\ntrain_dataloder = dict(a=1)\n")
    text = """
_base_ = ['base.py']
optim_wraper = dict(type='OptimWrapper')
optim_wrapper = dict(optim_wraper, clip_grad=None)
train_dataloader = _base_.train_dataloder
val_dataloader_2 = dict(a=1)
train_pipeline = test_pipeline = val_pipeline = weak_pipeline = []
conv_cfg = act_cfg = norm_cfg = dict(type='A')
train_dataset = val_dataset = dict(type='A')
model = dict(type='A', names=_base_.models)
mode = 'train'
num_classes = my_notes = 3
"""
    assert read(tmp_path, text).mode == "train"
