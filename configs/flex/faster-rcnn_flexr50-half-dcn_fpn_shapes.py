_base_ = "./faster-rcnn_flexr50-half_fpn_shapes.py"

dcn = dict(type="DCNv2", deform_groups=1)
model = dict(backbone=dict(dcn=dcn, stage_with_dcn=(False, True, True, True)))
