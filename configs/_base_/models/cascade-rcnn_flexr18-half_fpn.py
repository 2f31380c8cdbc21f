_base_ = ["./cascade-rcnn_flexr_fpn.py", "./fpn_small.py"]

bbox_heads = _base_.bbox_heads
for head in bbox_heads:
    head.update(in_channels=64, fc_out_channels=256, num_classes=5)
rcnn_stages = _base_.rcnn_stages
for stage in rcnn_stages:
    stage.sampler.num = 64
model = dict(
    backbone=_base_.small_backbone,
    neck=_base_.small_neck,
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, roi_layer=dict(sampling_ratio=1)),
        bbox_head=bbox_heads,
    ),
    train_cfg=dict(rpn_proposal=_base_.small_proposals, rcnn=rcnn_stages),
    test_cfg=dict(rpn=_base_.small_proposals),
)
