_base_ = [
    "../_base_/models/deeplabv3plus_flexr18-half-d8.py",
    "../_base_/datasets/shapes_segmentation.py",
    "../_base_/schedules/schedule_shapes_segmentation.py",
    "../_base_/segmentation_runtime.py",
]
