"""Is any finished measurement lost or doubled when a process that stores is killed a hundred times, at random?

    python -m benchmarks.store_kills [KILLS]

What a process said it had kept is looked for afterwards, and the count of bytes is compared with what was moved. A
suite's worth of it is in tests/unit/test_store_faults.py.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.unit.test_store_faults import killed_writers


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        told = killed_writers(Path(directory), kills)
    print(f"{kills} kills in {time.perf_counter() - began:.0f} s: {told}", flush=True)


if __name__ == "__main__":
    main()
