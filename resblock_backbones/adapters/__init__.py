"""FlexResNet inside other libraries: one module a library."""
