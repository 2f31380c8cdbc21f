"""The commands: one module each, run by `front.py`.

A command is a module with a docstring, which is its description in `--help`, and

- ``add_arguments(parser)``: adds its arguments;
- ``run(given)``: runs it and returns the exit status, where None is 0;
- ``INTERRUPTED``, optional: the message after Ctrl-C, about the files that remain;
- ``MISTAKES``, optional: exceptions for wrong input besides ``InputError``.

``table.py`` has a row for it. PyTorch is imported only inside of ``run``, to keep `--help` fast.
"""
