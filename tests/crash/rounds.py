"""One round: start the gate on the books the last kill has left, load it, check those books, kill it again."""
import asyncio
import collections
import random
import time

from load import Load
from stack import POLL_SECONDS, CampaignError

LOAD_SECONDS = (0.1, 0.8)
WATCH_SECONDS = 2.0  # for what an aimed kill waits for; then it is a kill under load like any other

# How often out of 100 a round is of each kind.
KINDS = {
    'under load': 55,
    'starting': 15,        # at any moment of start and recovery; the rounds after it recover from that
    'settling': 12,        # as the settler writes
    'rotating': 6,         # as a journal segment begins
    'publishing': 4,       # as another process changes prices
    'stopping': 8,         # in the middle of an orderly stop
}
# After a kill at the start, the next start is killed as well so often out of 100: recovery of a recovery.
AGAIN = 40
# The same where the disk can be filled.
FULL_DISK_KINDS = {'disk full': 70, 'under load': 20, 'starting': 10}


class Kills:
    """Runs rounds on one stack until enough kills were made; keeps the count and what was learned of timing."""

    def __init__(self, stack, calls, watch, prices, seed, disk=None):
        self.disk = disk
        self.stack, self.calls, self.watch, self.prices, self.seed = stack, calls, watch, prices, seed
        self.random = random.Random(f'{seed}/rounds')
        self.by_kind = collections.Counter()
        self.rounds = 0
        self.kind = ''
        self.starts_on_full_disk = collections.Counter()
        self.start_seconds = 0.05
        self.slowest_start = 0.0

    @property
    def count(self):
        return sum(self.by_kind.values())

    def _choose_kind(self):
        if self.kind == 'starting' and self.random.randrange(100) < AGAIN:
            return self.kind
        kinds = dict(FULL_DISK_KINDS if self.disk else KINDS)
        if not self.stack.books.write_ahead_log:
            kinds.pop('settling', None)
        return self.random.choices(list(kinds), list(kinds.values()))[0]

    async def round(self):
        """One start of the gate and its end by kill -9. Raises what must never happen."""
        self.rounds += 1
        kind = self.kind = self._choose_kind()
        began = time.monotonic()
        self.stack.gate.start()
        load = Load(self.stack.gate.port, self.seed, self.rounds, self.stack.accounts, self.calls)
        try:
            if kind == 'starting':
                await asyncio.sleep(self.random.uniform(0, 1.5 * self.start_seconds))
            else:
                await self.stack.gate.wait_ready()
                self.start_seconds = time.monotonic() - began
                self.slowest_start = max(self.slowest_start, self.start_seconds)
                check = asyncio.create_task(self.check())
                await self._aim(kind)
            load.note_kill()
            was_killed = self.stack.gate.kill()
            await load.finish()
            if kind != 'starting':
                await check
        finally:
            for task in load.tasks:
                task.cancel()
        if was_killed:
            self.by_kind[kind] += 1
        elif kind != 'stopping':
            raise self.stack.gate.failure('ended by itself with 0')
        if kind == 'disk full':
            await self._start_on_full_disk()
        if self.random.random() < 0.2:
            await self.watch.follow()  # what a kill has left must be readable before it is recovered, too

    async def check(self):
        await self.watch.follow()
        self.watch.check_after_restart(self.rounds)

    async def _aim(self, kind):
        """Returns at the moment of the kill."""
        seconds = self.random.uniform(*LOAD_SECONDS)
        if kind == 'settling':
            await self._wait_for_change(self._write_ahead_log_state)
        elif kind == 'rotating':
            await self._wait_for_change(lambda: sorted(entry.name for entry in self.stack.journal_dir.iterdir()))
        elif kind == 'publishing':
            await asyncio.sleep(seconds / 2)
            publishing = asyncio.create_task(self.prices.change_one(self.random))
            await asyncio.sleep(self.random.uniform(0, 0.06))
            self._finish_later(publishing)
        elif kind == 'disk full':
            await asyncio.sleep(seconds / 2)
            self.disk.fill()
            await asyncio.sleep(self.random.uniform(*LOAD_SECONDS))
        elif kind == 'stopping':
            await asyncio.sleep(seconds)
            self.stack.gate.terminate()
            await asyncio.sleep(self.random.uniform(0, 0.15))
        else:
            await asyncio.sleep(seconds)

    async def _start_on_full_disk(self):
        """A gate may start on a full disk or say why not; either way nothing may be lost. Frees the disk."""
        self.stack.gate.start()
        try:
            await self.stack.gate.wait_ready()
            self.starts_on_full_disk['started'] += 1
            self.stack.gate.kill()
        except CampaignError:
            if self.stack.gate.process.poll() != 1:
                raise
            self.starts_on_full_disk['refused'] += 1
        self.disk.free()

    def _write_ahead_log_state(self):
        try:
            state = self.stack.books.write_ahead_log.stat()
            return state.st_size, state.st_mtime_ns
        except FileNotFoundError:
            return None

    async def _wait_for_change(self, look):
        before, deadline = look(), time.monotonic() + WATCH_SECONDS
        while look() == before and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS / 4)
        await asyncio.sleep(self.random.uniform(0, 0.004))

    def _finish_later(self, publishing):
        self.prices.pending.append(publishing)

    async def close(self):
        """A last start without a kill: recovers, answers, stops in order."""
        self.rounds += 1
        self.stack.gate.start()
        await self.stack.gate.wait_ready()
        load = Load(self.stack.gate.port, self.seed, self.rounds, self.stack.accounts, self.calls)
        await self.check()
        load.stop_after_current()
        await load.finish()
        await self.prices.finish()
        await asyncio.get_running_loop().run_in_executor(None, self.stack.gate.stop)
        await self.stack.wait_served()
        self.rounds += 1
        await self.check()
        if self.watch.open:
            raise CampaignError(f'an orderly stop left open: {list(self.watch.open.values())[:5]}')
        if self.watch.unmatched:
            raise CampaignError(f'the simulator has not billed what these events claim: {self.watch.unmatched[:5]}')
