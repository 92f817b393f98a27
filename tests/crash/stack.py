"""The real simulator and the real gate on free loopback ports, their books, and the `tollgate` command."""
import asyncio
import collections
import csv
import dataclasses
import io
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.parse

READY_SECONDS = 30
STOP_SECONDS = 60
COMMAND_SECONDS = 120
POLL_SECONDS = 0.004
DRAIN_MS = 300


class CampaignError(Exception):
    """Something that must never happen, happened."""


@dataclasses.dataclass(frozen=True)
class Account:
    """One API key and what it is billed to."""
    customer: str
    time_zone: str
    project: str
    department: str
    environment: str
    key: str = ''


ACCOUNTS = (
    Account('acme', 'Asia/Shanghai', 'shop', 'sales', 'production'),
    Account('acme', 'Asia/Shanghai', 'lab', 'research', 'staging'),
    Account('globex', 'America/New_York', 'desk', 'support', 'production'),
)


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def tail(path, size=6000):
    try:
        return path.read_bytes()[-size:].decode(errors='replace')
    except FileNotFoundError:
        return ''


class Process:
    """A server of ours; its output goes to a log. Only ever ended through its own handle."""

    def __init__(self, name, command, port, folder):
        self.name, self.command, self.port = name, [str(c) for c in command], port
        self.log = folder / f'{name}.log'
        self.process = None

    def start(self):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def failure(self, what):
        return CampaignError(f'{self.name} {what}; the end of {self.log}:\n{tail(self.log)}')

    async def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise self.failure(f'ended by itself with {self.process.returncode} instead of serving')
            try:
                _, writer = await asyncio.open_connection('127.0.0.1', self.port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(POLL_SECONDS)
        raise self.failure(f'did not serve port {self.port} within {READY_SECONDS} s')

    def kill(self):
        """kill -9. False when the process had ended already; an end by itself that is no clean one is an error."""
        if self.process.poll() is not None:
            if self.process.returncode != 0:
                raise self.failure(f'ended by itself with {self.process.returncode}')
            return False
        self.process.send_signal(signal.SIGKILL)
        code = self.process.wait()
        if code not in (0, -signal.SIGKILL):
            raise self.failure(f'ended by itself with {code}')
        return code == -signal.SIGKILL

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """SIGTERM and a clean end."""
        self.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise self.failure(f'did not stop within {STOP_SECONDS} s') from None
        if code != 0:
            raise self.failure(f'stopped with exit code {code}')

    def discard(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class SqliteBooks:
    name = 'sqlite'

    def __init__(self, var_dir, disk=None):
        self.disk = disk
        self.path = var_dir / 'tollgate.db'
        self.setting = ''  # it is the default
        self.write_ahead_log = pathlib.Path(f'{self.path}-wal')

    def rows(self, statement):
        """Reads as any other process would. Opened for each call: an open reader would hold up checkpoints."""
        connection = sqlite3.connect(f'file:{self.path}?mode=ro', uri=True, timeout=30)
        try:
            cursor = connection.execute(statement)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row)) for row in cursor]
        finally:
            connection.close()

    def is_expected_error(self, line):
        """Where the disk was full, that was the reason."""
        return self.disk is not None and any(
            f'"event":"{event}"' in line for event in ('settle_failed', 'journal_allocation_failed', 'store_unavailable'))

    def close(self):
        pass


class PostgresBooks:
    name = 'postgres'
    write_ahead_log = None

    def __init__(self, server_url, database):
        self.server_url, self.database = server_url, database
        self.url = urllib.parse.urlsplit(server_url)._replace(path=f'/{database}').geturl()
        self.setting = f'store: "{self.url}"\n'
        self._psql(server_url, f'CREATE DATABASE {database}')

    @staticmethod
    def _psql(url, statement):
        done = subprocess.run(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '--csv', '-d', url, '-c', statement],
                              capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        if done.returncode != 0:
            raise CampaignError(f'psql failed: {done.stderr}')
        return done.stdout

    def rows(self, statement):
        return [{name: int(value) if value.lstrip('-').isdigit() else value for name, value in row.items()}
                for row in csv.DictReader(io.StringIO(self._psql(self.url, statement)))]

    def is_expected_error(self, line):
        """A killed gate's last transaction may still be ending in the server while the next gate starts: that one retries."""
        return '"event":"settle_failed"' in line

    def close(self):
        self._psql(self.server_url, f'DROP DATABASE {self.database} WITH (FORCE)')


