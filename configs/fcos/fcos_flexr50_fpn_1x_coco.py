_base_ = [
    "../_base_/models/fcos_flexr_fpn.py",
    "../_base_/datasets/coco_detection.py",
    "../_base_/schedules/schedule_1x.py",
    "../_base_/default_runtime.py",
]

optim_wrapper = dict(optimizer=dict(lr=0.01), clip_grad=dict(max_norm=35))
