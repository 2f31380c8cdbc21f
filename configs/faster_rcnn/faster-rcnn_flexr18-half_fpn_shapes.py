# Faster R-CNN on a half-width ResNet-18, from scratch, in minutes on a laptop.
# For a data set of your own: inherit this file, override the data set paths, `metainfo`'s classes
# and `num_classes`.
_base_ = [
    "../_base_/models/faster-rcnn_flexr18-half_fpn.py",
    "../_base_/datasets/shapes_detection.py",
    "../_base_/schedules/schedule_shapes.py",
    "../_base_/default_runtime.py",
]

default_hooks = dict(logger=dict(interval=25))
