_base_ = "./deeplabv3_flexr18-half-d8_shapes.py"

model = dict(
    backbone=dict(depth=50),
    decode_head=dict(in_channels=1024),
    auxiliary_head=dict(in_channels=512),
)
