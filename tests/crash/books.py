#!/usr/bin/env python3
"""Kills commands with kill -9 while they close months, ask for VAT invoices and send them to a platform, import bank statements and
match payments; each is run again until it is done. In the end no bill, invoice or payment is there twice, no number is missing,
nothing is half done, the platform has issued every invoice once and was asked for none of them twice, and verify finds nothing.
"""
import argparse
import collections
import json
import pathlib
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from stack import CampaignError, PostgresBooks, Process, SqliteBooks, free_port, postgres_url

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND_SECONDS = 120
CUSTOMERS = ('acme', 'berlin', 'globex')
PROJECTS = ('shop', 'web')
TAX_NUMBERS = ('9144030071526726XG', '91330100799655058B', '914403001922038216')
VERIFY_EVERY = 20
TRIES_MAX = 50
# What is killed, and how long it takes when it is not, in seconds: learned as it goes.
OPERATIONS = ('run', 'review', 'finalise', 'request', 'poll', 'import', 'match')

CONFIG = '''var_dir: "{folder}/var"
{store}issuer:
  name: 云通科技有限公司
  tax_id: 91110000802100433B
invoicing:
  platform: nuonuo
  drawer: 张三
  nuonuo:
    url: http://127.0.0.1:{port}/open/v1/services
    token_url: http://127.0.0.1:{port}/accessToken
    app_key: sim-app
    app_secret: sim-secret-0123456789
'''


def report(text):
    print(text, flush=True)


