"""A convolution and the norm behind it, computed as one convolution."""
