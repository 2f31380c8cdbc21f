"""The commands: one module each, behind one front.

A command is a module with a docstring, which is the description in its help, and

- ``add_arguments(parser)``: what it takes;
- ``run(given)``: does it; returns an exit status, where None is 0;
- ``INTERRUPTED``, if it leaves anything: what there is after Ctrl-C;
- ``MISTAKES``, if what it calls raises others than ``InputError`` for mistakes in what was given.

Its row in ``table.py`` makes it known. Nothing but ``run`` and ``add_arguments`` imports PyTorch.
"""
