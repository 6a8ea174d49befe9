#!/usr/bin/env python3
"""Writes link/seldom.ld: which functions the running agent does not need, so that the linker puts them together.

The kernel maps the 16 pages around each page of code that is touched. Where the code of the commands, of help texts and
of failures that never happen lies between what the agent runs, all of the binary counts as its memory.

What it runs is seen by valgrind, in the benchmark and the demo: every function that is never entered there is listed.
One that is missing from the list costs its own size, and one that is in it wrongly the 64 KiB around it; nothing else
depends on it. Make it anew when the memory in `make bench` has grown, as after a new Rust or larger changes:

    make layout
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Counter, Dict, Iterable, List, Set

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "link" / "seldom.ld"

# The functions that the list names are those of this build, so it is built as the package is, but with symbols. valgrind
# does not know all of what rustix's own system calls rely on.
FLAGS = "-C symbol-mangling-version=v0 --cfg rustix_use_libc"

# What the agent is seen in.
RUNS = (
    ("bench", "--quick", "start", "idle", "takeover", "burst", "promotion"),
    ("demo",),
)

# As many words as are worth a line each: the rest of what is not run is in functions that no word tells from others.
LEAST_BYTES = 400

HEAD = """\
/* Functions that the running agent does not need, put apart: made by scripts/layout.py, which says why and how. */
SECTIONS
{
  .text.seldom :
  {
"""
TAIL = """\
  }
}
INSERT AFTER .text;
"""


def build(target: Path) -> None:
    """Builds the binary and the examples."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target), CARGO_PROFILE_RELEASE_STRIP="none", RUSTFLAGS=FLAGS)
    environment.pop("CARGO_ENCODED_RUSTFLAGS", None)
    for what in (["--bin", "imgmgrd"], ["--example", "bench", "--example", "demo"]):
        subprocess.run(["cargo", "build", "--release", "--locked", *what], cwd=ROOT, env=environment, check=True)


def observe(target: Path, folder: Path) -> Set[str]:
    """The functions that are entered while the agent runs. Commands are not looked at."""
    # The examples start the binary that is beside them.
    beside = folder / "release"
    (beside / "examples").mkdir(parents=True)
    binary = target / "release" / "imgmgrd"
    wrapper = beside / "imgmgrd"
    wrapper.write_text(
        "#!/bin/sh\n"
        f'case " $* " in *" run "*) exec valgrind --tool=callgrind --demangle=no -q --log-file={folder}/log.%p '
        f'--callgrind-out-file={folder}/entered.%p {binary} "$@" ;; esac\n'
        f'exec {binary} "$@"\n'
    )
    wrapper.chmod(0o755)
    for example, *arguments in RUNS:
        program = beside / "examples" / example
        program.write_bytes((target / "release" / "examples" / example).read_bytes())
        program.chmod(0o755)
        subprocess.run([str(program), *arguments], check=True, stdout=subprocess.DEVNULL)
    entered: Set[str] = set()
    for file in folder.glob("entered.*"):
        entered.update(line.split(")", 1)[1] for line in file.read_text().splitlines() if re.match(r"c?fn=\(\d+\) ", line))
    if not entered:
        sys.exit("layout: valgrind saw nothing run")
    return {without_number(name.split("'")[0].strip()) for name in entered}


def without_number(symbol: str) -> str:
    """The symbol without the number that tells copies apart."""
    return re.sub(r"(\.llvm)?\.\d+$", "", symbol)


def functions(binary: Path) -> Dict[str, int]:
    """All functions of Rust's, and their bytes."""
    command = ["nm", "--defined-only", "--print-size", "--radix=d", str(binary)]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: Counter[str] = Counter()
    for line in listed.splitlines():
        _, size, *rest = [*line.split(), ""]
        if rest[0] in ("t", "T") and rest[1].startswith("_R"):
            found[without_number(rest[1])] += int(size)
    return found


def words(symbols: Iterable[str]) -> Dict[str, Set[str]]:
    """The names of crates, modules, types and functions in each symbol, written as there: with their length in front."""
    demangled = subprocess.run(
        ["c++filt", "--format=rust"], input="\n".join(symbols), stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    found = {}
    for symbol, path in zip(symbols, demangled):
        names = [f"{len(name)}{name}" for name in re.findall(r"[A-Za-z_][A-Za-z0-9_]{2,}", path)]
        pairs = [one + other for one, other in zip(names, names[1:])]
        found[symbol] = {name for name in names + pairs if name in symbol}
    return found


def telling(seldom: Dict[str, int], entered: Set[str]) -> List[str]:
    """Words that are in no function that is entered; first those that most bytes of the others have."""
    run = "\n".join(entered)
    symbols_with: Dict[str, Set[str]] = {}
    for symbol, found in words(list(seldom)).items():
        for word in found:
            symbols_with.setdefault(word, set()).add(symbol)
    left = {word: symbols for word, symbols in symbols_with.items() if word not in run}
    chosen = []
    while left:
        word, bytes_ = max(
            ((word, sum(seldom[symbol] for symbol in symbols)) for word, symbols in left.items()),
            key=lambda of: (of[1], -len(of[0]), of[0]),
        )
        if bytes_ < LEAST_BYTES:
            break
        chosen.append(word)
        covered = left.pop(word)
        left = {word: symbols - covered for word, symbols in left.items() if symbols - covered}
    return chosen


def main() -> None:
    """Builds, observes, writes."""
    for tool in ("valgrind", "c++filt"):
        if shutil.which(tool) is None:
            sys.exit(f"layout: {tool} is missing: apt-get install valgrind binutils")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "layout"
    build(target)
    with tempfile.TemporaryDirectory() as folder:
        entered = observe(target, Path(folder))
    all_functions = functions(target / "release" / "imgmgrd")
    seldom = {symbol: size for symbol, size in all_functions.items() if symbol not in entered}
    chosen = sorted(telling(seldom, entered & all_functions.keys()), key=lambda word: word.lstrip("0123456789"))
    SCRIPT.write_text(HEAD + "".join(f"    *(.text*{word}*)\n" for word in chosen) + TAIL)
    told = sum(size for symbol, size in seldom.items() if any(word in symbol for word in chosen))
    print(f"layout: of {sum(all_functions.values())} bytes of functions {sum(seldom.values())} are not run, and")
    print(f"layout: {told} of them told by {len(chosen)} words, in {SCRIPT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
