"""The full checks at the end of a campaign: books against the simulator's log, the journal, and sums of their own."""
import collections
import json

import oracle
from load import End, Fault
from stack import error_lines

# Numbers of the journal format (docs/formats.md), as they stand in the store.
SOURCES = ('none', 'provider', 'estimated', 'unconfirmed')
TIERS = {0: 'standard', 2: 'flex'}
METER_NUMBERS = {'input': 0, 'cache_read': 1, 'cache_write': 2, 'input_audio': 4, 'output': 8, 'reasoning': 9, 'output_audio': 10}
OUTCOME_OK, OUTCOME_CLIENT_GONE = 0, 3
NANO = 10 ** 6  # femto a nano
SHOWN_MAX = 20
SUM_FIELDS = ('requests', 'errors', 'estimated', 'unconfirmed', 'unpriced', 'input_tokens', 'cached_tokens', 'output_tokens',
              'reasoning_tokens', 'charge')

EVENTS = '''SELECT e.*, d.model, d.provider, d.deployment, d.region FROM usage_events e
    JOIN usage_dimensions d ON d.id = e.dimension_id ORDER BY e.sequence'''


def request_id(row):
    mask = 2 ** 64 - 1
    return f'req_{row["id_high"] & mask:016x}{row["id_low"] & mask:016x}'


class Books:
    """Everything that the closing checks look at, read once."""

    def __init__(self, stack, calls, watch, prices):
        self.stack, self.calls, self.watch, self.prices = stack, calls, watch, prices
        self.served = stack.served
        rows = stack.books.rows
        self.events = rows(EVENTS)
        for event in self.events:
            event['id'] = request_id(event)
            event['source'] = SOURCES[event['source']]
            event['tier'] = TIERS[event['tier']]
            event['usage'] = oracle.parse_usage_text(event['usage'])
            event['charge'] = event['charge_nano'] * NANO + event['charge_femto']
        self.daily = rows('SELECT * FROM usage_daily')
        self.daily_end_users = rows('SELECT * FROM usage_daily_end_users')
        self.daily_lines = rows('SELECT * FROM usage_daily_lines')
        self.daily_versions = rows('SELECT * FROM usage_daily_versions')
        self.recent = rows('SELECT * FROM recent_calls')
        self.chunks = rows('SELECT * FROM usage_chunks ORDER BY first_sequence')
        self.position = rows('SELECT * FROM settle_position')
        self.journals = rows('SELECT * FROM settle_journals')

    def call_of(self, event):
        return self.calls[event['end_user']]

    def true_usage(self, event):
        """From the simulator's log where the event claims the provider's own figures; else what the books say."""
        return oracle.billed_usage(self.served[event['id']]) if event['source'] == 'provider' else event['usage']

    def price(self, event, meter):
        return self.prices.find(event['price_version'], event['model'], event['tier'], meter, event['started_at'])

    def true_charge(self, event):
        return sum(q * self.price(event, meter) for meter, q in self.true_usage(event).items())


# Each check yields what is wrong, one finding each.

def served_calls_are_booked_once(books):
    """Every call that the simulator served is one event: none lost, none doubled."""
    count = collections.Counter(event['id'] for event in books.events)
    for request, lines in books.served.items():
        if count[request] != 1:
            yield f'{request} is in the books {count[request]} times, served as {lines}'
    for request, n in count.items():
        if n > 1 and request not in books.served:
            yield f'{request} is in the books {n} times'


def events_are_the_journals(books):
    """The books hold the settled records of the journal, all of them, in its order, unchanged."""
    settled = [entry.end for entry in books.watch.entries.values() if entry.end and entry.end['kind'] == 'settled']
    in_books = {event['id']: event for event in books.events}
    if len(settled) != len(books.events):
        yield f'{len(settled)} calls settled in the journal, {len(books.events)} in the books'
    for record in settled:
        event = in_books.get(record['id'])
        if event is None:
            yield f'only in the journal: {record}'
        elif any(event[field] != record[field] for field in ('source', 'usage', 'model', 'deployment', 'end_user', 'http_status')):
            yield f'the journal has {record}, the books {event}'


def provider_usage_is_what_was_billed(books):
    """Where the event claims the provider's figures, they are the simulator's, class by class."""
    for event in books.events:
        lines = books.served.get(event['id'], [])
        if event['source'] == 'none' and any(line['billed'] for line in lines):
            yield f'the simulator billed {lines}, the books nothing: {event}'
        if event['source'] != 'provider':
            continue
        if oracle.billed_usage(lines) != event['usage']:
            yield f'the simulator billed {lines}: {event}'
        billing = [line for line in lines if line['billed']]
        tiers = {'flex' if line['service_tier'] == 'flex' else 'standard' for line in billing}
        if tiers != {event['tier']} or {books.stack.upstream(line['key']) for line in billing} != {event['deployment']}:
            yield f'served by {billing}, booked as {event}'


