_base_ = "./deeplabv3_flexr50-half-d8_shapes.py"

model = dict(
    backbone=dict(output_stride=16, multi_grid=(1, 2, 4)),
    decode_head=dict(dilations=(1, 2, 3, 4)),
)
