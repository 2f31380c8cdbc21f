# What a detector needs otherwise to train from scratch on small images of five classes, on a
# half-width ResNet-18. For a model's config to take up by name; it is no model itself.
small_backbone = dict(
    depth=18,
    width=0.5,
    frozen_stages=-1,
    norm_eval=False,
    zero_init_residual=False,
    init_cfg=None,
)
# A norm in the neck: without it, training from scratch takes twice as long to the same mAP.
small_neck = dict(in_channels=[32, 64, 128, 256], out_channels=64, norm_cfg=dict(type="BN"))
small_proposals = dict(nms_pre=200, max_per_img=100)
