_base_ = "../faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"

model = dict(backbone=dict(depth=50), neck=dict(in_channels=[128, 256, 512, 1024]))
