"""What the macro benchmarks share: servers on free ports, pinned and stopped by pid, their CPU and memory, loads, figures.

Two cores: the proxy under test runs on core 0, the upstream and the load on core 1, so that the CPU of one is not the
other's. A proxy's CPU is user plus system time of all threads of its processes, read before and after a run.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/release'
TICKS = os.sysconf('SC_CLK_TCK')
PROXY_CORE, OTHER_CORE = '0', '1'
READY_SECONDS = 15


def program(name):
    paths = {'tollgate': BUILD / 'src/app/tollgate', 'tollgate-sim': BUILD / 'sim/tollgate-sim',
             'tollgate-load': BUILD / 'bench/tollgate-load',
             'tollgate-case-a11': BUILD / 'bench/tollgate-case-a11'}
    path = paths.get(name) or shutil.which(name) or shutil.which(name, path='/usr/sbin:/usr/local/sbin')
    if not path or not pathlib.Path(path).exists():
        raise SystemExit(f'{name} is missing: run make build (ours) or tools/setup bench (nginx, wrk)')
    return str(path)


def run(*command, text=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, input=text, check=False)
    if done.returncode != 0:
        raise SystemExit(f'{" ".join(map(str, command))} failed:\n{done.stdout}{done.stderr}')
    return done.stdout


def need_postgres():
    """Starts this benchmark again beside a PostgreSQL server that syncs as a real one does, if there is none yet."""
    if 'TG_TEST_POSTGRES_URL' in os.environ:
        return
    os.environ['TG_POSTGRES_DURABLE'] = '1'
    with_postgres = ROOT / 'tools/with_postgres.sh'
    os.execv(with_postgres, [str(with_postgres), sys.executable, *sys.argv])


class PostgresDatabase:
    """A database of a name of its own on the benchmark's server."""

    def __init__(self, name):
        self.name = name
        self.server = os.environ['TG_TEST_POSTGRES_URL']
        self.url = re.sub(r'/[^/?]*(\?|$)', rf'/{name}\1', self.server)

    def drop(self):
        run('psql', '-q', self.server, '-c', f'DROP DATABASE IF EXISTS {self.name} WITH (FORCE)')

    def clear(self):
        self.drop()
        run('psql', '-q', self.server, '-c', f'CREATE DATABASE {self.name}')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def median(values):
    return statistics.median(values)


def bench(metric, value, digits=3):
    """One figure for whoever compares runs."""
    print(f'BENCH {metric} {value:.{digits}f}', flush=True)


def table(title, columns, rows):
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    print(f'\n{title}')
    for row in cells:
        print('  ' + '  '.join(cell.ljust(w) if i == 0 else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))).rstrip())
    print(flush=True)


# --- servers ----------------------------------------------------------------------------------------------------------

def children_of(pid):
    try:
        text = pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


class Server:
    """A process that serves a port, on one core, stopped by its pid when the context ends."""

    def __init__(self, name, command, port, core, folder, environment=None):
        self.name, self.port = name, port
        self.log = pathlib.Path(folder) / f'{name}-{port}.log'
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(['taskset', '-c', core, *map(str, command)], cwd=folder, stdout=log,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(environment or {})})

    def __enter__(self):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', self.port), 1):
                return self
            time.sleep(0.02)
        self.stop()
        raise SystemExit(f'{self.name} did not serve port {self.port}:\n{self.log.read_text(errors="replace")[-4000:]}')

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def pids(self):
        """The processes that do the work: the children where there are any (nginx's worker), else itself."""
        return children_of(self.process.pid) or [self.process.pid]

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def rss_kb(self):
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines():
                if line.startswith('VmRSS:'):
                    total += int(line.split()[1])
        return total


@contextlib.contextmanager
def work_folder():
    folder = tempfile.mkdtemp(prefix='tollgate-bench-')
    try:
        yield pathlib.Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sim(folder, *arguments, core=OTHER_CORE):
    port = free_port()
    return Server('tollgate-sim', [program('tollgate-sim'), '--port', port, '--threads', 1, *arguments], port, core, folder)


def nginx(folder, upstream_port, buffering='on', connections=4096):
    """nginx as a plain reverse proxy: one worker, keep-alive to the upstream, nothing logged."""
    port = free_port()
    home = folder / f'nginx-{port}'
    home.mkdir()
    config = home / 'nginx.conf'
    config.write_text(f'''
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log warn; 
events {{ worker_connections {connections}; }}
http {{
  access_log off; keepalive_requests 100000000; client_max_body_size 110m; tcp_nodelay on;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  upstream sim {{ server 127.0.0.1:{upstream_port}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://sim; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering {buffering}; proxy_read_timeout 600s;
    }}
  }}
}}
''')
    return Server('nginx', [program('nginx'), '-p', home, '-c', config], port, PROXY_CORE, folder)


def gate_config(port, var_dir, upstream_port, is_metering=True, sync='durable'):
    """The whole configuration of a gate under test; the one place that knows its keys."""
    return f'''
listen: "127.0.0.1:{port}"
admin:
  listen: "127.0.0.1:{free_port()}"
workers: 1
var_dir: "{var_dir}"
metering:
  enabled: {'true' if is_metering else 'false'}
journal:
  sync: {sync}
log:
  level: warn
  requests: off
upstreams:
  - name: sim
    provider: openai
    base_url: "http://127.0.0.1:{upstream_port}/v1"
    api_key: sk-sim
    models: ["*"]
'''


