_base_ = "./deeplabv3plus_flexr50-half-d16-mg124_shapes.py"

model = dict(backbone=dict(depth=101))
