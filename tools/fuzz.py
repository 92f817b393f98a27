#!/usr/bin/env python3
"""Runs libFuzzer targets of the dev build for a bounded time each.

usage: tools/fuzz.py [-s SECONDS] [-j JOBS] [NAME ...]     NAME as in fuzz_NAME; all when none is named

The corpus in tests/fuzz/NAME is read and never written; what a run finds interesting goes to build/fuzz/NAME/, and an
input that breaks something to build/fuzz/NAME/crash-*. To keep one as a regression, copy it to tests/fuzz/NAME/.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/dev'


def fuzzers():
    found = {}
    for path in BUILD.glob('**/fuzz_*'):
        if path.is_file() and os.access(path, os.X_OK):
            found[path.name.removeprefix('fuzz_')] = path
    return dict(sorted(found.items()))


def run_one(name, binary, seconds):
    work = ROOT / 'build/fuzz' / name
    work.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / 'tests/fuzz' / name
    command = [binary, f'-max_total_time={seconds}', '-timeout=10', '-rss_limit_mb=4096', '-print_final_stats=1',
               f'-artifact_prefix={work}/', work]
    dictionary = ROOT / 'tests/fuzz' / f'{name}.dict'
    if dictionary.is_file():
        command.insert(1, f'-dict={dictionary}')
    if seeds.is_dir():
        command.append(seeds)
    # libFuzzer stops by itself; the limit only catches a target that hangs outside of it.
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors='replace', timeout=seconds * 2 + 120,
                             check=False)
        return run.returncode, run.stderr
    except subprocess.TimeoutExpired:
        return -1, f'fuzz_{name} did not stop by itself'


def executions(log):
    for line in log.splitlines():
        if line.startswith('stat::number_of_executed_units:'):
            return int(line.split(':')[-1])
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('-s', '--seconds', type=int, default=20)
    parser.add_argument('-j', '--jobs', type=int, default=os.cpu_count() or 2)
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    found = fuzzers()
    unknown = [name for name in options.names if name not in found]
    if unknown or not found:
        sys.exit(f'no fuzzer {", ".join(unknown) or "built"}; there are: {", ".join(found) or "none"} '
                 '(built by: cmake --preset dev && ninja -C build/dev)')
    names = options.names or list(found)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, (code, log) in zip(names, pool.map(lambda n: run_one(n, found[n], options.seconds), names)):
            runs = executions(log)
            if code == 0 and runs > 0:
                print(f'{name:20} {runs:>12,} runs, nothing found', flush=True)
            else:
                failed += 1
                print(f'FAILED  {name} (exit {code}, {runs} runs); the input is in build/fuzz/{name}/\n{log[-6000:]}',
                      flush=True)
    print(f'{len(names) - failed} passed, {failed} failed')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
