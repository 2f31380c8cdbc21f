_base_ = "./deeplabv3plus_flexr50-d8_4xb2-80k_cityscapes-512x1024.py"

model = dict(
    backbone=dict(output_stride=16, multi_grid=(1, 2, 4)),
    decode_head=dict(
        dilations=(1, 6, 12, 18),
        sampler=dict(type="OHEMPixelSampler", min_kept=100000),
    ),
)
