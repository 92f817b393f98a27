#!/usr/bin/env python3
"""Everything CI runs, stage after stage. A failed stage does not stop the others, except those that need its build.

usage: tools/run_tests.py [--stage NAME ...] [--fuzz-seconds N] [--kills N] [--list]

A stage is one command whose last line is "N passed, N failed"; a build counts as one. Its output goes to
build/test-logs/STAGE.log and is shown here when it fails. The run closes with a table and the sum of those lines.
"""
import argparse
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / 'build/test-logs'
CLOSING = re.compile(r'^(\d+) passed, (\d+) failed$')
TAIL_LINES = 150


@dataclasses.dataclass
class Stage:
    name: str
    command: str  # for bash
    needs: str = ''  # a stage that must have passed
    minutes_max: int = 40
    closes: bool = True  # the command prints a closing line itself; otherwise its exit code is one test

    passed: int = 0
    failed: int = 0
    seconds: float = 0
    note: str = ''


def build(preset):
    return (f'cmake --preset {preset} >build/cmake-{preset}.log 2>&1 || {{ cat build/cmake-{preset}.log; exit 1; }}; '
            f'ninja -C build/{preset}')


def all_stages(fuzz_seconds, kills):
    return [
        Stage('tidy rules', 'tools/tidy.py', closes=False),
        Stage('tidy rules test', 'tools/unittests.sh'),
        Stage('clang-format', 'tools/format.sh --check', closes=False),
        Stage('release build', build('release'), closes=False, minutes_max=60),
        Stage('release tests', 'tools/ctest.py release', needs='release build'),
        Stage('release e2e', 'tests/e2e/run release', needs='release build'),
        Stage('dev build', build('dev'), closes=False, minutes_max=60),
        Stage('dev tests', 'tools/ctest.py dev', needs='dev build'),
        Stage('dev e2e', 'tests/e2e/run dev', needs='dev build'),
        Stage('fuzzing', f'tools/fuzz.py -s {fuzz_seconds}', needs='dev build'),
        Stage('tsan build', build('tsan'), closes=False, minutes_max=60),
        Stage('tsan tests', 'tools/ctest.py tsan', needs='tsan build'),
        Stage('tsan e2e', 'tests/e2e/run tsan', needs='tsan build'),
        Stage('crash campaign', f'tests/crash/run --kills {kills}', needs='release build'),
        Stage('books campaign', 'tests/crash/run_books --kills 100', needs='release build'),
        Stage('clang-tidy', 'tools/clang_tidy.py', needs='release build', minutes_max=40),
    ]


def run_bounded(command, log, minutes_max):
    """Runs a command in a process group of its own, so that a stage that hangs is ended with all it started."""
    process = subprocess.Popen(['bash', '-c', command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return process.wait(minutes_max * 60)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_stage(stage, log_path):
    begin = time.monotonic()
    with open(log_path, 'wb') as log:
        code = run_bounded(stage.command, log, stage.minutes_max)
    stage.seconds = time.monotonic() - begin
    lines = log_path.read_text(errors='replace').splitlines()
    closing = CLOSING.match(lines[-1]) if stage.closes and lines else None
    if closing:
        stage.passed, stage.failed = int(closing[1]), int(closing[2])
    elif not stage.closes and code == 0:
        stage.passed = 1
    if code is None:
        stage.note = f'stopped after {stage.minutes_max} minutes'
    elif stage.closes and not closing:
        stage.note = 'ended without its closing line'
    elif stage.passed + stage.failed == 0 and stage.closes:
        stage.note = 'ran no test'
    elif code != 0:
        stage.note = f'exit {code}'
    if stage.note and stage.failed == 0:
        stage.failed = 1
    if stage.failed:
        print(f'---- {stage.name}: the last lines of {log_path.relative_to(ROOT)}')
        print('\n'.join(lines[-TAIL_LINES:]))
        print('----')


def run_all(stages):
    LOGS.mkdir(parents=True, exist_ok=True)
    by_name = {stage.name: stage for stage in stages}
    for stage in stages:
        needed = by_name.get(stage.needs)
        if needed and needed.failed:
            stage.failed, stage.note = 1, f'not run: {stage.needs} failed'
        else:
            print(f'==== {stage.name}', flush=True)
            run_stage(stage, LOGS / (stage.name.replace(' ', '-') + '.log'))
            print(f'     {stage.passed} ok, {stage.failed} bad in {stage.seconds:.1f} s', flush=True)


def print_table(stages):
    print(f'\n{"stage":18} {"passed":>7} {"failed":>7} {"seconds":>8}')
    for stage in stages:
        print(f'{stage.name:18} {stage.passed:>7} {stage.failed:>7} {stage.seconds:>8.1f}  {stage.note}'.rstrip())
    passed, failed = sum(s.passed for s in stages), sum(s.failed for s in stages)
    print(f'{"all":18} {passed:>7} {failed:>7} {sum(s.seconds for s in stages):>8.1f}\n')
    print(f'{passed} passed, {failed} failed')
    return failed == 0 and passed > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--stage', action='append', help='only this stage; may be given several times')
    parser.add_argument('--fuzz-seconds', type=int, default=10)
    parser.add_argument('--kills', type=int, default=200)
    parser.add_argument('--list', action='store_true')
    options = parser.parse_args()
    stages = all_stages(options.fuzz_seconds, options.kills)
    if options.list:
        for stage in stages:
            print(f'{stage.name:18} {stage.command}')
        return
    unknown = set(options.stage or ()) - {stage.name for stage in stages}
    if unknown:
        sys.exit(f'no stage named {", ".join(sorted(unknown))}; see --list')
    chosen = [stage for stage in stages if not options.stage or stage.name in options.stage]
    (ROOT / 'build').mkdir(exist_ok=True)
    run_all(chosen)
    sys.exit(not print_table(chosen))


if __name__ == '__main__':
    main()
