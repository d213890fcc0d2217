"""The modules of one script: its own table of them, and an `import` that fills it.

What a script must not share with the rest of the interpreter is a face (`socket`'s C part, `time`, ...), made for it by the other script_ files.
Python modules that need one of those, directly or through others, are loaded anew for the script: `socket`, `threading`, `http.server` are the
standard library's own code over the faces. All other modules are the interpreter's.

sys.modules holds `__main__`, modules beside the script, and what is being loaded only during the script's turns: pickle, enum and dataclasses look
there.
"""

import builtins
import importlib
import importlib.util
import re
import sys
from collections import ChainMap
from importlib.machinery import PathFinder
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

TRIGGERS = frozenset(
    "_socket select socket selectors time threading random datetime queue signal ssl subprocess multiprocessing uuid secrets sys.argv".split()
)
"""A Python module that needs one of these is loaded anew. (Not `_thread`: functools has an RLock of it, which it never holds while it waits.)"""

ARGV = frozenset(["argparse", "optparse", "fileinput"])
"""The standard library's that read sys.argv. Parts of it that use them only in their own `main` stay the interpreter's."""

SHARED = frozenset(
    "abc asyncio builtins contextlib ctypes doctest encodings importlib os pickle pkgutil pprint runpy shutil sys sysconfig tracemalloc typing "
    "warnings zipimport usnet greenlet simpy pytest _pytest pluggy hypothesis".split()
)
"""Never loaded anew, whatever they import: the interpreter's base, and what has state that C code knows."""

BLOCKED = ("_queue", "_uuid", "_datetime", "_pydatetime", "uvloop")
"""C parts without a face: the Python twin is taken. (Of uvloop that is asyncio's loop: who asks for uvloop falls back to it.)"""

IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import|import[ \t]+([^\n#;]+))", re.MULTILINE)
SKIPPED = frozenset(["test", "tests", "testing", "idle_test", "__pycache__"])


class Refused(RuntimeError):  # noqa: N818
    """A script called what scripts may not use; the text names what to use instead."""


class Function:
    """A function of a face: in a class it is no method, as the built-in ones are none."""

    __slots__ = ("__name__", "_function")

    def __init__(self, name, function):
        self.__name__, self._function = name, function

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def __repr__(self):
        return f"<built-in function {self.__name__}>"


def face(name, std, /, **replaced):
    """A module like `std` (None: an empty one), but for what is replaced."""
    made = ModuleType(name, std.__doc__)
    made.__dict__.update({key: value for key, value in vars(std or made).items() if not key.startswith("__")})
    for key, value in replaced.items():
        made.__dict__[key] = Function(key, value) if isinstance(value, FunctionType) else value
    return made


def imported_by(text: str) -> set[str]:
    """First names of what a source imports, anywhere in it."""
    found = set()
    for origin, names in IMPORT.findall(text):
        for name in [origin] if origin else names.split(","):
            found.add(name.split(" as ")[0].strip().partition(".")[0])
    return found - {""}


class Sources:
    """Which modules of a search path lead to one of TRIGGERS; what it found out it keeps."""

    def __init__(self) -> None:
        self._edges: dict[str, set[str] | None] = {}
        self._leads: dict[str, bool] = {}

    def _edges_of(self, name: str) -> set[str] | None:
        """What the Python source of a module or a whole package imports; None where there is none, or C code in it."""
        if name not in self._edges:
            self._edges[name] = self._read(name)
        return self._edges[name]

    @staticmethod
    def _read(name: str) -> set[str] | None:
        if name in sys.builtin_module_names:
            return None
        try:
            spec = PathFinder.find_spec(name)
        except (ImportError, ValueError):
            return None
        if spec is None or not spec.has_location:
            return None
        assert spec.origin is not None
        path = Path(spec.origin)
        if path.suffix != ".py":
            return None
        files = [path]
        if spec.submodule_search_locations:
            every = sorted(path.parent.rglob("*"))
            if any(file.suffix == ".so" for file in every):
                return None
            files = [f for f in every if f.suffix == ".py" and not SKIPPED & set(f.relative_to(path.parent).parts[:-1])]
        texts = [file.read_text("utf-8", "replace") for file in files]
        edges = {found for text in texts for found in imported_by(text)} - {name}
        if name not in sys.stdlib_module_names and (edges & ARGV or any("sys.argv" in text for text in texts)):
            edges.add("sys.argv")
        return edges

    def lead_to_a_face(self, name: str) -> bool:
        if name in TRIGGERS or name in ARGV:
            return True
        if name in self._leads:
            return self._leads[name]
        seen, left, found = {name}, [name], False
        while left and not found:
            here = left.pop()
            if here in SHARED:
                continue
            edges = self._edges_of(here) or set()
            found = bool(edges & TRIGGERS) or any(self._leads.get(edge, False) for edge in edges - SHARED)
            left += sorted(edges - seen)
            seen |= edges
        if found:
            self._leads[name] = True
        else:
            self._leads.update(dict.fromkeys(seen, False))
        return found


SOURCES = Sources()


class Overlay:
    """Modules that stand in sys.modules while the script has its turn."""

    def __init__(self):
        self._modules: dict[str, ModuleType] = {}
        self._hidden: dict[str, ModuleType | None] = {}
        self._is_on = False

    def put_on(self):
        if not self._is_on:
            self._is_on = True
            for name, module in self._modules.items():
                self._hide(name, module)

    def take_off(self):
        """Whether it was on."""
        was, self._is_on = self._is_on, False
        for name in list(self._hidden):
            self._restore(name)
        return was

    def add(self, name, module):
        self._modules[name] = module
        if self._is_on:
            self._hide(name, module)

    def remove(self, name):
        del self._modules[name]
        if name in self._hidden:
            self._restore(name)

    def _hide(self, name, module):
        self._hidden.setdefault(name, sys.modules.get(name))
        sys.modules[name] = module

    def _restore(self, name):
        before = self._hidden.pop(name)
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before


class Modules:
    """The module table of one script, and its builtins.

    faces: name -> function that makes the module. mends: name -> function that is called with a module that was just loaded anew.
    shared: names of more modules that are the interpreter's. folder: the script's own; modules in it
    are the script's alone.
    """

    def __init__(self, folder, faces, mends, shared=frozenset()):
        self.folder = folder
        self.shared = SHARED | shared
        self.own_files: set[str] = set()
        self.faces, self.mends = faces, mends
        self.table: dict[str, ModuleType | None] = dict.fromkeys(BLOCKED)
        self.overlay = Overlay()
        self.view: Any = ChainMap(self.table, sys.modules)
        self.path = [str(folder), *(p for p in sys.path if p not in ("", str(folder)))]
        self.builtins = ModuleType("builtins")
        self.builtins.__dict__.update(builtins.__dict__)
        self.builtins.__dict__["__import__"] = self.import_
        self.table["builtins"] = self.builtins

    def new(self, name, **attributes):
        """An empty module of the script's, in its table."""
        module = self.table[name] = ModuleType(name)
        module.__dict__.update(__builtins__=self.builtins.__dict__, **attributes)
        return module

    # As the import statement calls it

    def import_(self, name, globals=None, locals=None, fromlist=(), level=0):
        """The `__import__` of the script's modules."""
        if level:
            name = importlib.util.resolve_name("." * level + name, self._package_of(globals or {}))
        module = self.load(name)
        if not fromlist:
            return self.load(name.partition(".")[0])
        if hasattr(module, "__path__"):
            wanted = getattr(module, "__all__", ()) if "*" in fromlist else fromlist
            for child in wanted:
                if not hasattr(module, child):
                    self._load_child(f"{name}.{child}")
        return module

    @staticmethod
    def _package_of(names):
        package = names.get("__package__")
        if package is None:
            package = names.get("__name__", "")
            if "__path__" not in names:
                package = package.rpartition(".")[0]
        if not package:
            raise ImportError("attempted relative import with no known parent package")
        return package

    def _load_child(self, name):
        try:
            self.load(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise

    # Loading

    def load(self, name):
        """The module of that name as the script sees it; loaded when it was not yet."""
        found = self.table.get(name)
        if found is not None:
            return found
        if name in self.table:
            raise ModuleNotFoundError(f"import of {name} halted; None in sys.modules", name=name)
        parent, _, child = name.rpartition(".")
        above = self.load(parent) if parent else None
        if self.table.get(name) is not None:
            return self.table[name]
        if name in self.faces:
            module = self.table[name] = self.faces[name]()
        elif (spec := self._spec_of(name, above)) is not None:
            return self._load_anew(name, spec, above, child)
        else:
            module = self._load_shared(name)
        if above is not None and parent in self.table:
            setattr(above, child, module)
        return module

    def _load_shared(self, name):
        was_on = self.overlay.take_off()
        try:
            return importlib.import_module(name)
        finally:
            if was_on:
                self.overlay.put_on()

    def _spec_of(self, name, above):
        """Where to load it anew from; None when it is the interpreter's."""
        top = name.partition(".")[0]
        if above is not None:
            if top not in self.table or not hasattr(above, "__path__"):
                return None
            spec = PathFinder.find_spec(name, above.__path__)
        elif top in self.shared or top in sys.builtin_module_names:
            return None
        else:
            spec = PathFinder.find_spec(name, self.path)
        if spec is None or (spec.has_location and not str(spec.origin).endswith((".py", ".pyc"))):
            return None
        own = self.is_own(spec)
        if own and spec.origin is not None:
            self.own_files.add(spec.origin)
        return spec if own or above is not None or SOURCES.lead_to_a_face(top) else None

    def is_own(self, spec):
        """Whether a module lies beside the script."""
        places = [Path(spec.origin)] if spec.has_location else [Path(place) for place in spec.submodule_search_locations or ()]
        top = spec.name.partition(".")[0]
        return any(place.is_relative_to(self.folder / top) or place == self.folder / f"{top}.py" for place in places)

    def _load_anew(self, name, spec, above, child):
        module = importlib.util.module_from_spec(spec)
        module.__dict__["__builtins__"] = self.builtins.__dict__
        self.table[name] = module
        before = getattr(above, child, None) if above is not None else None
        if above is not None:
            setattr(above, child, module)
        self.overlay.add(name, module)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            self.table.pop(name, None)
            if above is not None and before is None:
                above.__dict__.pop(child, None)
            raise
        finally:
            if not self.is_own(spec):
                self.overlay.remove(name)
        if name in self.mends:
            self.mends[name](module)
        return self.table.get(name) or module  # it may have replaced itself
