_base_ = ["./deeplabv3plus_flexr50-d8.py", "./encoder-decoder_small.py"]

model = _base_.small_model
model.decode_head.update(dilations=(1, 3, 6, 9), c1_in_channels=32, c1_channels=24)
