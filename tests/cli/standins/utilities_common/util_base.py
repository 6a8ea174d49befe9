"""The loader of plugins."""

import importlib
import pkgutil

import click


class UtilHelper:
    """Finds plugins and registers them; a bad one is reported, and no other suffers."""

    def load_plugins(self, package):
        for _, name, is_package in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if is_package:
                yield from self.load_plugins(importlib.import_module(name))
                continue
            try:
                yield importlib.import_module(name)
            except Exception as error:
                click.echo(f"failed to import plugin {name}: {error}", err=True)

    def register_plugin(self, plugin, root):
        try:
            plugin.register(root)
        except Exception as error:
            click.echo(f"failed to import plugin {plugin.__name__}: {error}", err=True)
