_base_ = ["./retinanet_flexr_fpn.py", "./fpn_small.py"]

model = dict(
    backbone=_base_.small_backbone,
    # Objects are 24 to 72 pixels large: three levels.
    neck=dict(num_outs=3, **_base_.small_neck),
    bbox_head=dict(
        num_classes=5,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        norm_cfg=dict(type="GN", num_groups=16),
        anchor_generator=dict(strides=[8, 16, 32]),
    ),
)
