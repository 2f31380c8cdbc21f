_base_ = ["./mask-rcnn_flexr_fpn.py", "./fpn_small.py"]

model = dict(
    backbone=_base_.small_backbone,
    neck=_base_.small_neck,
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, roi_layer=dict(sampling_ratio=1)),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=5),
        mask_roi_extractor=dict(out_channels=64, roi_layer=dict(sampling_ratio=1)),
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64, num_classes=5),
    ),
    train_cfg=dict(rpn_proposal=_base_.small_proposals, rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=_base_.small_proposals),
)
