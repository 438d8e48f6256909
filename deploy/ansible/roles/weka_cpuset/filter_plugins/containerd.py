"""What the role reads from containerd's configuration, and the one change that it makes to it."""

import re
import tomllib
from pathlib import PurePosixPath

from ansible.errors import AnsibleFilterError

# One item of an array of strings: a string, a comma, the end, or what stands between them.
ITEM = re.compile(r"""(?P<string>"(?:\\.|[^"\\\n])*"|'[^'\n]*')|(?P<comma>,)|(?P<end>\])|\s+|\#[^\n]*""")


def containerd_nri(text):
    """The NRI table of what `containerd config dump` or `containerd config default` prints."""
    table = tomllib.loads(text).get("plugins", {}).get("io.containerd.nri.v1.nri")
    if table is None:
        raise AnsibleFilterError("This containerd has no NRI; 1.7 is the first that has it.")
    return table


def containerd_nri_kept(now, usual):
    """The settings of the table `now` that aren't as `usual`, except the one that is going to change."""
    return {key: value for key, value in now.items()
            if key != "disable" and not isinstance(value, dict) and value != usual.get(key)}


def containerd_imports(text, path, file):
    """Whether the configuration `text`, which is at `path`, imports `file`."""
    patterns = [PurePosixPath(path).parent / pattern for pattern in _loads(text).get("imports", [])]
    return any(PurePosixPath(file).match(str(pattern)) for pattern in patterns)


def containerd_with_import(text, pattern):
    """The configuration `text` with `pattern` as the last of its imports, and otherwise as it was."""
    before = _loads(text)
    after = _insert(text, pattern) if "imports" in before else _add(text, pattern)
    expected = {"version": 2} | before | {"imports": before.get("imports", []) + [pattern]}
    if _loads(after) != expected:
        raise AnsibleFilterError(f'Add "{pattern}" to the imports of containerd\'s configuration: they are written in a'
                                 " way that can't be changed safely.")
    return after


def _loads(text):
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AnsibleFilterError(f"containerd's configuration can't be read: {error}") from error
    # A drop-in of version 2 would make containerd 1.7 read all of it as version 2, and skip what has other names there.
    if table and table.get("version", 1) < 2:
        raise AnsibleFilterError(
            "containerd's configuration is of version 1; containerd config migrate prints what it is in the present one."
        )
    return table


def _add(text, pattern):
    line = f'imports = ["{pattern}"]\n'
    version = re.search(r"^version[ \t]*=.*\n?", text, re.MULTILINE)
    if version is None:
        return f"version = 2\n{line}{text}"
    head = text[: version.end()]
    return head + ("" if head.endswith("\n") else "\n") + line + text[version.end():]


def _insert(text, pattern):
    """Behind the last string of the array, so that the comments in it stay where they belong."""
    start = re.search(r"^[ \t]*imports[ \t]*=[ \t]*\[", text, re.MULTILINE)
    at = last = start.end() if start else None
    before = ""
    while at is not None and (item := ITEM.match(text, at)):
        at = item.end()
        if item.lastgroup == "end":
            return f'{text[:last]}{before}"{pattern}"{text[last:]}'
        if item.lastgroup is not None:
            last, before = at, ", " if item.lastgroup == "string" else " "
    return text


class FilterModule:
    def filters(self):
        return {
            "containerd_nri": containerd_nri,
            "containerd_nri_kept": containerd_nri_kept,
            "containerd_imports": containerd_imports,
            "containerd_with_import": containerd_with_import,
        }
