# DeepLabV3 (arXiv 1706.05587).
_base_ = "./encoder-decoder_flexr50-d8.py"

model = dict(decode_head=dict(type="ASPPHead", dilations=(1, 12, 24, 36)))
