"""A process that settles, to be killed: for each line `<market id> <batch size>` a child begins, and its pid is printed;
after another line, its exit code. With a batch size of 0 it undoes the settlement instead.

The parent makes ready once and never touches the database: a child has its own connection, and does all the work.
"""

import os
import sys
from uuid import UUID


def work(market_id: UUID, size: int) -> None:
    from django.utils import timezone

    from accounts.staff import COMMAND_LINE
    from betting.reversal import reverse_settlement
    from betting.settlement import settle_market

    if size:
        settle_market(market_id=market_id, now=timezone.now(), size=size)
    else:
        reverse_settlement(market_id=market_id, by=COMMAND_LINE, reason="Wrong.", now=timezone.now())


def main() -> None:
    import django

    django.setup()
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    while line := sys.stdin.readline():
        market_id, size = line.split()
        child = os.fork()
        if child == 0:
            work(UUID(market_id), int(size))
            os._exit(0)
        print(child, flush=True)  # noqa: T201 - the test's to kill
        sys.stdin.readline()  # until then the pid is the child's alone, dead or alive
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
