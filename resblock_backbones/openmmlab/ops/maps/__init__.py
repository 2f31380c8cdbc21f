"""Operators on whole feature maps: deformable convolution, attention, upsampling."""
