"""FlexResNet in other libraries: one module for each library."""
