# To evaluate, or go on from, torchvision's own weights.
_base_ = "./flexr50_8xb32_in1k.py"

model = dict(
    backbone=dict(init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50")),
)
