#!/usr/bin/env python3
"""Kills the real `tollgate serve` with kill -9 under load, again and again, and proves after each kill and at the end that
no settled event is lost or doubled and that the bills are what the simulator says it served.

The load mixes unary and streaming calls, broken answers, error answers and clients that hang up, on the way to a simulator
that is never killed and logs every call it served. What happens when follows from the seed, as far as the machine's own
timing allows. After a failure the folder with configuration, books, journal and logs is kept.
"""
import argparse
import asyncio
import copy
import pathlib
import random
import secrets
import shutil
import sys
import tempfile
import time
import traceback

import closing
from disk import SmallDisk
from journal import JournalWatch
from load import End
from prices import Prices
from rounds import Kills
from stack import PostgresBooks, SqliteBooks, Stack, CampaignError, postgres_url

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRESS_EVERY = 20


def report(text):
    print(text, flush=True)


def report_progress(kills, began):
    watch = kills.watch
    report(f'  {kills.count:5} kills  {len(kills.calls):7} calls  {len(watch.entries):7} in the journal  '
           f'{watch.checked:7} answers checked  {watch.unconfirmed:5} unconfirmed  {time.monotonic() - began:6.0f} s')


def report_totals(books, kills):
    ends = {end: sum(1 for call in books.calls.values() if call.end is end) for end in End}
    report('  calls: ' + ', '.join(f'{n} {end.value}' for end, n in ends.items() if n))
    report('  kills: ' + ', '.join(f'{n} {kind}' for kind, n in kills.by_kind.most_common()))
    for source in closing.SOURCES:
        events = [event for event in books.events if event['source'] == source]
        charge = sum(event['charge'] for event in events)
        unseen = sum(1 for event in events if event['id'] not in books.served)
        report(f'  {source:12} {len(events):7} events  {charge // 10 ** 9 / 10 ** 6:12.6f} USD' +
               (f'  {unseen} of them never reached the simulator' if unseen else ''))
    report(f'  {len(books.served)} requests served by the simulator, '
           f'{len(books.prices.versions)} price versions, slowest start {kills.slowest_start:.2f} s')


def check_the_checks(books):
    """Books with one fault each, which the closing checks have to find: yields (fault, whether it was found)."""
    def tampered(name, check, change):
        copied = copy.copy(books)
        copied.events = [dict(event) for event in books.events]
        copied.served = dict(books.served)
        change(copied)
        return name, any(True for _ in check(copied))
    booked = next(i for i, event in enumerate(books.events) if event['source'] == 'provider')
    request = books.events[booked]['id']
    yield tampered('an event is lost', closing.served_calls_are_booked_once, lambda b: b.events.pop(booked))
    yield tampered('an event is doubled', closing.served_calls_are_booked_once, lambda b: b.events.append(b.events[booked]))
    yield tampered('a token too many', closing.provider_usage_is_what_was_billed,
                   lambda b: b.events[booked].update(usage={**b.events[booked]['usage'], 'output': 10 ** 6}))
    yield tampered('a call the simulator never saw', closing.estimates_have_a_reason, lambda b: b.served.pop(request))
    yield tampered('10^-15 too much', closing.charges_are_exact,
                   lambda b: b.events[booked].update(charge=b.events[booked]['charge'] + 1))
    yield tampered('a gap', closing.sequence_has_no_gap, lambda b: b.events.pop(booked))
    yield tampered('a roll-up that misses an event', closing.roll_ups_are_sums_of_events, lambda b: b.events.pop(booked))
    yield tampered('a bill that misses a call', closing.bills_are_what_was_served, lambda b: b.events.pop(booked))


class Campaign:
    def __init__(self, variant, options, kills):
        self.variant, self.options, self.wanted = variant, options, kills
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f'tollgate-crash-{variant}-'))
        self.stack = self.disk = None
        self.passed = self.failed = 0

    async def run(self):
        """(passed, failed): every kill with its checks is one test, and every closing check."""
        report(f'{self.variant}: {self.wanted} kills, seed {self.options.seed}, in {self.folder}')
        books = None
        try:
            books = self._open_books()
            self.stack = Stack(self.options.build, self.folder, self.options.seed, books)
            await self._run()
        except Exception as error:  # whatever it is, the campaign has failed and says where
            self.failed += 1
            report(f'FAIL  {error}' if isinstance(error, CampaignError) else f'FAIL  {traceback.format_exc()}')
        finally:
            if self.stack:
                self.stack.discard()
            if books:
                books.close()
        if self.failed:
            report(f'      to repeat: tests/crash/run --only {self.variant} --kills {self.wanted} --seed {self.options.seed}\n'
                   f'      kept: {self.folder}')
        else:
            shutil.rmtree(self.folder)
        return self.passed, self.failed

    def _open_books(self):
        if self.variant == 'postgres':
            return PostgresBooks(postgres_url(), f'crash_{secrets.token_hex(4)}')
        if self.variant == 'full-disk':
            self.disk = SmallDisk(self.folder / 'var')
        return SqliteBooks(self.folder / 'var', self.disk)

    async def _run(self):
        stack, calls, seed = self.stack, {}, self.options.seed
        stack.create_accounts()
        prices = Prices(stack, random.Random(f'{seed}/prices'))
        prices.set_all()
        stack.sim.start()
        await stack.sim.wait_ready()
        watch = JournalWatch(stack, calls)
        kills = Kills(stack, calls, watch, prices, seed, self.disk)
        began = time.monotonic()
        while kills.count < self.wanted and time.monotonic() - began < self.options.seconds_max:
            await kills.round()
            self.passed = kills.count
            if kills.count % PROGRESS_EVERY == 0:
                report_progress(kills, began)
        await kills.close()
        stack.sim.stop()
        report_progress(kills, began)
        books = closing.Books(stack, calls, watch, prices.book)
        passed, self.failed = closing.run_checks(books, report)
        self.passed += passed
        report_totals(books, kills)
        if not self.failed:
            self._check_the_checks(books)
        report(f'  {time.monotonic() - began:.0f} s')

    def _check_the_checks(self, books):
        for fault, was_found in check_the_checks(books):
            if was_found:
                self.passed += 1
            else:
                self.failed += 1
                report(f'FAIL  books with {fault} passed the checks')


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=200, help='with SQLite; a tenth of it is added with PostgreSQL')
    parser.add_argument('--seed', type=int, help='default: a new one, printed')
    parser.add_argument('--seconds-max', type=float, default=float('inf'), help='no further kill after so long, per store')
    parser.add_argument('--only', choices=('sqlite', 'postgres'), help='only with this store, all of the kills')
    parser.add_argument('--build', type=pathlib.Path, default=ROOT / 'build/release', help='build folder')
    options = parser.parse_args()
    if options.kills < 1:
        parser.error('--kills: at least 1')
    options.build = options.build.resolve()
    if options.seed is None:
        options.seed = secrets.randbelow(10 ** 9)
    return options


def main():
    options = parse_options()
    kills = {options.only: options.kills} if options.only else {
        'sqlite': options.kills, 'postgres': max(options.kills // 10, 1)}
    if 'postgres' in kills and not postgres_url():
        sys.exit('TG_TEST_POSTGRES_URL names no server; start through tests/crash/run, or with --only sqlite')
    passed = failed = 0
    for variant, wanted in kills.items():
        ok, bad = asyncio.run(Campaign(variant, options, wanted).run())
        passed, failed = passed + ok, failed + bad
    print(f'{passed} passed, {failed} failed')
    sys.exit(failed != 0)


if __name__ == '__main__':
    main()
