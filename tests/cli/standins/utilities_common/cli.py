"""What sonic-utilities' commands are made of."""

import click

from utilities_common.db import Db

pass_db = click.make_pass_decorator(Db, ensure=True)


class AbbreviationGroup(click.Group):
    """A group whose commands may be shortened while that is unambiguous."""

    def get_command(self, ctx, cmd_name):
        exact = super().get_command(ctx, cmd_name)
        if exact is not None:
            return exact
        matches = [name for name in self.list_commands(ctx) if name.lower().startswith(cmd_name.lower())]
        matches.sort(key=len)
        if not matches:
            return None
        if not all(name.startswith(matches[0]) for name in matches):
            ctx.fail(f"Too many matches: {', '.join(sorted(matches))}")
        return super().get_command(ctx, matches[0])
