_base_ = "./deeplabv3plus_flexr50-d8_4xb4-40k_voc12aug-512x512.py"

model = dict(
    backbone=dict(output_stride=16, multi_grid=(1, 2, 4)),
    decode_head=dict(dilations=(1, 6, 12, 18)),
)
