_base_ = "./deeplabv3plus_flexr18-half-d8_shapes.py"

model = dict(
    backbone=dict(depth=50),
    decode_head=dict(in_channels=1024, c1_in_channels=128),
    auxiliary_head=dict(in_channels=512),
)
