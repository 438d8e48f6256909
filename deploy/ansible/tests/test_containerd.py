"""Tests of the filters that read and change containerd's configuration."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../roles/weka_cpuset/filter_plugins"))

from ansible.errors import AnsibleFilterError
from containerd import containerd_imports, containerd_nri, containerd_nri_kept, containerd_with_import

NEW = "/etc/containerd/conf.d/*.toml"
DROP_IN = "/etc/containerd/conf.d/99-weka-cpuset.toml"
MAIN = "/etc/containerd/config.toml"

# Before, and after an import was added.
CASES = {
    "nothing": ("", f'version = 2\nimports = ["{NEW}"]\n'),
    "a version alone": ("version = 3", f'version = 3\nimports = ["{NEW}"]\n'),
    "no imports": (
        '# ours\nversion = 2 # two\nroot = "/data"\n\n[grpc]\n  address = "/a"\n',
        f'# ours\nversion = 2 # two\nimports = ["{NEW}"]\nroot = "/data"\n\n[grpc]\n  address = "/a"\n',
    ),
    "empty imports": ("imports = []\nversion = 2\n", f'imports = ["{NEW}"]\nversion = 2\n'),
    "one import": ('version = 3\nimports = ["/a/*.toml"]\n', f'version = 3\nimports = ["/a/*.toml", "{NEW}"]\n'),
    "single quotes": ("version = 3\nimports = ['/a']\n", f"version = 3\nimports = ['/a', \"{NEW}\"]\n"),
    "brackets in a pattern": (
        'version = 2\nimports = ["/a/[0-9]*.toml"]\n',
        f'version = 2\nimports = ["/a/[0-9]*.toml", "{NEW}"]\n',
    ),
    "many lines, with comments and a comma at the end": (
        'version = 2\nimports = [ # all ]\n  "/a", # "no", really\n  "/b", # ]\n]\n[grpc]\n',
        f'version = 2\nimports = [ # all ]\n  "/a", # "no", really\n  "/b", "{NEW}" # ]\n]\n[grpc]\n',
    ),
    "many lines without one": (
        'version = 2\nimports = [\n  "/a",\n  "/b" # last\n]\n',
        f'version = 2\nimports = [\n  "/a",\n  "/b", "{NEW}" # last\n]\n',
    ),
}

REFUSED = {
    "version 1, said": 'version = 1\n[plugins.cri]\n  sandbox_image = "x"\n',
    "version 1, not said": '[plugins.cri]\n  sandbox_image = "x"\n',
    "no TOML": "version = \n",
    "imports of a table, which come first": 'version = 2\n"imports" = ["/a"]\n[stream]\nimports = ["/b"]\n',
}


class WithImport(unittest.TestCase):
    def test_an_import_is_added_and_all_else_stays_as_it_was(self):
        for name, (before, after) in CASES.items():
            with self.subTest(name):
                self.assertEqual(containerd_with_import(before, NEW), after)
                self.assertTrue(containerd_imports(after, MAIN, DROP_IN))

    def test_what_cannot_be_changed_safely_is_refused(self):
        for name, text in REFUSED.items():
            with self.subTest(name):
                self.assertRaises(AnsibleFilterError, containerd_with_import, text, NEW)


class Imports(unittest.TestCase):
    def test_a_drop_in_is_imported_by_its_name_a_pattern_or_a_relative_one(self):
        for pattern in (DROP_IN, NEW, "conf.d/*.toml", "/etc/containerd/*/*.toml"):
            with self.subTest(pattern):
                self.assertTrue(containerd_imports(f'version = 2\nimports = ["/a", "{pattern}"]\n', MAIN, DROP_IN))

    def test_and_not_by_others(self):
        for text in ("", "version = 2\n", 'version = 2\nimports = ["/etc/containerd/other.d/*.toml", "*.toml"]\n'):
            with self.subTest(text):
                self.assertFalse(containerd_imports(text, MAIN, DROP_IN))


class Nri(unittest.TestCase):
    USUAL = {"disable": True, "plugin_path": "/opt/nri/plugins", "plugin_request_timeout": "2s"}

    def test_the_table_is_found_in_either_version(self):
        for version in (2, 3):
            text = f"version = {version}\n[plugins.'io.containerd.nri.v1.nri']\n  disable = true\n"
            self.assertEqual(containerd_nri(text), {"disable": True})

    def test_a_containerd_without_it_is_named(self):
        self.assertRaisesRegex(AnsibleFilterError, "no NRI", containerd_nri, "version = 2\n")

    def test_only_unusual_settings_are_kept(self):
        now = self.USUAL | {"disable": False, "plugin_request_timeout": "7s", "default_validator": {"enable": True}}
        self.assertEqual(containerd_nri_kept(now, self.USUAL), {"plugin_request_timeout": "7s"})


if __name__ == "__main__":
    unittest.main()
