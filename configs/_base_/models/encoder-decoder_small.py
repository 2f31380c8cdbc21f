# What a segmentor needs otherwise to train from scratch on the images of `shapes`, on a
# half-width ResNet-18. For a model's config to take up by name; it is no model itself.
small_norm_cfg = dict(type="BN", requires_grad=True)
# Four of five pixels are background: with equal weights a thousand iterations find the objects, and
# do not begin to tell their classes apart.
small_loss = dict(class_weight=[0.5, 1.0, 1.0, 1.0, 1.0, 1.0])
small_head = dict(num_classes=6, norm_cfg=small_norm_cfg, dropout_ratio=0.0, loss_decode=small_loss)
small_model = dict(
    data_preprocessor=dict(size=(160, 160)),
    backbone=dict(depth=18, width=0.5, norm_cfg=small_norm_cfg, init_cfg=None),
    decode_head=dict(in_channels=256, channels=64, **small_head),
    auxiliary_head=dict(in_channels=128, channels=32, **small_head),
)
