_base_ = "./deeplabv3plus_flexr18-d8_4xb4-40k_voc12aug-512x512.py"

model = dict(
    backbone=dict(output_stride=16),
    decode_head=dict(dilations=(1, 6, 12, 18)),
)
