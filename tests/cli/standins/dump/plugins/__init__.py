"""Every direct subclass of Executor in this package is a module of `dump state`."""

import importlib
import os
import pkgutil

from .executor import Executor

for _, name, _ in pkgutil.iter_modules([os.path.dirname(__file__)]):
    importlib.import_module("." + name, __package__)

dump_modules = {cls.__name__.lower(): cls for cls in Executor.__subclasses__()}
