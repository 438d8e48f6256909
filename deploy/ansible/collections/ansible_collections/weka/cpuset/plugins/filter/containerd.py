"""Filters that read containerd's configuration, and add an import to it."""

import re
import tomllib
from pathlib import PurePosixPath

from ansible.errors import AnsibleFilterError

# The name that the agent registers with, and the annotation of pods that start without it.
NAME = "weka-cpuset"
TOLERATION = "tolerate-missing-plugins.weka.io"

# One token of an array of strings: a string, a comma, the end, or white space and comments.
ITEM = re.compile(r"""(?P<string>"(?:\\.|[^"\\\n])*"|'[^'\n]*')|(?P<comma>,)|(?P<end>\])|\s+|\#[^\n]*""")


def containerd_nri(text):
    """The NRI table in the output of `containerd config dump` or `containerd config default`."""
    table = tomllib.loads(text).get("plugins", {}).get("io.containerd.nri.v1.nri")
    if table is None:
        raise AnsibleFilterError("This containerd has no NRI; 1.7 is the first that has it.")
    return table


def containerd_nri_desired(now, usual, required, ours):
    """
    The NRI table that the role makes of the present one, `now`: switched on, and, if `required`, with this agent among
    the plugins without which NRI's own validator refuses containers. If `ours`, the role has put it there, and takes it
    away again where it isn't required.
    """
    validator = dict(now.get("default_validator", {}))
    plugins = list(validator.get("required_plugins") or [])
    if required:
        if "default_validator" not in usual:
            raise AnsibleFilterError(
                "weka_cpuset_required needs containerd 2.2 or newer, whose NRI can require plugins; this one can't."
            )
        validator["enable"] = True
        validator["tolerate_missing_plugins_annotation"] = validator.get("tolerate_missing_plugins_annotation") or TOLERATION
        validator["required_plugins"] = plugins + [NAME] * (NAME not in plugins)
    elif ours:
        validator["required_plugins"] = [plugin for plugin in plugins if plugin != NAME]
    return now | {"disable": False} | ({"default_validator": validator} if validator else {})


def containerd_nri_differing(table, usual):
    """The settings of `table` that differ from the defaults `usual`, except `disable`; its own tables are left out."""
    return {key: value for key, value in table.items()
            if key != "disable" and not isinstance(value, dict) and (value or None) != (usual.get(key) or None)}


def containerd_imports(text, path, file):
    """Whether the configuration `text` of the file `path` imports `file`."""
    patterns = [PurePosixPath(path).parent / pattern for pattern in _loads(text).get("imports", [])]
    return any(PurePosixPath(file).match(str(pattern)) for pattern in patterns)


def containerd_with_import(text, pattern):
    """The configuration `text` with `pattern` added to the end of its imports, otherwise unchanged."""
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
    # With a drop-in of version 2, containerd 1.7 reads everything as version 2, and ignores the names of version 1.
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
    """Inserts after the last string of the array, so that its comments keep their places."""
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
            "containerd_nri_desired": containerd_nri_desired,
            "containerd_nri_differing": containerd_nri_differing,
            "containerd_imports": containerd_imports,
            "containerd_with_import": containerd_with_import,
        }
