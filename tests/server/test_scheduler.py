"""Turns, limits and ends of the scheduler."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.exceptions import HTTPException

from zoo.server.scheduler import Scheduler, Stopped


async def collect(parts: AsyncIterator[list[int]]) -> list[int]:
    return [result async for part in parts for result in part]


def test_requests_take_turns() -> None:
    order: list[str] = []

    def steps(name: str, count: int) -> Iterator[int]:
        for n in range(count):
            order.append(name)
            yield n

    async def main() -> None:
        scheduler = Scheduler(9, patience=60.0)
        gate = threading.Event()
        first = asyncio.create_task(anext(scheduler.run(iter(gate.wait, None))))
        await asyncio.sleep(0.01)
        tasks = [
            asyncio.create_task(collect(scheduler.run(steps(name, count))))
            for name, count in (("long", 1000), ("short", 3))
        ]
        await asyncio.sleep(0.01)
        gate.set()
        await first
        assert await tasks[1] == [0, 1, 2]
        assert await tasks[0] == list(range(1000))
        assert scheduler.close(timeout=60)

    asyncio.run(main())
    assert order[:6] == ["long", "short"] * 3


def test_no_error_ends_a_thread() -> None:
    class PanicError(BaseException):  # as a library in Rust raises
        pass

    def steps() -> Iterator[int]:
        yield 0
        raise PanicError("of a library")

    def panic() -> None:
        raise PanicError

    async def main() -> None:
        scheduler = Scheduler(9)
        for _ in range(3):
            scheduler.run_when_idle([panic])
            with pytest.raises(RuntimeError, match="PanicError.*of a library"):
                await collect(scheduler.run(steps()))
        assert await collect(scheduler.run(iter([1, 2]))) == [1, 2]
        assert scheduler.close(timeout=60)

    asyncio.run(main())


def test_a_long_slice_does_not_hold_other_requests() -> None:
    async def main() -> None:
        scheduler = Scheduler(9)
        gate = threading.Event()
        blocked = asyncio.create_task(anext(scheduler.run(iter(gate.wait, None))))
        for n in range(3):
            assert await collect(scheduler.run(iter([n, n]))) == [n, n]
        assert not blocked.done()
        gate.set()
        assert (await blocked)[0] is True
        assert scheduler.close(timeout=60)

    asyncio.run(main())


def test_the_number_of_requests_is_limited() -> None:
    async def main() -> None:
        scheduler = Scheduler(1)
        gate = threading.Event()
        task = asyncio.create_task(collect(scheduler.run(iter([0]))))
        first = scheduler.run(iter(gate.wait, None))
        assert await task == [0]
        running = asyncio.create_task(anext(first))
        await asyncio.sleep(0)
        with pytest.raises(HTTPException, match="429"):
            await collect(scheduler.run(iter([1])))
        gate.set()
        assert (await running)[0] is True
        await first.aclose()
        while len(scheduler):
            await asyncio.sleep(0.001)
        assert await collect(scheduler.run(iter([2]))) == [2]
        assert scheduler.close(timeout=60)

    asyncio.run(main())


def test_an_error_ends_its_request_only() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("the reason")

    async def main() -> None:
        scheduler = Scheduler(2)
        with pytest.raises(ValueError, match="the reason"):
            await collect(scheduler.run(failing()))
        assert await collect(scheduler.run(iter([2]))) == [2]
        scheduler.close()

    asyncio.run(main())


def test_work_ends_when_nobody_waits() -> None:
    counts = iter(range(10**9))

    async def main() -> None:
        scheduler = Scheduler(2)
        results = scheduler.run(counts)
        assert (await anext(results))[0] == 0
        await results.aclose()
        while len(scheduler):
            await asyncio.sleep(0.001)
        assert scheduler.close(timeout=60)

    asyncio.run(main())
    assert next(counts) < 10**6


def test_closing_ends_requests_in_progress() -> None:
    async def main() -> None:
        scheduler = Scheduler(2)
        gate = threading.Event()
        results = scheduler.run(iter(gate.wait, None))
        task = asyncio.create_task(anext(results))
        await asyncio.sleep(0.01)
        assert not scheduler.close()
        with pytest.raises(Stopped):
            await task
        with pytest.raises(Stopped):
            await anext(scheduler.run(iter([1])))
        gate.set()
        assert scheduler.close(timeout=60)

    asyncio.run(main())


def test_a_program_ends_while_a_thread_computes() -> None:
    """JAX would abort the process if the thread went on."""
    code = (
        "import threading, jax, numpy as np\n"
        "from zoo.server.scheduler import Scheduler\n"
        "started = threading.Event()\n"
        "def compute():\n"
        "    started.set()\n"
        "    for n in range(1, 9):\n"
        "        jax.jit(lambda x: jax.numpy.linalg.eigh(x @ x))(np.eye(n))\n"
        "    print('done')\n"
        "Scheduler(1).run_when_idle([compute, compute])\n"
        "started.wait()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "done\n", "")


def test_spare_work_leaves_both_threads_for_requests_and_may_fail() -> None:
    async def main() -> None:
        scheduler = Scheduler(3)
        gate, done = threading.Event(), threading.Event()
        scheduler.run_when_idle([gate.wait, lambda: [][0], done.set])
        await asyncio.sleep(0.01)
        results = scheduler.run(iter(gate.wait, None))
        long = asyncio.create_task(anext(results))
        for n in range(5):
            assert await collect(scheduler.run(iter([n]))) == [n]
        assert not done.is_set() and not long.done()
        gate.set()
        assert (await long)[0] is True
        await results.aclose()
        assert await asyncio.to_thread(done.wait, 60)
        assert scheduler.close(timeout=60)

    asyncio.run(main())
