"""Sets of options drawn at random, with a seed that the tests print."""

import random

SEED = 20261125

CHOICES = {
    "depth": [18, 34, 50],
    "in_channels": [1, 3, 4],
    "stem_channels": [8, 12],
    "style": ["pytorch", "caffe"],
    "deep_stem": [False, True],
    "avg_down": [False, True],
    "norm_cfg": ["BN", {"type": "GN", "num_groups": 2}, "FrozenBN"],
    "norm_eval": [False, True],
    "groups": [1, 2],
    "act_cfg": ["ReLU", "SiLU", {"type": "LeakyReLU", "negative_slope": 0.1}],
    "kernel_size": [3, 5, (3, 5, 3, 5)],
    "depthwise": [False, True],
    "spatial_separable": [False, True],
    "width": [1.0, 1.5, (1.0, 0.5, 1.0, 1.0)],
    "output_stride": [None, 8, 16, 32],
    "attention": [None, "SE", "ECA"],
    "anti_alias": [False, "blur", "average"],
    "stem_pool": ["max", "average", "conv"],
    "channels_last": [True, False, "auto"],
}


def excluded(options):
    """Whether options of the set cannot go together."""
    return options.get("depthwise") and options.get("groups", 1) > 1


def option_sets(count):
    """``count`` sets with about half of the options each; small networks with one block a stage."""
    draw, sets = random.Random(SEED), []
    while len(sets) < count:
        chosen = {name: draw.choice(all_) for name, all_ in CHOICES.items() if draw.random() < 0.5}
        if not excluded(chosen):
            sets.append({"depth": 18, **chosen, "base_channels": 8, "stage_blocks": (1, 1, 1, 1)})
    return sets


def name_of(options):
    """A test's name, from which its set can be built again."""
    left_out = ("base_channels", "stage_blocks")
    return f"seed {SEED}: " + " ".join(f"{k}={v}" for k, v in options.items() if k not in left_out)
