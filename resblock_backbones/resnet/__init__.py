"""The residual block, the stem, the stages, and FlexResNet."""
