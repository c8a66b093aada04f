"""Much at once, or one after the other: a relay keeps nothing of what it has sent on."""

import asyncio
import gc
import sys
import tracemalloc
from typing import Any

import pytest

from deltawire import Rewriter
from deltawire.replay import sample

from .relays import RELAYS, body, in_loop, relayed
from .upstream import Peer

MIB = 1 << 20
TEXT = sample("text", chunks=10)


@RELAYS
@pytest.mark.parametrize("rewriter", [None, Rewriter], ids=["as it is", "through a rewriter"])
@in_loop
async def test_a_slow_client_slows_upstream_down_instead_of_filling_memory(kind: str, rewriter: Any) -> None:
    events = TEXT.body.removesuffix(b"data: [DONE]\n\n")
    block = events * (MIB // len(events))
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.start()
        for _ in range(64):
            await peer.send(block)
            sent += len(block)
        await peer.end()

    async with relayed(kind, script, rewriter=rewriter) as rig, rig.session.post(rig.url) as response:
        got = len(await response.content.readexactly(1000))
        tracemalloc.start()
        try:
            await asyncio.sleep(0.3)
            # What the kernel and the servers on the way hold.
            assert sent < 24 * MIB
            async for data in response.content.iter_any():
                got += len(data)
                assert sent - got < 24 * MIB
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert got == sent == 64 * len(block)
        assert peak < 16 * MIB
        assert (await rig.reports.get()).bytes == sent


@RELAYS
@in_loop
async def test_a_thousand_streams_leave_nothing_behind(kind: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.start()
        await peer.send(TEXT.body)
        await peer.end()
        rig.upstream.peers.clear()

    async with relayed(kind, script, rewriter=lambda: Rewriter(model="ours")) as rig:

        async def some(count: int) -> tuple[int, int]:
            for _ in range(count):
                await body(rig)
                assert (await rig.reports.get()).status == "done"
            gc.collect()
            return sys.getallocatedblocks(), len(asyncio.all_tasks())

        blocks, tasks = await some(200)
        blocks_after, tasks_after = await some(800)
    assert tasks_after == tasks
    assert blocks_after - blocks < 800, "less than a block of memory for each"
