"""What goes wrong with exports."""


class ExportError(ValueError):
    """A network that cannot be written in a format; the message says which, why, what to do."""
