"""Names that only a file names that means to run code."""

from __future__ import annotations

#: Python's functions that run, read, or change something; its classes are left out or known.
BUILTINS = {
    *("eval", "exec", "execfile", "compile", "open", "__import__", "apply", "input", "print"),
    *("breakpoint", "setattr", "delattr", "vars", "globals", "locals", "dir", "exit", "quit"),
    *("help", "memoryview", "type", "super", "map", "filter", "iter", "next", "callable"),
}
#: Modules that act on the system, or make and load code.
MODULES = {
    *("os", "posix", "nt", "sys", "subprocess", "commands", "shutil", "socket", "pty", "signal"),
    *("importlib", "imp", "runpy", "code", "codeop", "marshal", "types", "ctypes", "_ctypes"),
    *("pickle", "_pickle", "cPickle", "shelve", "io", "_io", "webbrowser", "http", "urllib"),
    *("asyncio", "multiprocessing", "threading", "_thread", "tempfile", "platform", "timeit"),
    *("pdb", "bdb", "trace", "cProfile", "profile", "pip", "ensurepip", "antigravity", "inspect"),
}


def refusal(module: str, name: str) -> str:
    """Why a name is refused, ``""`` where it may be left out.

    >>> refusal("pathlib", "PosixPath"), refusal("os", "system")[:43]
    ('', 'refused, because it asks for os.system, whi')
    """
    first = module.partition(".")[0]
    outermost = name.partition(".")[0]
    if first in MODULES or (module == "builtins" and outermost in BUILTINS):
        return (
            f"refused, because it asks for {module}.{name}, which is not data: loading it could "
            "run code; save the state_dict alone where you made it"
        )
    return ""