class Books:
    """A store, a platform, and the command that works at both."""

    def __init__(self, build, folder, store):
        self.folder, self.store = folder, store
        self.tollgate = str(build / 'src/app/tollgate')
        self.port = free_port()
        self.config = folder / 'tollgate.yaml'
        self.config.write_text(CONFIG.format(folder=folder, store=store.setting, port=self.port))
        self.platform = Process('platform', [ROOT / 'tools/node', ROOT / 'sim/einvoice.mjs', '--port', self.port], self.port, folder)

    def command(self, *args):
        return [self.tollgate, *map(str, args), '--config', str(self.config)]

    def run(self, *args):
        done = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        if done.returncode != 0:
            raise CampaignError(f'{" ".join(map(str, args))} failed: {done.stdout}{done.stderr}')
        return done.stdout

    def run_and_kill(self, seconds, *args):
        """True when it was killed before it ended."""
        process = subprocess.Popen(self.command(*args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
            return False
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait() == -9

    def shown(self):
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port}/sim') as answer:
            return json.load(answer)


class Campaign:
    def __init__(self, books, seed, wanted):
        self.books, self.wanted = books, wanted
        self.random = random.Random(f'{seed}/{books.store.name}')
        self.kills = collections.Counter()
        self.seconds = dict.fromkeys(OPERATIONS, 0.05)
        self.months = []
        self.paid = 0

    def prepare(self):
        self.books.run('settle')  # makes the journal that verify reads
        for customer, tax_number in zip(CUSTOMERS, TAX_NUMBERS):
            self.books.run('customer', 'create', '--name', customer)
            for project in PROJECTS:
                self.books.run('project', 'create', '--customer', customer, '--name', project)
            self.books.run('invoice', 'add-title', '--customer', customer, '--name', f'{customer} 有限公司', '--tax-number', tax_number)

    def work(self, operation, *args):
        """Once to its end, and before that killed as often as the dice say."""
        while sum(self.kills.values()) < self.wanted and self.random.random() < 0.5:
            if self.books.run_and_kill(self.random.random() * self.seconds[operation] * 1.1, *args):
                self.kills[operation] += 1
        began = time.monotonic()
        text = self.books.run(*args)
        self.seconds[operation] = 0.8 * self.seconds[operation] + 0.2 * (time.monotonic() - began)
        return text

    def month(self):
        number = 12 * 2026 + 9 - len(self.months)  # from October 2026 backwards
        text = f'{number // 12}-{number % 12 + 1:02}'
        self.months.append(text)
        bills = {customer: f'BILL-{customer}-{text.replace("-", "")}' for customer in CUSTOMERS}
        for customer in CUSTOMERS:
            for project in PROJECTS:
                self.books.run('bill', 'adjust', '--customer', customer, '--month', text, '--project', project, '--amount',
                               f'{self.random.randrange(1, 100_000) / 100:.2f}', '--text', 'service')
        for step in ('run', 'review', 'finalise'):
            self.work(step, 'bill', step, '--month', text)
        for customer, bill in bills.items():
            # As a whole, or a part and the rest.
            if self.random.random() < 0.5:
                self.work('request', 'invoice', 'request', '--part', f'{bill}/shop=0.01', '--reference', f'{bill}-1')
            self.work('request', 'invoice', 'request', '--bill', bill, '--reference', bill)
        for _ in range(TRIES_MAX):
            if '0 under way' in self.work('poll', 'invoice', 'poll'):
                break
        else:
            raise CampaignError(f'invoices of {text} are still under way')
        self.pay(text, bills)

    def pay(self, text, bills):
        totals = {row['id']: row['total_fen'] for row in self.books.store.rows('SELECT id, total_fen FROM bills')}
        lines = ['date,credit,payer,text,reference']
        for customer, bill in bills.items():
            self.paid += 1
            lines.append(f'2026-11-02,{totals[bill] / 100:.2f},{customer},{bill},T{self.paid}')
        file = self.books.folder / f'{text}.csv'
        file.write_text('\n'.join(lines) + '\n')
        self.work('import', 'payment', 'import', file, '--bank', 'generic', '--account', '6222')
        self.work('match', 'payment', 'match')

    def run(self):
        self.prepare()
        while sum(self.kills.values()) < self.wanted:
            self.month()
            if len(self.months) % VERIFY_EVERY == 0:
                self.verify()
        self.verify()

    def verify(self):
        done = subprocess.run(self.books.command('verify', '--json'), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        if done.returncode != 0:
            raise CampaignError(f'verify: {done.stdout[:4000]}{done.stderr}')


# Each check yields what is wrong, one finding each.

def bills_are_there_once(campaign):
    """One final bill for each customer and month, paid to the last fen."""
    rows = campaign.books.store.rows('SELECT id, status, net_fen FROM bills')
    wanted = {f'BILL-{c}-{m.replace("-", "")}' for c in CUSTOMERS for m in campaign.months}
    if {row['id'] for row in rows} != wanted or len(rows) != len(wanted):
        yield f'{len(rows)} bills, wanted {len(wanted)}'
    yield from (f'{row["id"]} is not final' for row in rows if row['status'] < 2)
    open_bills = [line for line in campaign.books.run('bill', 'list', '--format', 'csv').splitlines()[1:] if ',paid,' not in line]
    yield from (f'not paid: {line}' for line in open_bills)


def invoices_have_no_gap(campaign):
    """Numbers of a day follow on each other, and what invoices cover is exactly what was billed."""
    rows = campaign.books.store.rows('SELECT id, day, number, state FROM invoices ORDER BY day, number')
    by_day = collections.defaultdict(list)
    for row in rows:
        by_day[row['day']].append(row['number'])
        if row['state'] != 4:
            yield f'{row["id"]} is in state {row["state"]}'
    yield from (f'day {day} has the numbers {numbers}' for day, numbers in by_day.items()
                if numbers != list(range(1, len(numbers) + 1)))
    covered = {row['bill_id']: row['net'] for row in campaign.books.store.rows(
        'SELECT bill_id, SUM(net_fen) AS net FROM invoice_lines GROUP BY bill_id')}
    for row in campaign.books.store.rows('SELECT id, net_fen FROM bills'):
        if covered.get(row['id']) != row['net_fen']:
            yield f'{row["id"]} has {row["net_fen"]} fen, invoices cover {covered.get(row["id"])}'


def platform_has_each_once(campaign):
    """The platform has issued what the books say, and was never asked for the same twice."""
    shown = campaign.books.shown()
    if shown['doubles']:
        yield f'asked for the same invoice again {shown["doubles"]} times'
    issued = {each['serial']: each['number'] for each in shown['invoices']}
    booked = {row['id']: str(row['official_number']) for row in campaign.books.store.rows('SELECT id, official_number FROM invoices')}
    if issued != booked:
        yield f'{len(issued)} issued by the platform, {len(booked)} in the books: {set(issued.items()) ^ set(booked.items())}'


def payments_are_there_once(campaign):
    """Every row of a statement is one payment, used up, and numbers have no gap."""
    rows = campaign.books.store.rows('SELECT id, number, reference FROM payments ORDER BY number')
    if [row['number'] for row in rows] != list(range(1, campaign.paid + 1)):
        yield f'{len(rows)} payments, wanted {campaign.paid}'
    if len({row['reference'] for row in rows}) != campaign.paid:
        yield 'a row of a statement is there twice'


CHECKS = (bills_are_there_once, invoices_have_no_gap, platform_has_each_once, payments_are_there_once)


def close(campaign):
    failed = 0
    for check in CHECKS:
        findings = list(check(campaign))
        failed += bool(findings)
        for finding in findings[:20]:
            report(f'FAIL  {check.__name__}: {finding}')
    return failed


def run_campaign(variant, options, wanted):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f'tollgate-books-{variant}-'))
    store = SqliteBooks(folder / 'var') if variant == 'sqlite' else PostgresBooks(
        postgres_url(), f'books_{secrets.token_hex(6)}')
    (folder / 'var').mkdir()
    books = Books(options.build, folder, store)
    campaign = Campaign(books, options.seed, wanted)
    report(f'{variant}: {wanted} kills, seed {options.seed}')
    began, failed = time.monotonic(), 1
    try:
        books.platform.start()
        wait_for(books)
        campaign.run()
        failed = close(campaign)
    except (CampaignError, subprocess.TimeoutExpired) as error:
        report(f'FAIL  {error}')
    finally:
        books.platform.discard()
        store.close()
    kinds = ', '.join(f'{n} {kind}' for kind, n in campaign.kills.most_common())
    report(f'  {len(campaign.months)} months, kills: {kinds}; {time.monotonic() - began:.0f} s')
    if failed:
        report(f'  kept: {folder}')
    else:
        shutil.rmtree(folder)
    return sum(campaign.kills.values()) + len(CHECKS) - failed, failed


def wait_for(books):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            books.shown()
            return
        except OSError:
            time.sleep(0.02)
    raise books.platform.failure('does not answer')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=100, help='with SQLite; a tenth of it is added with PostgreSQL')
    parser.add_argument('--seed', type=int, help='default: a new one, printed')
    parser.add_argument('--only', choices=('sqlite', 'postgres'), help='only with this store, all of the kills')
    parser.add_argument('--build', type=pathlib.Path, default=ROOT / 'build/release', help='build folder')
    options = parser.parse_args()
    options.build = options.build.resolve()
    if options.seed is None:
        options.seed = secrets.randbelow(10 ** 9)
    wanted = {options.only: options.kills} if options.only else {'sqlite': options.kills, 'postgres': max(options.kills // 10, 1)}
    passed = failed = 0
    for variant, kills in wanted.items():
        ok, bad = run_campaign(variant, options, kills)
        passed, failed = passed + ok, failed + bad
    print(f'{passed} passed, {failed} failed')
    sys.exit(failed != 0)


if __name__ == '__main__':
    main()
