#!/usr/bin/env python3
"""Records `make demo` and writes docs/demo.svg, which plays it, and docs/demo.md, which has its text. Takes root.

  scripts/demo-svg.py                 runs `make demo` on a terminal of 80 columns and records it
  scripts/demo-svg.py --from FILE     takes the recording that an earlier run kept (--keep FILE)

Nothing in the two files is written by hand but the words around the recording: run this after a change to the demo or to
what the agent logs.
"""

import argparse
import fcntl
import html
import json
import os
import pathlib
import pty
import re
import struct
import sys
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS, ROWS = 80, 30
# The first line of the demo itself, after what make and cargo print.
BEGIN = "A SONiC switch"
# No line is waited for longer than this, and the last screen is shown for so long, in seconds.
LONGEST, LAST = 1.2, 8.0
# The size of a character, and the space around the text.
WIDTH, HEIGHT, MARGIN = 8.0, 17.0, 12.0
COLOURS = {31: "#f4796b", 32: "#7fd88f", 33: "#e5c07b", 34: "#79b8ff", 35: "#c792ea", 36: "#66d9e8"}

DOCUMENT = """# The demo

`make demo` plays this story on private servers; see the [README](../README.md#make-demo-watch-it-work). Below is one
run, as `scripts/demo-svg.py` recorded it: times, names of folders, ports and ids differ from run to run. What
`imgmgrd` says are the lines of its own log, without their dates, with ids cut to 12 digits, and without fields that repeat
the message.

```console
# make demo
{text}
```

## A shell on the switch

`make demo ARGS=--stay` plays the same and then opens a shell on the switch:

| command | does |
| --- | --- |
| `deploy FEATURE VERSION [--bad]` | plays an upgrade: the kubelet pulls the version and runs it, the rows go through the takeover, and the agent is followed until the version is stable or has failed. Any version will do; with `--bad` it crashes after two seconds |
| `agent stop`, `agent start`, `agent log` | the agent stops as under systemd, starts, shows its log |
| `imgmgrd status`, `images`, `plan`, `history`, `rollback`, `doctor`, ... | the agent's own commands |
| `show feature image`, `config feature image` | SONiC's commands with the agent's plugins |
| `docker`, `redis-cli` | the switch's engine and databases. When the switch is gone they fail, and never turn to those of the machine |

Leaving the shell ends the switch. Another terminal gets the same commands by reading the file that the demo names. A
script works, too:

```sh
make demo ARGS=--stay <<'END'
agent stop
deploy telemetry 20240510.5
agent start
imgmgrd status telemetry
END
```
"""


def record(command):
    """What a command writes to a terminal, in pieces with their times."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LC_ALL="C.UTF-8")
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    pieces, begun = [], time.monotonic()
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        pieces.append((time.monotonic() - begun, data.decode(errors="replace")))
        sys.stdout.write(pieces[-1][1])
        sys.stdout.flush()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        sys.exit("demo-svg: the demo failed")
    return pieces


def styled(number, style):
    """The style after one SGR parameter."""
    colour, bold, dim = style
    if number == 0:
        return (None, False, False)
    if number == 1:
        return (colour, True, dim)
    if number == 2:
        return (colour, bold, True)
    if number == 39:
        return (None, bold, dim)
    return (COLOURS.get(number, COLOURS.get(number - 60, colour)), bold, dim)


def lines_of(pieces):
    """The lines: each a list of (time, style, text)."""
    lines, style = [[]], (None, False, False)
    for when, text in pieces:
        for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r?\n|\r)", text):
            sequence = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
            if sequence:
                numbers = [int(number or 0) for number in sequence[1].split(";")]
                # 38;5;N: the first sixteen are the usual ones.
                if numbers[:2] == [38, 5]:
                    numbers = [30 + numbers[2] % 8]
                for number in numbers:
                    style = styled(number, style)
            elif part.endswith("\n"):
                lines.append([])
            elif part and not part.startswith(("\x1b", "\r")):
                lines[-1].append((when, style, part))
    return lines


def plain(line):
    return "".join(text for _, _, text in line)


def story(pieces):
    """The demo's own lines, their times from 0 on and without long pauses."""
    lines = lines_of(pieces)
    first = next((number for number, line in enumerate(lines) if plain(line).startswith(BEGIN)), None)
    if first is None:
        sys.exit("demo-svg: this is no recording of the demo")
    lines = lines[first:]
    while lines and not plain(lines[-1]).strip():
        lines.pop()
    now, last, story_lines = 0.4, None, []
    for line in lines:
        timed = []
        for when, style, text in line:
            now += min(LONGEST, max(0.0, when - (when if last is None else last)))
            last = when
            timed.append((now, style, text))
        story_lines.append((timed[0][0] if timed else now, timed))
    return story_lines, now


