"""Calls that clients make, what is asked of the simulator in them, and what a client learned of each."""
import asyncio
import dataclasses
import enum
import json
import random
import time

from stack import Account

RETRY_SECONDS = 0.01
CONNECTIONS = 24


class Fault(enum.Enum):
    """What keeps a call from having the provider's usage."""
    NONE = 'none'
    CUT = 'cut'            # the simulator breaks off its answer
    NO_USAGE = 'no usage'  # the answer says nothing of usage
    STATUS = 'status'      # an error answer


class End(enum.Enum):
    """How a call ended, seen by its client."""
    OPEN = 'open'
    COMPLETE = 'complete'  # the last byte was received
    LEFT = 'left'          # the client hung up on purpose
    BROKEN = 'broken'      # the connection broke while the gate lived
    KILLED = 'killed'      # the connection broke with the gate's death


@dataclasses.dataclass
class Call:
    tag: str  # stands in the request's `user`, so that events and calls find each other without an id
    round: int
    account: Account
    path: str
    model: str
    tier: str
    is_stream: bool
    fault: Fault
    leaves_after: int  # bytes of the answer after which the client hangs up; -1: it stays
    max_output: int    # 0: the request names none
    body: bytes
    end: End = End.OPEN
    status: int = 0
    request_id: str = ''
    upstream: str = ''
    shown_usage: dict | None = None

    @property
    def is_embedding(self):
        return self.path == '/v1/embeddings'


WORDS = ('river', 'contract', 'invoice', 'gate', 'token', 'market', 'Vertrag', '价格', '合同', 'quarter', 'ledger')
MODELS = ('crash-small', 'crash-large')


class CallMaker:
    """The calls of one client connection, from its seed alone."""

    def __init__(self, seed, round_number, worker, accounts):
        self.random = random.Random(f'{seed}/{round_number}/{worker}')
        self.round, self.worker, self.accounts, self.made = round_number, worker, accounts, 0

    def next(self):
        r = self.random
        self.made += 1
        tag = f'r{self.round}-w{self.worker}-{self.made}'
        account, model = r.choice(self.accounts), r.choice(MODELS)
        path = r.choices(('/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses'), (75, 7, 8, 10))[0]
        is_stream = path != '/v1/embeddings' and r.random() < 0.45
        fault, directives = self._directives(path, is_stream)
        leaves_after = r.randrange(0, 4000) if r.random() < 0.04 else -1
        # Where the simulator is asked for a number of tokens, it pays no heed to the most that the request allows.
        max_output = 0 if path == '/v1/embeddings' or r.random() < 0.4 else r.randrange(20, 200)
        tier = r.choice(('flex', 'default')) if r.random() < 0.2 and path != '/v1/embeddings' else ''
        body = self._body(path, model, tag, is_stream, max_output, tier, directives)
        head = (f'POST {path} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {account.key}\r\n'
                f'content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n').encode()
        return Call(tag, self.round, account, path, model, 'flex' if tier == 'flex' else 'standard', is_stream, fault,
                    leaves_after, max_output, head + body)

    def _directives(self, path, is_stream):
        """(fault, directives of the simulator)"""
        r, asked, fault = self.random, {}, Fault.NONE
        if path == '/v1/chat/completions' and r.random() < 0.4:
            asked.update(input_tokens=r.randrange(150, 400), cached=r.randrange(60), cache_write=r.randrange(40),
                         audio_in=r.randrange(30), output_tokens=r.randrange(60, 120), reasoning=r.randrange(30),
                         audio_out=r.randrange(20))
        if is_stream and r.random() < 0.5:
            asked['token_interval_us'] = r.choice((300, 1000, 4000, 12000))
        if r.random() < 0.08:
            asked['first_byte_ms'] = r.randrange(20, 400)
        kind = r.random()
        if kind < 0.05:
            fault = Fault.CUT
            asked.update(cut_after=r.randrange(1, 30) if is_stream else r.randrange(1, 400), cut_by=r.choice(('fin', 'reset')))
        elif kind < 0.07:
            fault, asked['no_usage'] = Fault.NO_USAGE, 1
        elif kind < 0.10:
            fault, asked['status'] = Fault.STATUS, r.choice((400, 429, 500, 503))
        elif kind < 0.12:
            asked['close'] = 1
        return fault, ' '.join(f'{key}={value}' for key, value in asked.items())

    def _body(self, path, model, tag, is_stream, max_output, tier, directives):
        r = self.random
        text = ' '.join(r.choices(WORDS, k=r.randrange(1, 60)))
        if directives:
            text += f' [[sim {directives}]]'
        request = {'model': model, 'user': tag}
        if path == '/v1/chat/completions':
            request['messages'] = [{'role': 'user', 'content': text}]
        else:
            request['prompt' if path == '/v1/completions' else 'input'] = text
        if is_stream:
            request['stream'] = True
            if path != '/v1/responses' and r.random() < 0.5:
                request['stream_options'] = {'include_usage': True}
        if max_output:
            request['max_output_tokens' if path == '/v1/responses' else 'max_tokens'] = max_output
        if tier:
            request['service_tier'] = tier
        return json.dumps(request, ensure_ascii=False).encode()



