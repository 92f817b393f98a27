"""Prices that the campaign sets by hand, through the product, and keeps its own account of."""
import asyncio
import calendar
import re
import time

import oracle
from load import MODELS

PUBLISHED = re.compile(r'price book version (\d+) is in force from (\S+)')
TIERS = ('standard', 'flex')


def micros(rfc3339):
    """UTC microseconds of e.g. 2026-11-24T05:00:51.338759Z."""
    whole, _, fraction = rfc3339.rstrip('Z').partition('.')
    return calendar.timegm(time.strptime(whole, '%Y-%m-%dT%H:%M:%S')) * 10 ** 6 + int((fraction or '0').ljust(6, '0'))


def text_of(nano):
    return f'{nano // 10 ** 9}.{nano % 10 ** 9:09d}'.rstrip('0').rstrip('.')


class Prices:
    def __init__(self, stack, random):
        self.stack = stack
        self.book = oracle.PriceBook()
        self.pending = []
        self.now = {}
        for model in MODELS:
            for tier in TIERS:
                # Odd nano-units: a sum that was rounded anywhere before the bill shows.
                self.now[model, tier] = {meter: random.randrange(10 ** 8, 2 * 10 ** 10) | 1 for meter in oracle.METERS}

    def set_all(self):
        for (model, tier), nano in self.now.items():
            self._take(self.stack.command(*self._command(model, tier, nano)).stdout, model, tier, nano)

    @staticmethod
    def _command(model, tier, nano):
        return ['prices', 'set', model, *(f'{meter}={text_of(n)}' for meter, n in nano.items()), '--tier', tier, '--approve']

    def _take(self, printed, model, tier, nano):
        version, valid_from = PUBLISHED.search(printed).groups()
        self.book.set(int(version), micros(valid_from), model, tier, nano)

    async def change_one(self, random):
        """A new version with other prices for one model and tier, while calls are being made."""
        model, tier = random.choice(MODELS), random.choice(TIERS)
        nano = {meter: random.randrange(10 ** 8, 2 * 10 ** 10) | 1 for meter in oracle.METERS}
        self._take(await self.stack.command_beside(*self._command(model, tier, nano)), model, tier, nano)

    async def finish(self):
        await asyncio.gather(*self.pending)
        self.pending.clear()
