# FCN (arXiv 1411.4038) on a dilated backbone.
_base_ = "./encoder-decoder_flexr50-d8.py"

model = dict(decode_head=dict(type="FCNHead", num_convs=2, concat_input=True))
