_base_ = "../faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"

norm = dict(conv_cfg=dict(type="ConvWS"), norm_cfg=dict(type="GN", num_groups=16))
model = dict(backbone=dict(**norm), neck=dict(**norm))
