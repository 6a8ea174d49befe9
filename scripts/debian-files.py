#!/usr/bin/env python3
"""Writes what of debian/ follows from the rest of the repository: changelog and copyright.

With --check nothing is written; it fails where a file is not what it would be.

changelog: dpkg reads the version there, before it runs anything. The version is Cargo.toml's, and only its copy is kept
in the changelog, with the date on which it was made.

copyright: the licence of every crate that is linked into the release binary, for any architecture that is built for:
dependencies of tests, build scripts and procedural macros are not among them. Notices and texts are those that the
crates come with.
"""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Set

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = ROOT / "debian" / "changelog"
COPYRIGHT = ROOT / "debian" / "copyright"

SOURCE = "sonic-imgmgrd"
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf")

DEBIAN_NAMES = {"MIT": "Expat", "BSD-3-Clause": "BSD-3-clause"}
"""The licences that machine-readable copyright files call otherwise than SPDX does."""

COMMON = {"Apache-2.0": "On Debian systems, the full text of this license is in /usr/share/common-licenses/Apache-2.0."}
"""The licences whose texts every Debian system has."""

TEXTS = {
    "MIT": ("Permission is hereby granted, free of charge, to any person obtaining", "DEALINGS IN THE SOFTWARE."),
    "BSD-3-Clause": ("Redistribution and use in source and binary forms", "POSSIBILITY OF SUCH DAMAGE."),
    "BSL-1.0": ("Permission is hereby granted, free of charge, to any person or organization", "DEALINGS IN THE SOFTWARE."),
    "Unlicense": ("This is free and unencumbered software", "unlicense.org/>"),
    "Zlib": ("This software is provided 'as-is'", "source distribution."),
    "Apache-2.0 WITH LLVM-exception": ("As an exception, if, as a result of your compiling", "with respect to the Combined Software."),
}
"""How the text of a licence that has to be included begins and ends."""


COMMENT = """The binary is linked statically. What is in it besides this source is listed below crates/, by the names and
versions of Cargo.lock, with what its authors say about its use."""


class Crate(NamedTuple):
    """A crate that is linked into the binary."""

    name: str
    version: str
    expression: str
    authors: List[str]
    files: List[Path]


def cargo(*arguments: str) -> str:
    command = [os.environ.get("CARGO", "cargo"), *arguments, "--locked"]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def linked_crates() -> List[Crate]:
    linked = set()
    for target in TARGETS:
        tree = cargo("tree", "--package", "imgmgrd", "--edges", "normal,no-proc-macro", "--target", target,
                     "--prefix", "none", "--format", "{p}")
        linked.update(tuple(line.split()[:2]) for line in tree.splitlines())
    crates = []
    platforms = [word for target in TARGETS for word in ("--filter-platform", target)]
    for package in json.loads(cargo("metadata", "--format-version", "1", *platforms))["packages"]:
        is_ours = package["source"] is None
        if not is_ours and (package["name"], "v" + package["version"]) in linked:
            folder = Path(package["manifest_path"]).parent
            files = sorted(path for path in folder.iterdir()
                           if re.match(r"(un)?licen[cs]e|copy(ing|right)|notice", path.name, re.I) and path.is_file())
            crates.append(Crate(package["name"], package["version"], package["license"], package["authors"], files))
    return sorted(crates)


def alternatives(expression: str) -> List[str]:
    """The licences of which one is to be chosen. No crate has one that joins them by AND."""
    found = re.split(r" OR |/", expression)
    for name in found:
        if name not in TEXTS and name not in COMMON:
            sys.exit(f"{__file__}: nothing is known of the licence {name!r} (of {expression!r}): add it to TEXTS")
    return found


def debian_name(licence: str) -> str:
    return DEBIAN_NAMES.get(licence, licence).replace(" WITH LLVM-exception", " with LLVM exception")


def notices(crate: Crate) -> List[str]:
    """The copyright lines of the crate's licence files, else its authors."""
    found: Dict[str, None] = {}
    for path in crate.files:
        for line in path.read_text(encoding="utf-8").splitlines():
            match = re.match(r"\s*(?:Copyright\s+(?:\(c\)|©)?|©)\s*(\d{4}.*|[A-Z].*)", line)
            if match:
                found[match[1].strip()] = None
    return list(found) or crate.authors or [f"the authors of {crate.name}"]