class Gate:
    """A configured gate with one customer, project and key of its own."""

    def __init__(self, folder, upstream_port, is_metering=True, sync='durable'):
        self.port = free_port()
        self.home = folder / f'gate-{self.port}'
        self.home.mkdir()
        self.config = self.home / 'tollgate.yaml'
        self.config.write_text(gate_config(self.port, self.home / 'var', upstream_port, is_metering, sync))
        self.command('customer', 'create', '--name', 'bench')
        self.command('project', 'create', '--customer', 'bench', '--name', 'load', '--department', 'ops')
        created = json.loads(self.command('key', 'create', '--customer', 'bench', '--project', 'load', '--json'))
        self.key = created['key']
        self.server = Server('tollgate', [program('tollgate'), 'serve', '--config', self.config], self.port, PROXY_CORE,
                             folder)

    def command(self, *words):
        run = subprocess.run([program('tollgate'), *words, '--config', self.config], capture_output=True, text=True,
                             check=False)
        if run.returncode != 0:
            raise SystemExit(f'tollgate {" ".join(words)} failed:\n{run.stdout}{run.stderr}')
        return run.stdout


# --- loads ------------------------------------------------------------------------------------------------------------

WRK_SCRIPT = '''
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %(key)s"
wrk.body = io.open("%(body)s", "rb"):read("*a")
done = function(summary, latency, requests)
  io.write(string.format('JSON {"requests":%%d,"seconds":%%.6f,"connect":%%d,"read":%%d,"write":%%d,"timeout":%%d,"status":%%d}\\n',
    summary.requests, summary.duration / 1e6, summary.errors.connect, summary.errors.read, summary.errors.write,
    summary.errors.timeout, summary.errors.status))
end
'''


def wrk(folder, port, key, body, connections=32, seconds=5, path='/v1/chat/completions'):
    """Full speed from wrk; a single failed request ends the benchmark, for failures are cheaper than answers."""
    script = folder / f'wrk-{port}.lua'
    body_file = folder / f'wrk-{port}.json'
    body_file.write_text(body)
    script.write_text(WRK_SCRIPT % {'key': key, 'body': body_file})
    run = subprocess.run(['taskset', '-c', OTHER_CORE, program('wrk'), '-t', '1', '-c', str(connections), '-d',
                          f'{seconds}s', '--timeout', '10s', '-s', script, f'http://127.0.0.1:{port}{path}'],
                         capture_output=True, text=True, check=False, timeout=seconds + 60)
    lines = [line for line in run.stdout.splitlines() if line.startswith('JSON ')]
    if not lines:
        raise SystemExit(f'wrk failed ({run.returncode}):\n{run.stdout}{run.stderr}')
    result = json.loads(lines[0][5:])
    errors = {name: result[name] for name in ('connect', 'read', 'write', 'timeout', 'status') if result[name]}
    if errors or result['requests'] == 0:
        raise SystemExit(f'wrk at port {port}: {result["requests"]} requests, errors {errors}')
    return result


def load_command(folder, port, key, body, *arguments, path='/v1/chat/completions'):
    body_file = folder / f'load-{port}.json'
    body_file.write_text(body)
    return ['taskset', '-c', OTHER_CORE, program('tollgate-load'), '--port', str(port), '--path', path, '--body',
            str(body_file), '--header', f'Authorization: Bearer {key}', *map(str, arguments)]


def load(folder, port, key, body, *arguments, path='/v1/chat/completions'):
    """One run of tollgate-load; every answer must be a 200."""
    run = subprocess.run(load_command(folder, port, key, body, *arguments, path=path), capture_output=True, text=True,
                         check=False, timeout=600)
    if run.returncode != 0:
        raise SystemExit(f'tollgate-load failed:\n{run.stdout}{run.stderr}')
    result = json.loads(run.stdout.splitlines()[-1])
    if result['failed'] or set(result['statuses']) != {'200'}:
        raise SystemExit(f'tollgate-load at port {port}: {result["faults"] or "no fault"}, statuses {result["statuses"]}')
    return result


def cpu_per_request_us(server, run):
    """CPU of a server over a load, by request."""
    before = server.cpu_seconds()
    result = run()
    return (server.cpu_seconds() - before) * 1e6 / result['requests'], result['requests'] / result['seconds']


CHAT_TEXT = ('Summarise the following order for a support agent and list what is still open. ' * 11).strip()


def chat_body(directives='output_tokens=100', **extra):
    """A chat request of about 1 KB, as a small service sends it; the directives tell the simulator what to answer."""
    return json.dumps({'model': 'gpt-4o-mini', 'temperature': 0.2, 'max_tokens': 256,
                       'messages': [{'role': 'system', 'content': f'You are a careful assistant. [[sim {directives}]]'},
                                    {'role': 'user', 'content': CHAT_TEXT}], **extra})


def stream_body():
    """A stream of 50 chunks as fast as the simulator sends them, each in a write of its own."""
    return chat_body('output_tokens=50 tokens_per_event=1 token_interval_us=0 burst=1', stream=True)


def slow_stream_body():
    """A stream that stays open: a chunk every two seconds for longer than any reading takes."""
    return chat_body('output_tokens=200 tokens_per_event=1 token_interval_us=2000000', stream=True)
