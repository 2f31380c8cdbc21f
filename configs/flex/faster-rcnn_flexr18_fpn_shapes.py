_base_ = "../faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"

model = dict(backbone=dict(width=1.0), neck=dict(in_channels=[64, 128, 256, 512]))
