_base_ = "./deeplabv3_flexr18-half-d8_shapes.py"

model = dict(
    backbone=dict(output_stride=16),
    decode_head=dict(dilations=(1, 2, 3, 4)),
)
