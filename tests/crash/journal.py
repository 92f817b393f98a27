"""Follows the journal through the whole campaign, with `tollgate journal dump`, and checks it after every kill."""
import dataclasses
import json

import oracle
from load import End, Fault
from stack import CampaignError


@dataclasses.dataclass
class Entry:
    """What the journal says of one request id."""
    reserved: dict
    end: dict | None = None


class JournalWatch:
    def __init__(self, stack, calls):
        self.stack, self.calls = stack, calls
        self.entries = {}
        self.open = {}
        self.tags = {}     # tag -> request id
        self.checked = 0   # acknowledged answers that were found settled as they were given
        self.unconfirmed = 0
        self._last = None  # the record read last: the next dump begins with it, unchanged
        self._unmatched = []   # settled, but not yet in the simulator's log
        self._acknowledged = []  # answers to be checked, in the order of their calls
        self._calls_seen = 0

    async def follow(self):
        """Takes in all records since the last time. Works on a journal that is being written and on one a kill has left."""
        command = ['journal', 'dump']
        if self._last:
            command += ['--from', self._last['at']]
        lines = (await self.stack.command_beside(*command)).splitlines()
        if self._last:
            if not lines or json.loads(lines[0]) != self._last:
                raise CampaignError(f'the journal changed: {self._last} became {lines[0] if lines else "nothing"}')
            del lines[0]
        for line in lines:
            record = json.loads(line)
            self._take(record)
            self._last = record

    def _take(self, record):
        request, kind = record['id'], record['kind']
        entry = self.entries.get(request)
        if kind == 'reserved':
            if entry:
                raise CampaignError(f'{request} is reserved twice: {entry.reserved} and {record}')
            if record['end_user'] not in self.calls:
                raise CampaignError(f'nobody made the call of {record}')
            if record['end_user'] in self.tags:
                raise CampaignError(f'one call has two ids, {self.tags[record["end_user"]]} and {request}')
            self.tags[record['end_user']] = request
            self.entries[request] = self.open[request] = Entry(record)
            return
        if not entry or entry.end:
            raise CampaignError(f'{request} ends {"twice" if entry else "without having been reserved"}: '
                                f'{entry and entry.end} and {record}')
        entry.end = record
        del self.open[request]
        if kind == 'settled':
            self._check_settled(self.calls[entry.reserved['end_user']], entry)

    def _check_settled(self, call, entry):
        event = entry.end
        same = ('customer', 'project', 'key', 'endpoint', 'started_at', 'model', 'provider', 'end_user', 'price_version')
        if any(event[field] != entry.reserved[field] for field in same):
            raise CampaignError(f'settled differs from reserved: {entry.reserved} became {event}')
        if event['model'] != call.model:
            raise CampaignError(f'{call.tag} asked for {call.model}: {event}')
        if event['source'] == 'unconfirmed':
            self._check_unconfirmed(call, entry)
        elif event['source'] == 'none' and event['usage']:
            raise CampaignError(f'usage without a source: {event}')
        if event['source'] == 'provider':
            self._unmatched.append(event)

    def _check_unconfirmed(self, call, entry):
        self.unconfirmed += 1
        event, reserved = entry.end, entry.reserved
        estimate = {'input': reserved['estimated_input_tokens'], 'output': reserved['estimated_output_tokens']}
        if event['outcome'] != 'crash' or event['usage'] != {meter: q for meter, q in estimate.items() if q}:
            raise CampaignError(f'not settled from its reservation: {reserved} became {event}')
        if call.max_output and estimate['output'] != call.max_output:
            raise CampaignError(f'{call.tag} allowed {call.max_output} tokens of output: {reserved}')

    def check_after_restart(self, round_number):
        """Call once a gate has started after the end of round `round_number` - 1, and the journal was followed."""
        for entry in self.open.values():
            if self.calls[entry.reserved['end_user']].round < round_number:
                raise CampaignError(f'recovery left open: {entry.reserved}')
        calls = list(self.calls.values())
        self._acknowledged += [call for call in calls[self._calls_seen:] if call.round < round_number]
        self._calls_seen = sum(1 for call in calls if call.round < round_number)
        for call in self._acknowledged:
            self._check_acknowledged(call)
        self._acknowledged.clear()
        self.check_against_served()

    def _check_acknowledged(self, call):
        entry = self.entries.get(self.tags.get(call.tag, ''))
        if entry is None or entry.end is None:
            if call.end is End.COMPLETE and call.status == 200:
                raise CampaignError(f'lost: {call.tag} was answered in full and the journal has no end of it: {call}')
            return
        event = entry.end
        if event['kind'] == 'abandoned':
            if call.end is End.COMPLETE and call.upstream:
                raise CampaignError(f'abandoned, but answered by {call.upstream}: {call}')
            return
        if event['source'] == 'unconfirmed' and call.end not in (End.KILLED, End.LEFT):
            raise CampaignError(f'unconfirmed, though its client knows how it ended: {call} {event}')
        if call.end is End.COMPLETE:
            self._check_complete(call, event)

    def _check_complete(self, call, event):
        self.checked += 1
        expected = 'provider'
        if call.status >= 400:
            expected = 'estimated' if call.fault is Fault.CUT and call.status == 502 else 'none'
        elif call.fault is Fault.NO_USAGE:
            expected = 'estimated'
        if event['id'] != call.request_id or event['source'] != expected:
            raise CampaignError(f'expected {expected}: {call} {event}')
        if call.status < 400 and (event['outcome'], event['http_status']) != ('ok', call.status):
            raise CampaignError(f'settled with another end than the client saw: {call} {event}')
        if call.shown_usage and oracle.reported_usage(call.shown_usage) != event['usage']:
            raise CampaignError(f'the client was shown {call.shown_usage}: {event}')

    def check_against_served(self):
        """Every event with the provider's own usage equals what the simulator billed; what it has not logged yet waits."""
        self.stack.read_served()
        waiting = []
        for event in self._unmatched:
            lines = self.stack.served.get(event['id'])
            if not lines or len(lines) < event['attempts']:
                waiting.append(event)
            elif oracle.billed_usage(lines) != event['usage']:
                raise CampaignError(f'the simulator billed {lines}, the journal says {event}')
        self._unmatched = waiting

    @property
    def unmatched(self):
        return self._unmatched
