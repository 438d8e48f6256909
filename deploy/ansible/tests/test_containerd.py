"""Tests of the filters that read and change containerd's configuration."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../collections/ansible_collections/weka/cpuset/plugins/filter"))

from ansible.errors import AnsibleFilterError
from containerd import containerd_imports, containerd_nri, containerd_nri_desired, containerd_nri_differing, containerd_with_import

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

    def test_only_unusual_settings_are_written(self):
        now = self.USUAL | {"disable": False, "plugin_request_timeout": "7s", "default_validator": {"enable": True}}
        self.assertEqual(containerd_nri_differing(now, self.USUAL), {"plugin_request_timeout": "7s"})
        self.assertEqual(containerd_nri_differing({"required_plugins": []}, {}), {})


class Desired(unittest.TestCase):
    USUAL = {"disable": False, "default_validator": {"enable": False, "required_plugins": [],
                                                     "tolerate_missing_plugins_annotation": ""}}
    OURS = {"enable": True, "required_plugins": ["weka-cpuset"],
            "tolerate_missing_plugins_annotation": "tolerate-missing-plugins.weka.io"}

    def test_nri_is_on_and_nothing_else_changes(self):
        self.assertEqual(containerd_nri_desired({"disable": True, "x": 1}, {}, False, False), {"disable": False, "x": 1})

    def test_the_agent_is_required_beside_what_is_required_already(self):
        self.assertEqual(containerd_nri_desired(self.USUAL, self.USUAL, True, False)["default_validator"], self.OURS)
        others = {"enable": True, "required_plugins": ["a"], "tolerate_missing_plugins_annotation": "b"}
        self.assertEqual(
            containerd_nri_desired(self.USUAL | {"default_validator": others}, self.USUAL, True, False)["default_validator"],
            others | {"required_plugins": ["a", "weka-cpuset"]},
        )

    def test_required_twice_is_no_change(self):
        now = self.USUAL | {"default_validator": self.OURS}
        self.assertEqual(containerd_nri_desired(now, self.USUAL, True, True), now)

    def test_what_this_role_required_is_taken_away_and_what_others_did_is_kept(self):
        now = self.USUAL | {"default_validator": self.OURS}
        self.assertEqual(containerd_nri_desired(now, self.USUAL, False, True)["default_validator"]["required_plugins"], [])
        self.assertEqual(containerd_nri_desired(now, self.USUAL, False, False), now)

    def test_an_old_containerd_cannot_require_it(self):
        self.assertRaisesRegex(AnsibleFilterError, "2.2 or newer", containerd_nri_desired, {}, {}, True, False)


if __name__ == "__main__":
    unittest.main()
