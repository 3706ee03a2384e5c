"""Lets a verb's file import the rooms at its top without loading them before one of their functions is called."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """In place of a module, which is imported when one of its names is looked up."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:  # `from room.module import name` looks it up at once
            del sys.modules[self.__name__]
            assert isinstance(self.__loader__, LazyFinder)
            self.__loader__.loaded.add(self.__name__)
        return getattr(importlib.import_module(self.__name__), name)


class LazyFinder(MetaPathFinder, Loader):
    """Finds a `LazyModule` for every module of darktimbre but those of `cli`; packages are imported as they are."""

    def __init__(self) -> None:
        self.loaded: set[str] = set()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """None, which leaves it to the usual finders, for what is not to be lazy."""
        if name in self.loaded or not name.startswith("darktimbre.") or name.startswith("darktimbre.cli."):
            return None
        spec = PathFinder.find_spec(name, path)
        return None if spec is None or spec.submodule_search_locations is not None else ModuleSpec(name, self)

    def create_module(self, spec: ModuleSpec) -> LazyModule:
        return LazyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self


@contextmanager
def lazy_rooms() -> Iterator[None]:
    """Inside, `from darktimbre.ROOM import MODULE` gives a `LazyModule`, unless the module is loaded already.

    Afterwards `sys.modules` holds none of them: only the files that imported them inside do.
    """
    finder = LazyFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, LazyModule)]:
            package, _, leaf = name.rpartition(".")
            del sys.modules[name]
            vars(sys.modules[package]).pop(leaf, None)
