#!/usr/bin/env python3
"""The load generator against answers written byte by byte: what it must count, and what it must call a failure.

usage: bench/check_load.py PATH_OF_TOLLGATE_LOAD
"""
import json
import pathlib
import socketserver
import subprocess
import sys
import tempfile
import threading
import unittest

LOAD = ''
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1a;x=y\r\n' + b'z' * 26 + b'\r\n0\r\n\r\n'


class Scripted(socketserver.StreamRequestHandler):
    """Reads one request after the other and answers each with the server's pieces."""

    def handle(self):
        while True:
            length = 0
            line = self.rfile.readline()
            if not line:
                return
            while (line := self.rfile.readline()) not in (b'\r\n', b''):
                if line.lower().startswith(b'content-length:'):
                    length = int(line.split(b':')[1])
            self.server.bodies.append(self.rfile.read(length))
            for piece in self.server.pieces:
                if piece is None:
                    return
                self.request.sendall(piece)
            if self.server.is_endless:
                self.rfile.read(1)
                return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, pieces, is_endless=False):
        super().__init__(('127.0.0.1', 0), Scripted)
        self.pieces, self.is_endless, self.bodies = pieces, is_endless, []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_):
        pass  # a client that goes away in the middle is part of these tests


def run(pieces, *arguments, is_endless=False):
    with Server(pieces, is_endless) as server, tempfile.NamedTemporaryFile() as body:
        body.write(b'{"a":1}')
        body.flush()
        done = subprocess.run([LOAD, '--port', str(server.server_address[1]), '--body', body.name, *map(str, arguments)],
                              capture_output=True, text=True, timeout=60, check=True)
        server.shutdown()
        return json.loads(done.stdout.splitlines()[-1]), server.bodies, done.stdout


class Load(unittest.TestCase):
    def test_counts_whole_answers_however_they_are_cut(self):
        for pieces in ([CHUNKED], [bytes([b]) for b in CHUNKED], [CHUNKED[:70], CHUNKED[70:]],
                       [b'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n', b'ab', b'c'],
                       [b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n']):
            result, bodies, _ = run(pieces, '--connections', 2, '--seconds', 0.3)
            self.assertEqual(result['failed'], 0)
            self.assertEqual(set(result['statuses']), {'200'})
            self.assertGreater(result['requests'], 5)
            self.assertEqual(set(bodies), {b'{"a":1}'})
            self.assertGreater(result['latency_us']['p50'], 0)
            self.assertLessEqual(result['latency_us']['p50'], result['latency_us']['p99'])

    def test_a_cut_or_garbled_answer_is_a_failure(self):
        for pieces in ([CHUNKED[:60], None], [b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', None],
                       [b'nonsense\r\n\r\n'], [CHUNKED[:-5] + b'xx\r\n\r\n'], [CHUNKED + b'more']):
            result, _, _ = run(pieces, '--seconds', 0.3)
            self.assertGreater(result['failed'], 0, pieces)
            self.assertEqual(result['requests'], 0, pieces)

    def test_statuses_are_told_apart(self):
        result, _, _ = run([b'HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\n\r\n{}'], '--seconds', 0.2)
        self.assertEqual(set(result['statuses']), {'429'})

    def test_a_rate_is_kept(self):
        result, _, _ = run([CHUNKED], '--connections', 8, '--rate', 200, '--seconds', 2)
        self.assertAlmostEqual(result['per_second'], 200, delta=20)

    def test_a_request_waiting_for_its_turn_is_late(self):
        slow = [CHUNKED[:60]] + [bytes([b]) for b in CHUNKED[60:]]
        result, _, _ = run(slow, '--connections', 1, '--rate', 100000, '--seconds', 0.5)
        self.assertGreater(result['latency_us']['p99'], 100000)

    def test_holds_streams_open_and_says_so(self):
        result, bodies, output = run([CHUNKED[:60]], '--connections', 50, '--hold', '--seconds', 1, is_endless=True)
        self.assertTrue(output.startswith('open 50\n'), output)
        self.assertEqual((result['open'], result['failed'], result['requests'], len(bodies)), (50, 0, 0, 50))

    def test_refuses_what_makes_no_sense(self):
        for arguments in ([], ['--port', '0'], ['--port', '80', '--rate', 'x'], ['--port', '80', '--what', '1'],
                          ['--port', '80', '--body', str(pathlib.Path('/nowhere/at/all'))]):
            done = subprocess.run([LOAD, *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn('usage', done.stderr)


if __name__ == '__main__':
    LOAD = sys.argv.pop(1)
    unittest.main()
