"""The same for each of many batches, in several processes.

For stages that go through all studies of a data set. The processes are forked, so they see everything that the stage
has read so far, and only what they find comes back.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from wfdb2dicom.kernel import die_with_parent

FEW = 5_000  # studies that one process goes through before others would have begun
LOOKERS = 8  # processes that look at files: on a network file system each look is a wait of its own

Item = TypeVar("Item")
Result = TypeVar("Result")
_task: Callable[[Any], Any]


def each(task: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """The results of a task for each item, in their order.

    Parameters
    ----------
    task : callable
        It sees everything as it was when the first result was asked for; only its result comes back.
    items : sequence
    processes : int
        With less than two, and where forking is not safe, everything is done in this process.

    Raises
    ------
    OSError
        When one of the processes was killed.
    """
    if processes < 2 or len(items) < 2 or not sys.platform.startswith("linux"):
        yield from map(task, items)
        return
    global _task
    _task = task
    gc.freeze()  # or the first search for garbage in each process would copy all memory that they share
    processes = min(processes, len(items))
    context = get_context("fork")
    under_way: deque[Future[Result]] = deque()
    with ProcessPoolExecutor(processes, context, initializer=die_with_parent, initargs=(os.getpid(),)) as pool:
        try:
            for item in items:
                under_way.append(pool.submit(_run, item))
                if len(under_way) > 2 * processes:  # results that nobody has taken yet shall not fill the memory
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool:
            words = "a process that shared the work was killed, for want of memory perhaps"
            raise OSError(errno.ENOMEM, words) from None
        finally:  # also when no more results are wanted
            for future in under_way:
                future.cancel()


def _run(item: Any) -> Any:
    return _task(item)