CONFIG = '''listen: "127.0.0.1:{port}"
admin:
  listen: "127.0.0.1:{admin_port}"
workers: 2
var_dir: "{folder}/var"
{store}journal:
  segment_bytes: 1MB
timeouts:
  drain_after_disconnect: {drain}ms
  shutdown: 5s
gateway:
  attempts: 2
upstreams:
  - name: first
    provider: openai
    region: east
    base_url: "http://127.0.0.1:{sim_port}/v1"
    api_key: sk-sim-1st
    models: ["*"]
  - name: second
    provider: openai
    region: west
    base_url: "http://127.0.0.1:{sim_port}/v1"
    api_key: sk-sim-2nd
    models: ["*"]
'''
# Last four characters of the key that an upstream is called with, as the simulator logs them.
UPSTREAM_OF_KEY = {'...-1st': 'first', '...-2nd': 'second'}


class Stack:
    """Simulator, gate and books in one folder."""

    def __init__(self, build, folder, seed, books):
        self.build, self.folder, self.books = build, folder, books
        self.var_dir = folder / 'var'
        self.journal_dir = self.var_dir / 'journal'
        self.config = folder / 'tollgate.yaml'
        self.served_path = folder / 'served.log'
        self.tollgate = build / 'src/app/tollgate'
        ports = {'port': free_port(), 'admin_port': free_port(), 'sim_port': free_port()}
        self.config.write_text(CONFIG.format(folder=folder, store=books.setting, drain=DRAIN_MS, **ports))
        self.sim = Process('sim', [build / 'sim/tollgate-sim', '--port', ports['sim_port'], '--threads', 1, '--seed', seed,
                                   '--served-log', self.served_path, '--served-log-sync', '--output-median', 24,
                                   '--output-max', 200, '--fault-500', 15, '--fault-503', 10, '--fault-429', 10],
                           ports['sim_port'], folder)
        self.gate = Process('tollgate', [self.tollgate, 'serve', '--config', self.config], ports['port'], folder)
        self.accounts = []
        self.served = collections.defaultdict(list)
        self._served_read = 0

    @staticmethod
    def upstream(key_hint):
        return UPSTREAM_OF_KEY[key_hint]

    def command(self, *arguments, may_fail=False):
        done = subprocess.run([self.tollgate, *arguments, '--config', self.config], capture_output=True, text=True,
                              timeout=COMMAND_SECONDS, check=False)
        if done.returncode != 0 and not may_fail:
            raise CampaignError(f'tollgate {" ".join(arguments)} ended with {done.returncode}:\n'
                                f'{done.stdout[-4000:]}{done.stderr[-4000:]}')
        return done

    async def command_beside(self, *arguments):
        """The same beside the load."""
        return await asyncio.get_running_loop().run_in_executor(None, lambda: self.command(*arguments).stdout)

    def create_accounts(self):
        for account in ACCOUNTS:
            if account.customer not in {a.customer for a in self.accounts}:
                self.command('customer', 'create', '--name', account.customer, '--time-zone', account.time_zone)
            self.command('project', 'create', '--customer', account.customer, '--name', account.project,
                         '--department', account.department, '--environment', account.environment)
            made = self.command('key', 'create', '--customer', account.customer, '--project', account.project, '--json')
            self.accounts.append(dataclasses.replace(account, key=json.loads(made.stdout)['key']))

    def read_served(self):
        """Takes in what the simulator has logged since the last call: `served` is request id -> lines."""
        with open(self.served_path, 'rb') as log:
            log.seek(self._served_read)
            fresh = log.read()
        whole = fresh.rfind(b'\n') + 1
        self._served_read += whole
        for line in fresh[:whole].splitlines():
            call = json.loads(line)
            self.served[call['client_request_id']].append(call)

    async def wait_served(self):
        """Waits until no call is open at the simulator, and reads its log to the end."""
        reader, writer = await asyncio.open_connection('127.0.0.1', self.sim.port)
        try:
            writer.write(b'GET /sim/flush?idle_ms=20000 HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n')
            answer = await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()
        if not answer.startswith(b'HTTP/1.1 200'):
            raise CampaignError(f'the simulator did not come to rest: {answer[:500]!r}')
        self.read_served()

    def discard(self):
        self.gate.discard()
        self.sim.discard()


def error_lines(log):
    """Lines of a server's log at level error, and lines that are no log at all (a failed assertion, a sanitizer)."""
    for line in log.read_text(errors='replace').splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            if not line.startswith('listening on '):
                yield line
            continue
        if entry.get('level') == 'error':
            yield line


def postgres_url():
    return os.environ.get('TG_TEST_POSTGRES_URL', '')
