"""A pickle machine that builds data, and can neither import nor call anything that a file names.

A pickle is a program: it names functions and classes, and calls them. Here a name becomes a
:class:`Maker`, one of the few in a table, or the stand-in that keeps nothing. Nothing on the
machine's stack is ever a function or a class, so that no instruction can run or change one.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ..errors import CheckpointError
from .names import refusal

#: Values that may hang on objects that are left out; what is looked through for tensors.
MOST_LOOKED_AT = 5_000_000


class Maker:
    """What a name in a pickle stands for: makes a value of plain data.

    Args:
        name: as the file has it.
        make: of the arguments; None where the name may not be called.
        is_class: whether ``object.__new__`` may be asked of it.
    """

    __slots__ = ("is_class", "make", "name")

    def __init__(
        self, name: str, make: Callable[..., Any] | None, *, is_class: bool = True
    ) -> None:
        self.name, self.make, self.is_class = name, make, is_class


class Stranger:
    """In place of an object of a class that is not known: keeps nothing of it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}, left out>"


class Built:
    """A value that is finished by a state of its own, as an array by its bytes."""

    __slots__ = ()

    def set_state(self, state: Any) -> None:
        """Take the state."""
        raise NotImplementedError


class DataUnpickler(pickle._Unpickler):
    """Unpickles plain data.

    Args:
        file: the pickle.
        names: module and name -> what it stands for; other names are strangers.
        storage: for what the pickle refers to outside itself: tensors' memory.
        strangers: gets the names of classes whose objects were left out.

    Raises:
        CheckpointError: the pickle asks for something that would run code, or leaving an object
            out would lose a tensor.
        Exception: whatever Python says of a damaged pickle.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    if TYPE_CHECKING:  # what typeshed leaves out
        stack: list[Any]
        append: Callable[[Any], None]
        pop_mark: Callable[[], list[Any]]

    def __init__(
        self,
        file: io.BytesIO,
        names: Mapping[tuple[str, str], Any],
        *,
        storage: Callable[[Any], Any] | None = None,
        strangers: set[str] | None = None,
    ) -> None:
        super().__init__(file, encoding="latin1")  # files of Python 2 hold text for bytes
        self.names = names
        self.storage = storage
        self.strangers = set() if strangers is None else strangers
        self.looked_at = 0
        self.has_object_arrays = False

    def find_class(self, module: str, name: str) -> Any:
        module = "builtins" if module == "__builtin__" else module
        if (module, name) in self.names:
            return self.names[module, name]
        if module.startswith("__torch__") and ("__torch__", "*") in self.names:
            return self.names["__torch__", "*"]
        refused = refusal(module, name)
        if refused:
            where = " in an array of 'O8'" if self.has_object_arrays else ""
            raise CheckpointError(refused.replace(", which", f"{where}, which", 1))
        whole = f"{module}.{name}"
        return Maker(whole, lambda *values, **named: self.left_out(whole, values, named))

    def persistent_load(self, pid: Any) -> Any:
        if self.storage is None:
            raise CheckpointError("damaged: it refers to tensors of another file")
        return self.storage(pid)

    def left_out(self, name: str, *parts: Any) -> Stranger:
        """The stand-in for an object with these parts."""
        self.strangers.add(name)
        stranger = Stranger(name)
        self._look(stranger, *parts)
        return stranger

    def made(self, maker: Any, values: Any, named: Mapping[str, Any] | None = None) -> Any:
        """What a call in the pickle gives."""
        if not isinstance(maker, Maker) or not isinstance(values, tuple):
            raise CheckpointError("damaged: it calls what cannot be called")
        if maker.make is None:
            raise CheckpointError(
                f"refused, because it asks to call {maker.name}, which is not data: loading it "
                "could run code"
            )
        value = maker.make(*values, **(named or {}))
        self.has_object_arrays |= getattr(value, "is_of_objects", False)
        return value

    def _look(self, stranger: Stranger, *parts: Any) -> None:
        """Refuse to lose a tensor with an object that is left out."""
        todo, seen = list(parts), set[int]()
        while todo:
            one = todo.pop()
            self.looked_at += 1
            if self.looked_at > MOST_LOOKED_AT:
                raise CheckpointError("damaged: it refers to the same values without an end")
            if isinstance(one, Tensor):
                raise CheckpointError(
                    f"refused, because tensors belong to an object of the class {stranger.name}, "
                    "which is not known here: save its state_dict() where you made it"
                )
            if isinstance(one, dict | list | tuple | set) and id(one) not in seen:
                seen.add(id(one))
                todo.extend(one)
                if isinstance(one, dict):
                    todo.extend(dict.values(one))

    def _set_state(self) -> None:
        state = self.stack.pop()
        value = self.stack[-1]
        if isinstance(value, Built):
            value.set_state(state)
        elif isinstance(value, Stranger):
            self._look(value, state)
        elif isinstance(value, dict):
            # Versions of modules; whatever else, as a method's name, would change the mapping.
            versions = state.get("_metadata") if isinstance(state, dict) else None
            if isinstance(value, OrderedDict) and isinstance(versions, dict):
                value._metadata = versions  # type: ignore[attr-defined]
        elif not isinstance(value, set):
            raise CheckpointError(f"damaged: it changes a {type(value).__name__}")

    def _reduce(self) -> None:
        values = self.stack.pop()
        self.stack[-1] = self.made(self.stack[-1], values)

    def _newobj(self) -> None:
        values = self.stack.pop()
        self.stack[-1] = self.made(self.stack[-1], values)

    def _newobj_ex(self) -> None:
        named, values = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self.made(self.stack[-1], values, named)

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(self.made(klass, tuple(args)))

    def get_extension(self, code: int) -> None:
        raise CheckpointError("refused, because it names a class by a number of another program")

    def _append(self) -> None:
        self._extend([self.stack.pop()])

    def _appends(self) -> None:
        self._extend(self.pop_mark())

    def _extend(self, items: list[Any]) -> None:
        value = self.stack[-1]
        if isinstance(value, list):
            list.extend(value, items)
        elif isinstance(value, set):
            set.update(value, items)
        elif isinstance(value, Stranger):
            self._look(value, items)
        else:
            raise CheckpointError(f"damaged: it adds to a {type(value).__name__}")

    def _setitem(self) -> None:
        item = self.stack.pop()
        self._set_items([self.stack.pop(), item])

    def _setitems(self) -> None:
        self._set_items(self.pop_mark())

    def _set_items(self, items: list[Any]) -> None:
        value = self.stack[-1]
        if isinstance(value, dict):
            for key, item in zip(items[::2], items[1::2], strict=True):
                dict.__setitem__(value, key, item)
        elif isinstance(value, Stranger):
            self._look(value, items)
        else:
            raise CheckpointError(f"damaged: it sets items of a {type(value).__name__}")


DataUnpickler.dispatch |= {
    pickle.REDUCE[0]: DataUnpickler._reduce,
    pickle.NEWOBJ[0]: DataUnpickler._newobj,
    pickle.NEWOBJ_EX[0]: DataUnpickler._newobj_ex,
    pickle.BUILD[0]: DataUnpickler._set_state,
    pickle.APPEND[0]: DataUnpickler._append,
    pickle.APPENDS[0]: DataUnpickler._appends,
    pickle.ADDITEMS[0]: DataUnpickler._appends,
    pickle.SETITEM[0]: DataUnpickler._setitem,
    pickle.SETITEMS[0]: DataUnpickler._setitems,
}