def texts_in(crate: Crate, licence: str) -> Iterator[List[str]]:
    """A licence's text as the crate has it, in paragraphs, however its lines are broken."""
    begin, end = (re.escape(part).replace(r"\ ", r"\s+") for part in TEXTS[licence])
    for path in crate.files:
        for text in re.findall(rf"{begin}.*?{end}", path.read_text(encoding="utf-8"), re.S):
            yield [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]


def text_of(licence: str, crates: Iterable[Crate]) -> List[str]:
    """A licence's text: the one that most crates have, in paragraphs."""
    offering = [crate for crate in crates if licence in alternatives(crate.expression)]
    found = Counter(tuple(text) for crate in offering for text in texts_in(crate, licence))
    if not found:
        sys.exit(f"{__file__}: no crate has the text of {licence}")
    text = list(min(found, key=lambda text: (-found[text], text)))
    for crate in offering:
        if crate.expression == licence and text not in texts_in(crate, licence):
            sys.exit(f"{__file__}: {crate.name} has another text of {licence} than the others")
    return text


def wrapped(paragraphs: Iterable[str]) -> List[str]:
    """Paragraphs as the lines of a field."""
    lines: List[str] = []
    for text in paragraphs:
        lines += ([" ."] if lines else []) + textwrap.wrap(text, 78, initial_indent=" ", subsequent_indent=" ",
                                                            break_on_hyphens=False)
    return lines


def paragraph(*fields: "tuple[str, Iterable[str]]") -> str:
    out = []
    for name, values in fields:
        first, *rest = list(values)
        out.append(f"{name}: {first}".rstrip())
        out.extend(rest if name == "License" or name == "Comment" else (f" {value}" for value in rest))
    return "\n".join(out) + "\n"


def copyright_file() -> str:
    crates = linked_crates()
    comment = ["", *wrapped([COMMENT])]
    out = [
        paragraph(("Format", ["https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"]),
                  ("Upstream-Name", ["imgmgrd"]), ("Comment", comment)),
        paragraph(("Files", ["*"]), ("Copyright", ["the authors of imgmgrd"]), ("License", ["Apache-2.0"])),
        paragraph(("Files", ["crates/std/*"]), ("Copyright", ["The Rust Project Contributors"]),
                  ("License", ["Expat or Apache-2.0"]),
                  ("Comment", ["The standard library of the toolchain that builds the package."])),
    ]
    used: Set[str] = {"Apache-2.0", "MIT"}
    for crate in crates:
        licences = alternatives(crate.expression)
        used.update(licences)
        out.append(paragraph(("Files", [f"crates/{crate.name}-{crate.version}/*"]), ("Copyright", notices(crate)),
                             ("License", [" or ".join(debian_name(licence) for licence in licences)])))
    for licence in sorted(used):
        text = [COMMON[licence]] if licence in COMMON else text_of(licence, crates)
        out.append(paragraph(("License", [debian_name(licence), *wrapped(text)])))
    return "\n".join(out)


def changelog() -> str:
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    version = re.search(r'^\[workspace\.package\]\n(?:[^\[].*\n)*?version = "(.+)"', manifest, re.M)[1]
    maintainer = re.search(r"^Maintainer: (.*)$", (ROOT / "debian" / "control").read_text(encoding="utf-8"), re.M)[1]
    there = CHANGELOG.read_text(encoding="utf-8") if CHANGELOG.exists() else ""
    date = re.search(rf"^{SOURCE} \({re.escape(version)}\)(?:.*\n)*? -- .*>  (.*)$", there, re.M)
    return (f"{SOURCE} ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n"
            f" -- {maintainer}  {date[1] if date else formatdate().replace('-0000', '+0000')}\n")


def main() -> int:
    code = 0
    for path, content in ((CHANGELOG, changelog()), (COPYRIGHT, copyright_file())):
        if "--check" not in sys.argv[1:]:
            path.write_text(content, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != content:
            print(f"{path.relative_to(ROOT)} is not up to date: run 'make generate'", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
