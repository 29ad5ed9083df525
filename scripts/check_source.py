#!/usr/bin/env python3
"""Checks what CONTRIBUTING.md promises about the shape of the source.

- A line has at most 110 columns, unless a string literal makes it longer: messages stay whole, so that they can be
  searched for.
- A source file has at most 500 lines.
- A function has at most 80 lines, unless it is a match of which most arms are one line.

Cases of the compile-error tests are left out: they are written as users write.
"""

import re
import subprocess
import sys

COLUMNS = 110
FILE = 500
FUNCTION = 80
# A long function must have an arm in at least this share of its lines.
ARMS = 0.5

FUNCTION_START = re.compile(r"^(\s*)(pub(\([a-z]+\))? )?((const|unsafe|async|extern \"C\") )*fn (\w+)")


def functions(lines):
    """Yields (name, first line, lines) of every function."""
    for i, line in enumerate(lines):
        match = FUNCTION_START.match(line)
        if not match:
            continue
        indent, body, j = match.group(1), False, i
        while j < len(lines):
            body = body or "{" in lines[j]
            declaration = not body and lines[j].rstrip().endswith(";")
            one_line = j == i and lines[j].rstrip().endswith("}")
            if declaration or one_line or lines[j] == indent + "}":
                break
            j += 1
        yield match.group(6), i + 1, lines[i : j + 1]


def faults(path, text):
    """What is wrong with a file."""
    lines = text.split("\n")
    if len(lines) - 1 > FILE:
        yield f"{path}: {len(lines) - 1} lines; at most {FILE}"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS and '"' not in line:
            yield f"{path}:{number}: {len(line)} columns; at most {COLUMNS}"
    for name, first, body in functions(lines):
        arms = sum("=>" in line for line in body)
        if len(body) > FUNCTION and arms < ARMS * len(body):
            yield f"{path}:{first}: `{name}` has {len(body)} lines; at most {FUNCTION}"


def main():
    paths = subprocess.check_output(["git", "ls-files", "*.rs"], text=True).split()
    found = []
    for path in paths:
        if not path.startswith("tests/ui/"):
            with open(path, encoding="utf-8") as file:
                found.extend(faults(path, file.read()))
    print("\n".join(found) or f"{len(paths)} files are in shape")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
