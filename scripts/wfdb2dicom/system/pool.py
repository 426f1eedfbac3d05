"""Work that is done batch by batch in several processes, where there is so much of it that starting them pays."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wfdb2dicom.system.linux import die_with_parent

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

WORTH = 20_000  # studies: what is done with fewer takes less time than starting processes
_PLAN_ROW = 300  # bytes of a plan file for a study, in the middle
_MOST = 16  # one process hands out and collects; more than these it cannot keep busy

Task = TypeVar("Task")
Result = TypeVar("Result")


def workers(studies: int, least: int = 1) -> int:
    """How many processes are to share the batches of some studies: one a core that is ours, but 1 for a few studies.

    Parameters
    ----------
    studies : int
    least : int
        At least so many for many studies, whatever the cores: of work that waits for a file system.
    """
    if studies < WORTH:
        return 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(least, min(available, _MOST))


def studies_in(plans: Iterable[Path]) -> int:
    """About how many studies some plan files hold."""
    return sum(path.stat().st_size for path in plans) // _PLAN_ROW


def spread(
    work: Callable[[Task], Result], tasks: Iterable[Task], *, processes: int = 1, threads: int = 1
) -> Generator[Result]:
    """The results of a function for each task, in the order of the tasks.

    Not more tasks are begun than keep everybody busy, so results that wait to be taken do not fill the memory. Who
    stops taking ends the rest.

    Parameters
    ----------
    work : callable
        Of a module, so that it can be named to another process; what it raises is raised here.
    tasks : iterable
    processes : int
        Processes, forked from this one, that work at the same time: this one must have no threads but idle ones.
        1 for none.
    threads : int
        Without processes, threads that do.

    Raises
    ------
    OSError
        When one of the processes was killed.
    """
    if processes <= 1 and threads <= 1:
        yield from map(work, tasks)
        return
    from concurrent.futures.process import BrokenProcessPool

    with _pool(processes, threads) as pool:
        under_way: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                under_way.append(pool.submit(work, task))
                if len(under_way) > 2 * max(processes, threads):
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool:
            raise OSError("one of its processes was killed, most often because memory ran out") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _pool(processes: int, threads: int) -> Executor:
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor  # here: most programs start without
    from multiprocessing import get_context

    if processes <= 1:
        return ThreadPoolExecutor(threads)
    # Where fork is unsafe a fresh interpreter is started.
    context = get_context("fork" if sys.platform.startswith("linux") else "spawn")
    return ProcessPoolExecutor(processes, context, initializer=die_with_parent, initargs=(os.getpid(),))
