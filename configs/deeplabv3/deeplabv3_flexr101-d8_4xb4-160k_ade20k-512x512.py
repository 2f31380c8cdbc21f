_base_ = "./deeplabv3_flexr50-d8_4xb4-160k_ade20k-512x512.py"

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint="open-mmlab://resnet101_v1c"),
    ),
)
