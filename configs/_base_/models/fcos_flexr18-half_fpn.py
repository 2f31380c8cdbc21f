_base_ = ["./fcos_flexr_fpn.py", "./fpn_small.py"]

model = dict(
    backbone=_base_.small_backbone,
    # Objects are 24 to 72 pixels large: three levels.
    neck=dict(num_outs=3, **_base_.small_neck),
    bbox_head=dict(
        num_classes=5,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        strides=[8, 16, 32],
        regress_ranges=((-1, 32), (32, 64), (64, 1e8)),
    ),
)
