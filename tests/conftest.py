"""What all tests share."""

import torch

# Tests run in several processes at once: one thread each is faster than a fight over the cores.
torch.set_num_threads(1)
