"""How many schedules of each race are played in a minute, in whole offices?

python -m benchmarks.races [--schedules 500]

CPU time of this process. A schedule is a call that is set up, the race, and its end, 64*T1 later, with nothing left.
"""

from __future__ import annotations

import argparse
import gc
import logging
import time

from benchmarks.harness import print_table
from myphone_api.server import COLLECT_AFTER
from tests.property.test_named_races import RACES, play


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schedules", type=int, default=500, help="of each race (default: %(default)s)")
    schedules: int = parser.parse_args().schedules
    logging.disable(logging.WARNING)
    gc.set_threshold(COLLECT_AFTER)  # as the server does
    play(RACES[0], 20, 0)  # tables are made once
    rows = []
    for race in RACES:
        before = time.process_time()
        play(race, schedules, 1)
        rate = schedules / (time.process_time() - before) * 60
        rows.append((race.__name__.replace("_", " "), f"{rate:,.0f} a minute"))
    print_table(f"{schedules} schedules of each race", rows)


if __name__ == "__main__":
    main()
