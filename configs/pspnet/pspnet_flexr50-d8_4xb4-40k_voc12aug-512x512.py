_base_ = [
    "../_base_/models/pspnet_flexr50-d8.py",
    "../_base_/datasets/voc12aug.py",
    "../_base_/schedules/schedule_40k.py",
    "../_base_/segmentation_runtime.py",
]

model = dict(
    decode_head=dict(num_classes=21),
    auxiliary_head=dict(num_classes=21),
)
