"""The commands: one module each, behind one front."""
