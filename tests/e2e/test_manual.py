"""`outrigger man`: the manual pages, made from what the program itself knows."""

import re
import unittest

from harness import Case, run_binary


class ManualTest(Case):
    def page(self, *options):
        status, out, err = run_binary("man", *options)
        self.assertEqual((0, ""), (status, err))
        return out.replace("\\-", "-")

    def test_every_command_and_option_of_the_help_is_in_the_page(self):
        page = self.page()
        _, out, _ = run_binary("--help")
        commands = re.findall(r"^  ([a-z-]+) {2,}", out.split("Subcommands:")[1], re.MULTILINE)
        self.assertIn("healthcheck", commands)
        for command in commands:
            with self.subTest(command):
                self.assertIn(f".SS outrigger {command}\n", page)
                section = page.split(f".SS outrigger {command}\n")[1].split(".SS ")[0]
                _, out, _ = run_binary(command, "--help")
                for option in re.findall(r"(--[a-z-]+)", out.split("Options:")[1]):
                    if option != "--help":
                        self.assertIn(f"\\fB{option}\\fR", section)

    def test_the_other_page_is_that_of_the_configuration(self):
        page = self.page("--config")
        self.assertTrue(page.startswith(".TH OUTRIGGER.YAML 5 "))
        self.assertIn("\n\\fBmax_retries\\fR: a whole number from 0 to 10; default 2\n", page)

    def test_no_line_is_a_request_that_nobody_meant(self):
        meant = {"TH", "ad", "nh", "SH", "SS", "PP", "TP", "EX", "EE", "BR"}
        for options in ((), ("--config",)):
            for line in self.page(*options).splitlines():
                if line[:1] in (".", "'"):
                    self.assertIn(line[1:].split(" ")[0], meant)


if __name__ == "__main__":
    unittest.main()
