"""Share work among several processes where there is enough of it to be worth starting them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wfdb2dicom.system.linux import die_with_parent, process_context

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

MANY_STUDIES = 20_000  # studies: with fewer the work takes less time than starting processes
_PLAN_ROW = 300  # bytes of a plan file per study, on average
_MOST = 16  # one process distributes and collects, and cannot keep more than these busy

Task = TypeVar("Task")
Result = TypeVar("Result")


def process_count(studies: int, least: int = 1) -> int:
    """How many processes are to share the batches of some studies: one per available core, but 1 for few studies.

    Parameters
    ----------
    studies : int
    least : int
        At least this many where the studies are many, whatever the cores: for work that waits for a file system.
    """
    if studies < MANY_STUDIES:
        return 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(least, min(available, _MOST))


def studies_in(plans: Iterable[Path]) -> int:
    """About how many studies some plan files hold."""
    return sum(path.stat().st_size for path in plans) // _PLAN_ROW


def map_in_order(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    processes: int = 1,
    threads: int = 1,
    apart: bool = False,
) -> Generator[Result]:
    """The results of a function for each task, in the order of the tasks.

    Only as many tasks are begun as keep all processes busy, so results that wait to be taken do not fill the memory.
    Closing the generator cancels the rest.

    Parameters
    ----------
    work : callable
        A function of a module, so that another process can import it; an exception that it raises is raised here.
    tasks : iterable
    processes : int
        Processes, forked from this one, that work at the same time; 1 for none. All threads of this one must be idle.
    threads : int
        Threads that work at the same time, where there is one process.
    apart : bool
        Whether even one process is another than this one, which outlives it.

    Raises
    ------
    OSError
        When one of the processes was killed; the message says so.
    """
    if processes <= 1 and threads <= 1 and not apart:
        yield from map(work, tasks)
        return
    from concurrent.futures.process import BrokenProcessPool

    with _pool(processes, threads if not apart else 0) as pool:
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

    if processes <= 1 and threads:
        return ThreadPoolExecutor(threads)
    return ProcessPoolExecutor(processes, process_context(), initializer=die_with_parent, initargs=(os.getpid(),))
