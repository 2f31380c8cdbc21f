_base_ = ["./deeplabv3_flexr50-d8.py", "./encoder-decoder_small.py"]

model = _base_.small_model
model.decode_head.update(dilations=(1, 3, 6, 9))
