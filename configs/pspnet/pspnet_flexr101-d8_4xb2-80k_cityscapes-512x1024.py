_base_ = "./pspnet_flexr50-d8_4xb2-80k_cityscapes-512x1024.py"

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint="open-mmlab://resnet101_v1c"),
    ),
)
