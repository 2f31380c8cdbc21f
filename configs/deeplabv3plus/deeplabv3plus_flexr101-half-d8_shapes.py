_base_ = "./deeplabv3plus_flexr50-half-d8_shapes.py"

model = dict(backbone=dict(depth=101))