def estimates_have_a_reason(books):
    """Estimated and unconfirmed are only calls that no exact figure could be had of."""
    for event in books.events:
        call = books.call_of(event)
        if event['source'] == 'estimated':
            if call.fault not in (Fault.CUT, Fault.NO_USAGE) and call.end is not End.LEFT:
                yield f'estimated for no reason: {call} {event}'
            if event['usage'].get('input', 0) <= 0 or (not call.is_stream and event['output_tokens'] != 0):
                yield f'estimated without a prompt, or with more than was delivered: {call} {event}'
        elif event['source'] == 'unconfirmed' and call.end not in (End.KILLED, End.LEFT):
            yield f'unconfirmed, but not open at a kill: {call} {event}'
        if event['id'] not in books.served and (event['source'] not in ('estimated', 'unconfirmed') or
                                                call.end not in (End.KILLED, End.LEFT)):
            yield f'the simulator never saw this call: {call} {event}'


def answers_are_booked(books):
    """Every answer that a client received in full from an upstream is in the books under its id."""
    booked = {event['id'] for event in books.events}
    for call in books.calls.values():
        if call.end is End.COMPLETE and (call.status == 200 or call.upstream) and call.request_id not in booked:
            yield f'answered and not in the books: {call}'


def sequence_has_no_gap(books):
    """Sequence numbers, the stretches they came from and the position in the journal join without gap or overlap."""
    for expected, event in enumerate(books.events, 1):
        if event['sequence'] != expected:
            yield f'event {expected} has the sequence number {event["sequence"]}'
            break
    next_sequence, lsn = 1, 0
    for chunk in books.chunks:
        if chunk['first_sequence'] != next_sequence or chunk['from_lsn'] < lsn or chunk['to_lsn'] <= chunk['from_lsn']:
            yield f'a stretch does not follow on {next_sequence}, {lsn}: {chunk}'
        next_sequence, lsn = chunk['last_sequence'] + 1, chunk['to_lsn']
    if len(books.position) != 1 or books.position[0]['next_sequence'] != next_sequence:
        yield f'the position {books.position} does not follow on {next_sequence}'
    if len(books.journals) > 1 or (books.journals and books.journals[0]['lsn'] < lsn):
        yield f'the position in the journal {books.journals} does not follow on {lsn}'


def charges_are_exact(books):
    """Each event's charge is usage x the price in force, to 10^-15."""
    for event in books.events:
        if event['charge'] != books.true_charge(event):
            yield f'charged {event["charge"]}, should be {books.true_charge(event)}: {event}'
        if event['input_tokens'] + event['output_tokens'] != sum(event['usage'].values()):
            yield f'tokens do not add up: {event}'
        account = books.call_of(event).account
        if event['local_day'] != oracle.local_day(account.time_zone, event['ended_at']):
            yield f'booked on another day than {account.time_zone} had: {event}'


DAILY_KEY = ('customer_id', 'local_day', 'project_id', 'key_id', 'dimension_id', 'tier', 'currency')


def number_of_tier(event):
    return {**event, 'tier': next(n for n, name in TIERS.items() if name == event['tier'])}


def summed(event):
    return {'requests': 1, 'errors': int(event['outcome'] not in (OUTCOME_OK, OUTCOME_CLIENT_GONE)),
            'estimated': int(event['source'] == 'estimated'), 'unconfirmed': int(event['source'] == 'unconfirmed'),
            'unpriced': 0, 'input_tokens': event['input_tokens'], 'cached_tokens': event['usage'].get('cache_read', 0),
            'output_tokens': event['output_tokens'], 'reasoning_tokens': event['usage'].get('reasoning', 0),
            'charge': event['charge']}


def compare_sums(books, rows, key_fields, what):
    expected = collections.defaultdict(collections.Counter)
    for event in map(number_of_tier, books.events):
        sums = expected[tuple(event[field] for field in key_fields)]
        for field, value in summed({**event, 'tier': None}).items():
            sums[field] += value
    found = {}
    for row in rows:
        row = {**row, 'charge': row['charge_nano'] * NANO + row['charge_femto']}
        found[tuple(row[field] for field in key_fields)] = {field: row[field] for field in SUM_FIELDS}
    for key in expected.keys() | found.keys():
        should = {field: expected[key][field] for field in SUM_FIELDS}
        if found.get(key) != should:
            yield f'{what} {dict(zip(key_fields, key))} is {found.get(key)}, its events make {should}'


