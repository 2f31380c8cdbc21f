"""What all tests share."""

from collections import Counter, defaultdict

import torch

# Tests run in several processes at once: one thread each is faster than a fight over the cores.
torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter):
    """Say how many networks of each family gave the family's features.

    A test of one network records its family, and what a name had to tell that weights do not show.
    """
    passed, total, told = Counter(), Counter(), defaultdict(list)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            recorded = dict(report.user_properties)
            if "family" in recorded and report.when == "call":
                total[recorded["family"]] += 1
                passed[recorded["family"]] += outcome == "passed"
                if recorded.get("told"):
                    told[recorded["family"]].append(recorded["network"])
    for family, count in sorted(total.items()):
        line = f"{family}: {passed[family]} of {count} networks give the family's features"
        if told[family]:
            line += f"; {len(told[family])} by their name's help: {', '.join(sorted(told[family]))}"
        terminalreporter.write_line(line)
