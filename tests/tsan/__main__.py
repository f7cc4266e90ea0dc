"""Sort reports of ThreadSanitizer by whose code they are about: ``python -m tsan FOLDER``.

The folder has what ``TSAN_OPTIONS=log_path=FOLDER/report`` left: a file of each process. What is ours
and not known is printed in full, once for each two places, and makes the exit status 1. Of all others
there is a number for each pair of functions.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tsan import reports


def main(folder):
    """Print the reports, sorted, and return the exit status."""
    found = reports.each_once(Path(folder).glob("report.*"))
    numbers = dict.fromkeys(reports.OWNERS, 0)
    unknown = []
    for report, number in found.items():
        owner, reason = reports.judged(report)
        numbers[owner] += 1
        if owner == "ours" and not reason:
            unknown.append(report)
        print(f"{owner}, {number} times: {report.title}{f' ({reason})' if reason else ''}")
    for report in unknown:
        print(f"\n{report.text}")
    print("\nreports, each once:", ", ".join(f"{n} {owner}" for owner, n in numbers.items()))
    print(f"{len(unknown)} of them ours and not known")
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
