_base_ = ["./pspnet_flexr50-d8.py", "./encoder-decoder_small.py"]

model = _base_.small_model
