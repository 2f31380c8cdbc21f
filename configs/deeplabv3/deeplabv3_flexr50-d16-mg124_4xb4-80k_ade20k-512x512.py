_base_ = "./deeplabv3_flexr50-d8_4xb4-80k_ade20k-512x512.py"

model = dict(
    backbone=dict(output_stride=16, multi_grid=(1, 2, 4)),
    decode_head=dict(dilations=(1, 6, 12, 18)),
)
