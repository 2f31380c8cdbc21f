_base_ = [
    "../_base_/models/deeplabv3plus_flexr50-d8.py",
    "../_base_/datasets/ade20k.py",
    "../_base_/schedules/schedule_80k.py",
    "../_base_/segmentation_runtime.py",
]

model = dict(
    decode_head=dict(num_classes=150),
    auxiliary_head=dict(num_classes=150),
)
