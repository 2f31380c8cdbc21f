_base_ = "../faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"

model = dict(backbone=dict(depthwise=True, kernel_size=5))
