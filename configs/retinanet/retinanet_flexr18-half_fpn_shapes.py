_base_ = [
    "../_base_/models/retinanet_flexr18-half_fpn.py",
    "../_base_/datasets/shapes_detection.py",
    "../_base_/schedules/schedule_shapes.py",
    "../_base_/default_runtime.py",
]

default_hooks = dict(logger=dict(interval=25))
optim_wrapper = dict(optimizer=dict(lr=0.002))