def shown_usage(call, body):
    """The last usage object in an answer, or None."""
    if not call.is_stream:
        return json.loads(body).get('usage')
    found = None
    for line in body.split(b'\n'):
        if line.startswith(b'data: {') and b'"usage":{' in line:
            event = json.loads(line[6:])
            found = event.get('usage') or event.get('response', {}).get('usage') or found
    return found


class ClientLeft(Exception):
    """The client has seen enough."""


class Client:
    """One connection after another to the gate, one call after another on each, until told to stop."""

    def __init__(self, port, maker, calls):
        self.port, self.maker, self.calls = port, maker, calls
        self.is_stopping = False
        self.killed_at = None  # monotonic; set by whoever kills the gate, before it does
        self.reader = self.writer = None

    async def run(self):
        while not self.is_stopping:
            try:
                self.reader, self.writer = await asyncio.open_connection('127.0.0.1', self.port, limit=1 << 20)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)  # the gate is starting, or dead
                continue
            try:
                while not self.is_stopping and await self._make(self.maker.next()):
                    pass
            finally:
                self.writer.transport.abort()

    async def _make(self, call):
        """Makes one call; returns whether the connection can take another."""
        self.calls[call.tag] = call
        try:
            self.writer.write(call.body)
            keeps = await self._read_answer(call)
            call.end = End.COMPLETE
            return keeps
        except ClientLeft:
            call.end = End.LEFT
        except (OSError, EOFError, asyncio.LimitOverrunError):
            call.end = End.BROKEN if self.killed_at is None or time.monotonic() < self.killed_at else End.KILLED
        return False

    def _may_leave(self, call, received):
        if 0 <= call.leaves_after <= received:
            raise ClientLeft

    async def _read_answer(self, call):
        self._may_leave(call, 0)
        head = (await self.reader.readuntil(b'\r\n\r\n')).decode()
        status, _, lines = head.partition('\r\n')
        headers = dict(line.lower().split(': ', 1) for line in lines.splitlines() if line)
        call.request_id = headers['x-request-id']
        call.upstream = headers.get('x-tollgate-upstream', '')
        call.status = int(status.split()[1])
        self._may_leave(call, 1)
        body = bytearray()
        if 'content-length' in headers:
            body += await self.reader.readexactly(int(headers['content-length']))
        else:
            while size := int(await self.reader.readuntil(b'\r\n'), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
                self._may_leave(call, len(body))
            await self.reader.readexactly(2)
        if call.status == 200:
            call.shown_usage = shown_usage(call, bytes(body))
        return headers.get('connection') != 'close'


class Load:
    """All clients of one round."""

    def __init__(self, port, seed, round_number, accounts, calls):
        self.clients = [Client(port, CallMaker(seed, round_number, worker, accounts), calls) for worker in range(CONNECTIONS)]
        self.tasks = [asyncio.create_task(client.run()) for client in self.clients]

    def note_kill(self):
        for client in self.clients:
            client.is_stopping, client.killed_at = True, time.monotonic()

    def stop_after_current(self):
        for client in self.clients:
            client.is_stopping = True

    async def finish(self):
        """Waits for every client; an error of theirs is an error of the campaign."""
        await asyncio.wait_for(asyncio.gather(*self.tasks), 60)
