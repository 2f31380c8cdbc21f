# MMPretrain's classifier on FlexResNet-50.
model = dict(
    type="ImageClassifier",
    backbone=dict(type="FlexResNet", depth=50, out_indices=(3,), norm_eval=False),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(
        type="LinearClsHead",
        num_classes=1000,
        in_channels=2048,
        loss=dict(type="CrossEntropyLoss", loss_weight=1.0),
        topk=(1, 5),
    ),
)
