"""The command `show`, with SONiC's own commands for features."""

import click

from show import plugins
from utilities_common.cli import AbbreviationGroup
from utilities_common.util_base import UtilHelper


@click.group(cls=AbbreviationGroup, context_settings={"help_option_names": ["-h", "--help", "-?"]})
def cli():
    """SONiC command line - 'show' command"""


@cli.group(cls=AbbreviationGroup)
def feature():
    """Show feature status"""


def add_own_command(name):
    @feature.command(name)
    @click.argument("feature_name", required=False)
    def own(feature_name):
        click.echo(f"SONiC's own show feature {name}")


for own_name in ("status", "config", "autorestart"):
    add_own_command(own_name)

helper = UtilHelper()
for plugin in helper.load_plugins(plugins):
    helper.register_plugin(plugin, cli)
