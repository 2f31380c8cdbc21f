_base_ = [
    "../_base_/models/classifier_flexr.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/schedule_imagenet.py",
    "../_base_/imagenet_runtime.py",
]
