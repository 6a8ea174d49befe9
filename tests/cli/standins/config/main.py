"""The command `config`, with SONiC's own commands for features."""

import click

from config import plugins
from utilities_common.cli import AbbreviationGroup
from utilities_common.db import Db
from utilities_common.util_base import UtilHelper


@click.group(cls=AbbreviationGroup, context_settings={"help_option_names": ["-h", "--help", "-?"]})
@click.pass_context
def config(ctx):
    """SONiC command line - 'config' command"""
    ctx.obj = Db()


@config.group(cls=AbbreviationGroup)
def feature():
    """Configure features"""


def add_own_command(name):
    @feature.command(name)
    @click.argument("words", nargs=-1)
    def own(words):
        click.echo(f"SONiC's own config feature {name}")


for own_name in ("owner", "fallback", "state", "autorestart"):
    add_own_command(own_name)

helper = UtilHelper()
for plugin in helper.load_plugins(plugins):
    helper.register_plugin(plugin, config)
