"""SONiC's `show` and `config` on a switch whose Redis listens at a socket: sonic.py SOCKET show|config WORD..."""

import sys

import installed  # noqa: F401  it makes what follows importable

import config.main
import show.main
from swsscommon import swsscommon

swsscommon.SOCKET, name, *words = sys.argv[1:]
{"show": show.main.cli, "config": config.main.config}[name](words, prog_name=name)