def roll_ups_are_sums_of_events(books):
    """Roll-ups by day, by end user and by price are the sums of the events."""
    yield from compare_sums(books, books.daily, DAILY_KEY, 'usage_daily')
    yield from compare_sums(books, books.daily_end_users, (*DAILY_KEY[:5], 'end_user', *DAILY_KEY[5:]), 'usage_daily_end_users')
    line_key = (*DAILY_KEY[:6], 'meter', 'currency', 'price_nano')
    lines, versions, newest = collections.Counter(), set(), collections.defaultdict(list)
    for event in books.events:
        numbered = number_of_tier(event)
        versions.add((event['customer_id'], event['local_day'], event['price_version']))
        newest[event['customer_id']].append(event['sequence'])
        for meter, quantity in event['usage'].items():
            line = {**numbered, 'meter': METER_NUMBERS[meter], 'price_nano': books.price(event, meter)}
            lines[tuple(line[field] for field in line_key)] += quantity
    if lines != {tuple(row[field] for field in line_key): row['quantity'] for row in books.daily_lines}:
        yield 'usage_daily_lines are not the sums of the events'
    if versions != {(row['customer_id'], row['local_day'], row['price_version']) for row in books.daily_versions}:
        yield 'usage_daily_versions are not those of the events'
    if {(c, s) for c, all_of in newest.items() for s in all_of[-100:]} != {(r['customer_id'], r['sequence']) for r in books.recent}:
        yield 'recent_calls are not the newest 100 of each customer'


def bills_are_what_was_served(books):
    """Each bill, line by line, is the one made from the simulator's log; each project's part is its share of it."""
    bills = oracle.Bills()
    for event in books.events:
        account = books.call_of(event).account
        bills.add(account, oracle.local_day(account.time_zone, event['ended_at']), event['model'], event['tier'],
                  books.true_usage(event), lambda meter, event=event: books.price(event, meter))
    for customer, month in bills.requests:
        lines, projects, total = bills.bill(customer, month)
        for project in (None, *projects):
            command = ['bill', '--customer', customer, '--month', month, '--format', 'json']
            command += ['--project', project] if project else []
            printed = oracle.bill_of_json(json.loads(books.stack.command(*command).stdout))
            mine = ([line for line in lines if project in (None, line[0])],
                    {name: sums for name, sums in projects.items() if project in (None, name)},
                    projects[project] if project else total)
            for what, ours, theirs in zip(('lines', 'projects', 'total'), mine, printed):
                if ours != theirs:
                    yield f'{what} of the bill of {customer} {project or ""} {month}: {theirs}, should be {ours}'


def product_agrees(books):
    """`tollgate journal verify` and `tollgate verify` find the journal sound and the books equal to it."""
    for command in (['journal', 'verify'], ['verify', '--json']):
        done = books.stack.command(*command, may_fail=True)
        if done.returncode != 0:
            yield f'tollgate {" ".join(command)} ended with {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}'
            continue
        report = json.loads(done.stdout)
        if command[0] == 'journal':
            figures = report['sound'], report['settled'], report['unconfirmed'], report['open_reservations']
            expected = True, len(books.events), sum(1 for e in books.events if e['source'] == 'unconfirmed'), 0
        else:
            figures, expected = (report['ok'], report['events'], report['unsettled_events']), (True, len(books.events), 0)
        if figures != expected:
            yield f'tollgate {" ".join(command)}: {report}, should be {expected}'


def logs_have_no_errors(books):
    """No start, no batch and no call made the gate log an error; the simulator lost no line of its log."""
    for log in (books.stack.gate.log, books.stack.sim.log):
        for line in error_lines(log):
            if not books.stack.books.is_expected_error(line):
                yield f'{log.name}: {line}'


CHECKS = (served_calls_are_booked_once, events_are_the_journals, provider_usage_is_what_was_billed, estimates_have_a_reason,
          answers_are_booked, sequence_has_no_gap, charges_are_exact, roll_ups_are_sums_of_events, bills_are_what_was_served,
          product_agrees, logs_have_no_errors)


def run_checks(books, report):
    """Runs them all; returns (passed, failed)."""
    failed = 0
    for check in CHECKS:
        findings = list(check(books))
        name = check.__name__.replace('_', ' ')
        if not findings:
            report(f'ok    {name}')
            continue
        failed += 1
        report(f'FAIL  {name}: {len(findings)} findings')
        for finding in findings[:SHOWN_MAX]:
            report(f'      {finding}')
    return len(CHECKS) - failed, failed
