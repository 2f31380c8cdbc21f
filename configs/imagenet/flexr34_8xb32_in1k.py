_base_ = [
    "../_base_/models/classifier_flexr.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/schedule_imagenet.py",
    "../_base_/imagenet_runtime.py",
]

model = dict(backbone=dict(depth=34), head=dict(in_channels=512))
