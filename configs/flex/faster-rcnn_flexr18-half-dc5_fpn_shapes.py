_base_ = "../faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"

strides = [4, 8, 16, 16]
model = dict(
    backbone=dict(output_stride=16),
    rpn_head=dict(anchor_generator=dict(strides=[*strides, 32])),
    roi_head=dict(bbox_roi_extractor=dict(featmap_strides=strides)),
)
