"""The example of an environment, against the settings and the rules of apps that read it."""

import re

from tests.devtools.conftest import REPOSITORY

READERS = [
    REPOSITORY / "thisthat" / "settings.py",
    REPOSITORY / "devtools" / "startup.py",
    *sorted(REPOSITORY.glob("*/rules.py")),
]
EXAMPLE = (REPOSITORY / ".env.example").read_text()

# Every way in which they read the environment.
READ = {
    name for reader in READERS for name in re.findall(r'(?:env(?:\.\w+)?|required)\(\s*"([A-Z_]+)"', reader.read_text())
}
NAMED = re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)


def test_the_example_names_each_setting_once():
    assert sorted(NAMED) == sorted(set(NAMED))


def test_the_example_lists_exactly_what_settings_and_rules_read():
    assert set(NAMED) == READ


def test_the_example_says_a_sentence_about_each_setting():
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[A-Z_]+=", line):
            assert re.match(r"# .+\.$", lines[number - 1]), line


def test_the_example_switches_development_on():
    assert re.search(r"^DEBUG=true$", EXAMPLE, re.MULTILINE)
