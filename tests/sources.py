"""Reading usnet's own source files, for the tests that check how it is built and written."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "usnet"
SUFFIXES = (".py", ".pyi", ".pyx", ".pxd")

STRING = re.compile(r'("""|\'\'\')(?:\\.|.)*?\1|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*', re.DOTALL)


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository that git knows of, or is about to be told of, in a fixed order."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def package_files(*suffixes: str) -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*") if path.suffix in (suffixes or SUFFIXES))


def module_name(path: Path, top: Path = ROOT) -> str:
    """`usnet/ip/input.pxd` is usnet.ip.input; a package's __init__ is the package."""
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def code_only(text: str) -> str:
    """The text with strings emptied and comments taken out; lines keep their numbers."""
    def blank(match: re.Match[str]) -> str:
        return ('""' if match[0][0] != "#" else "") + "\n" * match[0].count("\n")

    return STRING.sub(blank, text)


def logical_lines(text: str) -> list[tuple[int, str]]:
    """(number of the first line, code with its indentation) of each statement: brackets and backslashes join lines."""
    lines, start, parts, depth = [], 0, [], 0
    for number, line in enumerate(code_only(text).splitlines(), 1):
        if not parts:
            start = number
        depth += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
        parts.append(line.rstrip().removesuffix("\\").rstrip())
        if depth > 0 or line.rstrip().endswith("\\"):
            continue
        if statement := parts[0] + "".join(" " + part.strip() for part in parts[1:]):
            lines.append((start, statement))
        parts, depth = [], 0
    return lines
