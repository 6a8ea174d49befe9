"""The plugins, installed beside the stand-ins for SONiC's packages: whoever imports this can import them."""

import atexit
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
PLUGINS = HERE.parents[1] / "cli"


def install(folder, *sources):
    """Copies packages into one folder, as an installation does."""
    for source in sources:
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


INSTALLED = tempfile.mkdtemp(prefix="imgmgrd-cli-")
atexit.register(shutil.rmtree, INSTALLED, ignore_errors=True)
sys.path[:0] = [install(INSTALLED, HERE / "standins", PLUGINS), str(HERE)]