def discrete(attribute, steps, length):
    """An animation that jumps from value to value and starts again."""
    values = ";".join(value for _, value in steps)
    times = ";".join(f"{min(when / length, 1):.4f}".rstrip("0").rstrip(".") for when, _ in steps)
    return f'attributeName="{attribute}" calcMode="discrete" values="{values}" keyTimes="{times}" dur="{length:.1f}s" repeatCount="indefinite"'


def drawn(lines, end):
    """The SVG. Without animation it shows the last lines."""
    length = end + LAST
    width, height = COLUMNS * WIDTH + 2 * MARGIN, ROWS * HEIGHT + 2 * MARGIN
    # The newest line is the lowest one.
    scroll = [(0.0, f"0 {ROWS * HEIGHT:g}")]
    for number, (when, _) in enumerate(lines):
        place = f"0 {(ROWS - 1 - number) * HEIGHT:g}"
        if f"{when / length:.4f}" == f"{scroll[-1][0] / length:.4f}":
            scroll.pop()
        scroll.append((when, place))
    final = (ROWS - len(lines)) * HEIGHT
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img">',
        "<title>make demo: a recording</title>",
        "<style>text{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d7dae0;white-space:pre}"
        ".b{font-weight:bold;fill:#fff}.d{fill:#8b929e}</style>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#1b1f27"/>',
        f'<svg x="{MARGIN:g}" y="{MARGIN:g}" width="{COLUMNS * WIDTH:g}" height="{ROWS * HEIGHT:g}">',
        f'<g transform="translate(0 {final:g})">',
        f'<animateTransform type="translate" {discrete("transform", scroll, length)}/>',
    ]
    for number, (begin, spans) in enumerate(lines):
        if not spans:
            continue
        out.append(f'<text y="{number * HEIGHT + 13:g}">')
        column = 0
        for when, (colour, bold, dim), text in spans:
            kind = ' class="b"' if bold else ' class="d"' if dim and not colour else ""
            fill = f' style="fill:{colour}"' if colour else ""
            # Every piece is put where a terminal has it, whatever the width of the font.
            place = f' x="{column * WIDTH:g}" textLength="{len(text) * WIDTH:g}"'
            late = ""
            if when - begin > 0.05:
                late = f'<animate {discrete("fill-opacity", [(0.0, "0"), (when, "1")], length)}/>'
            if text.strip():
                out.append(f"<tspan{place}{kind}{fill}>{html.escape(text, quote=False)}{late}</tspan>")
            column += len(text)
        out.append("</text>")
    out.append("</g></svg></svg>")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    os.chdir(ROOT)
    if options.source:
        pieces = json.loads(options.source.read_text())
    else:
        pieces = record(["make", "--no-print-directory", "demo"])
        if options.keep:
            options.keep.write_text(json.dumps(pieces))
    lines, end = story(pieces)
    text = "\n".join(plain(spans).rstrip() for _, spans in lines)
    for line in text.splitlines():
        if len(line) > COLUMNS:
            sys.exit(f"demo-svg: wider than {COLUMNS} columns: {line}")
    (ROOT / "docs/demo.svg").write_text(drawn(lines, end))
    (ROOT / "docs/demo.md").write_text(DOCUMENT.format(text=text))


if __name__ == "__main__":
    main()
