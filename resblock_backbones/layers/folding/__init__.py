"""A convolution and the norm after it, computed as one convolution."""
