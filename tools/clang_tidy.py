#!/usr/bin/env python3
"""Runs clang-tidy-19 on every source of the release build, remembering what has passed.

usage: tools/clang_tidy.py [PATH ...]     only sources whose path begins with one of PATH, e.g. src/net

A result is remembered in the user's cache folder under a hash of all it depends on: the configuration, the compile
command and the contents of the source and of every header it includes. So a second run checks only what has changed,
in every clone.
Needs build/release to be built: the include lists and the precompiled header come from there.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/release'
CACHE = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'tollgate/clang-tidy'
KEPT_SECONDS = 30 * 86400  # since a result was last of use
TIDY = 'clang-tidy-19'


def include_lists():
    """What each object file was made from, as ninja recorded it; paths relative to BUILD or absolute."""
    listing = subprocess.run(['ninja', '-C', BUILD, '-t', 'deps'], capture_output=True, text=True, check=True).stdout
    lists, target = {}, None
    for line in listing.splitlines():
        if line.startswith('    '):
            lists[target].append(line.strip())
        elif match := re.match(r'(\S+): #deps', line):
            target = match[1]
            lists[target] = []
    return lists


def in_clone(path):
    """The path of a file of ours from the root, the same in every clone; another one as it is."""
    full = os.path.normpath(BUILD / path)
    return os.path.relpath(full, ROOT) if full.startswith(f'{ROOT}/') else full


def forget_old_results():
    for mark in CACHE.iterdir():
        if time.time() - mark.stat().st_mtime > KEPT_SECONDS:
            mark.unlink(missing_ok=True)


class Fingerprints:
    def __init__(self):
        self.lists = include_lists()
        self.files = {}
        version = subprocess.run([TIDY, '--version'], capture_output=True, text=True, check=True).stdout
        self.base = hashlib.sha256(version.encode() + (ROOT / '.clang-tidy').read_bytes()).digest()

    def of_file(self, path):
        if path not in self.files:
            full = BUILD / path  # an absolute path stays as it is
            self.files[path] = hashlib.sha256(full.read_bytes()).digest() if full.is_file() else b'gone'
        return self.files[path]

    def inputs(self, target, seen):
        """Every file `target` was made from, through its precompiled header."""
        for path in self.lists.get(target, ()):
            if path in seen:
                continue
            seen.add(path)
            if path.endswith('.pch'):
                seen.discard(path)
                relative = os.path.relpath(path, BUILD) if os.path.isabs(path) else path
                self.inputs(relative, seen)
        return seen

    def of_entry(self, entry):
        digest = hashlib.sha256(self.base + entry['command'].replace(f'{ROOT}/', '').encode())
        target = entry.get('output') or re.search(r' -o (\S+)', entry['command'])[1]
        inputs = self.inputs(os.path.relpath(os.path.join(entry['directory'], target), BUILD), set())
        for path in sorted(inputs | {entry['file']}, key=in_clone):
            digest.update(in_clone(path).encode() + self.of_file(path))
        return digest.hexdigest()


def entries(prefixes):
    """The compile commands of our own sources, without generated ones."""
    chosen = {}
    for entry in json.loads((BUILD / 'compile_commands.json').read_text()):
        path = os.path.relpath(entry['file'], ROOT)
        if path.startswith(('..', 'build')) or not path.endswith('.cc'):
            continue
        if not prefixes or path.startswith(tuple(prefixes)):
            chosen[path] = entry
    return dict(sorted(chosen.items()))


def check(path):
    run = subprocess.run([TIDY, '-p', BUILD, '--quiet', ROOT / path], capture_output=True, text=True, check=False)
    return run.returncode == 0, run.stdout + ('' if run.returncode == 0 else run.stderr)


def main():
    if not (BUILD / 'compile_commands.json').is_file():
        sys.exit('build/release holds no build: run make build first')
    CACHE.mkdir(parents=True, exist_ok=True)
    forget_old_results()
    prints = Fingerprints()
    todo, passed, failed = {}, 0, 0
    for path, entry in entries(sys.argv[1:]).items():
        mark = CACHE / prints.of_entry(entry)
        if mark.exists():
            mark.touch()
            passed += 1
        else:
            todo[path] = mark
    print(f'clang-tidy: {passed} sources unchanged since they passed, {len(todo)} to check', flush=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for path, (is_clean, output) in zip(todo, pool.map(check, todo)):
            if is_clean:
                todo[path].write_text(path + '\n')
                passed += 1
            else:
                failed += 1
                print(f'FAILED  {path}\n{output}', flush=True)
    print(f'{passed} passed, {failed} failed')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
