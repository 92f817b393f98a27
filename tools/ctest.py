#!/usr/bin/env python3
"""Runs ctest on one preset's build and counts single test cases, not test programs.

usage: tools/ctest.py PRESET [ctest arguments]     e.g. tools/ctest.py release -L unit

The last line is "N passed, N failed". A skipped test counts as failed: a service that a test needs and does not find
fails the run, it never skips silently. Tests run under tools/with_postgres.sh, which starts a PostgreSQL of their own.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
WITH_POSTGRES = ROOT / 'tools/with_postgres.sh'


def gtest_counts(path):
    """(passed, names of failed, names of skipped) of one GoogleTest report."""
    passed, failed, skipped = 0, [], []
    for case in xml.parse(path).iter('testcase'):
        name = f'{case.get("classname")}.{case.get("name")}'
        if case.find('failure') is not None:
            failed.append(name)
        elif case.find('skipped') is not None or case.get('result') == 'skipped':
            skipped.append(name)
        elif case.get('status') == 'run':
            passed += 1
    return passed, failed, skipped


def report_of(command, reports):
    """The GoogleTest report of a ctest command, which may be wrapped in another program."""
    for word in command:
        path = reports / (pathlib.Path(word).name + '.xml')
        if path.is_file():
            return path
    return None


def count(junit, commands, reports):
    passed, failed, skipped = 0, [], []
    for case in xml.parse(junit).iter('testcase'):
        name, status = case.get('name'), case.get('status')
        report = report_of(commands.get(name, []), reports)
        if report is None:
            passed += status == 'run'
            failed += [name] if status not in ('run', 'disabled', 'notrun') else []
            skipped += [name] if status == 'notrun' else []
            continue
        case_passed, case_failed, case_skipped = gtest_counts(report)
        passed += case_passed
        failed += [f'{name}: {test}' for test in case_failed]
        skipped += [f'{name}: {test}' for test in case_skipped]
        if status == 'fail' and not case_failed:
            failed.append(f'{name}: ended badly after its last test')
    return passed, failed, skipped


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    preset, arguments = sys.argv[1], sys.argv[2:]
    build = ROOT / 'build' / preset
    if not (build / 'CTestTestfile.cmake').is_file():
        sys.exit(f'{build} holds no build: run cmake --preset {preset} and ninja -C build/{preset}')
    reports, junit = build / 'test-reports', build / 'test-reports.xml'
    shutil.rmtree(reports, ignore_errors=True)
    junit.unlink(missing_ok=True)

    listing = subprocess.run(['ctest', '--test-dir', build, '--show-only=json-v1', *arguments],
                             capture_output=True, text=True, check=True).stdout
    commands = {test['name']: test.get('command', []) for test in json.loads(listing)['tests']}
    wrapper = [str(WITH_POSTGRES)] if WITH_POSTGRES.is_file() else []
    environment = dict(os.environ, GTEST_OUTPUT=f'xml:{reports}/', GTEST_COLOR='no', CTEST_OUTPUT_ON_FAILURE='1')
    run = subprocess.run([*wrapper, 'ctest', '--test-dir', build, '-j', str(os.cpu_count() or 2), '--output-junit', junit,
                          *arguments], env=environment, check=False)
    if not junit.is_file():
        sys.exit(f'ctest left no report (exit {run.returncode}): the tests did not run')

    passed, failed, skipped = count(junit, commands, reports)
    for name in failed:
        print(f'FAILED  {name}')
    for name in skipped:
        print(f'SKIPPED {name} (counts as failed: what a test needs must be there)')
    bad = len(failed) + len(skipped)
    if run.returncode != 0 and bad == 0:
        print(f'FAILED  ctest ended with {run.returncode}')
        bad = 1
    print(f'{passed} passed, {bad} failed')
    sys.exit(bad > 0)


if __name__ == '__main__':
    main()
