"""The operators come before everything that looks for them."""

import resblock_backbones  # noqa: F401
