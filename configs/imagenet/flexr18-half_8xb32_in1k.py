# The half form: half the channels everywhere.
_base_ = "./flexr18_8xb32_in1k.py"

model = dict(backbone=dict(width=0.5), head=dict(in_channels=256))
