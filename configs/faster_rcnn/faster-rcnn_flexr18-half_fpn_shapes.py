# Faster R-CNN on a half-width ResNet-18, from scratch, in minutes on a laptop.
# For a data set of your own: inherit this file, override the data set paths, `metainfo`'s classes
# and `num_classes`.
_base_ = [
    "../_base_/models/faster-rcnn_flexr_fpn.py",
    "../_base_/datasets/shapes_detection.py",
    "../_base_/schedules/schedule_shapes.py",
    "../_base_/default_runtime.py",
]

model = dict(
    backbone=dict(
        depth=18,
        width=0.5,
        frozen_stages=-1,
        norm_eval=False,
        zero_init_residual=False,
        init_cfg=None,
    ),
    # A norm in the neck: without it, training from scratch takes twice as long to the same mAP.
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64, norm_cfg=dict(type="BN")),
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, roi_layer=dict(sampling_ratio=1)),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=5),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)),
)

default_hooks = dict(logger=dict(interval=25))
randomness = dict(seed=0)
