_base_ = "./deeplabv3_flexr18-d8_4xb2-80k_cityscapes-512x1024.py"

model = dict(
    backbone=dict(output_stride=16),
    decode_head=dict(dilations=(1, 6, 12, 18)),
)
