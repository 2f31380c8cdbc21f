# DeepLabV3+ (arXiv 1802.02611).
_base_ = "./encoder-decoder_flexr50-d8.py"

model = dict(
    decode_head=dict(
        type="DepthwiseSeparableASPPHead",
        dilations=(1, 12, 24, 36),
        c1_in_channels=256,
        c1_channels=48,
    ),
)
