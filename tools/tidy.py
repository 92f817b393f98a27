#!/usr/bin/env python3
"""Checks the house rules of STYLE.md that neither the compiler nor clang-tidy knows.

usage: tools/tidy.py [ROOT]      prints one line a finding, file:line: rule: what to do; exits 1 when there are any

Every rule is a function from a File to findings, listed in RULES; tools/tidy_test.py shows each refusing and passing.
A data table that has to be longer than a page says so in a line of its own: "tidy: data table".
"""
import ast
import dataclasses
import functools
import json
import pathlib
import re
import subprocess
import sys

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
README_LINES_MAX = 60
CODE_SUFFIXES = {'.h', '.cc', '.c', '.py', '.js', '.mjs', '.ts', '.tsx', '.sh', '.css'}
EXACT_MODULES = {'rating', 'ledger', 'billing'}
README_HEADINGS = ('Owns', 'Does not own', 'Invariants', 'Meanings')


@dataclasses.dataclass
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f'{self.path}:{self.line}: {self.rule}: {self.message}'


@dataclasses.dataclass
class File:
    path: str  # relative to the root, with /
    text: str

    @property
    def suffix(self):
        if re.match(r'#!.*\bpython3', self.text):
            return '.py'
        if re.match(r'#!.*\b(?:bash|sh)\b', self.text):
            return '.sh'
        return pathlib.PurePosixPath(self.path).suffix

    @property
    def parts(self):
        return self.path.split('/')

    @property
    def module(self):
        if self.parts[0] == 'src' and len(self.parts) > 2:
            return self.parts[1]
        return self.parts[0] if self.parts[0] == 'sim' else ''

    @property
    def is_cpp(self):
        return self.suffix in ('.h', '.cc', '.c')

    @property
    def is_test(self):
        return self.parts[0] == 'tests' or bool(re.search(r'(_test|_bench|\.test|\.spec)\.\w+$', self.path))

    @functools.cached_property
    def lines(self):
        return self.text.splitlines()

    @functools.cached_property
    def code(self):
        """The text with comments and string contents blanked, line breaks kept."""
        return blank_comments_and_strings(self.text)

    def finding(self, line, rule, message):
        return Finding(self.path, line, rule, message)


CPP_TOKEN = re.compile(
    r'//[^\n]*'
    r'|/\*.*?\*/'
    r'|R"(?P<delimiter>[^\s()\\]{0,16})\(.*?\)(?P=delimiter)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)


def blank_comments_and_strings(text):
    def blank(match):
        token = match[0]
        if token.startswith('/'):
            return re.sub(r'[^\n]', ' ', token)
        return '"' + re.sub(r'[^\n]', ' ', token[1:-1]) + '"'
    return CPP_TOKEN.sub(blank, text)


# --- length -----------------------------------------------------------------------------------------------------------

def file_length(file):
    if file.suffix not in CODE_SUFFIXES or file.is_test or 'tidy: data table' in file.text:
        return
    if len(file.lines) > FILE_LINES_MAX:
        yield file.finding(1, 'file-length', f'{len(file.lines)} lines, at most {FILE_LINES_MAX}: split it by subject')


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno


CONTROL = re.compile(r'^\s*(?:(?:inline\s+)?namespace|class|struct|union|enum|concept)\b|^\s*extern\s*"[^"]*"\s*$|=\s*$')


def brace_kind(statement):
    """What a brace opens that follows `statement` outside any function: 'body', 'initialiser' or 'scope'."""
    statement = statement.strip()
    template_free = re.sub(r'^\s*template\s*<.*?>\s*(?=(?:class|struct|union)\b)', '', statement, flags=re.DOTALL)
    if CONTROL.search(template_free) or not statement:
        return 'scope'
    close = statement.rfind(')')
    if close < 0:
        return 'scope'
    # `Foo(int x) : a_` and `Foo(int x) : a_(x), b_` are followed by the braces of a member, not of the body.
    constructor = re.search(r'\)\s*(?:noexcept\s*)?:(?!:)', statement)
    if constructor and re.search(r'[\w>]$', statement) and not re.search(r'\)\s*\w+$', statement):
        return 'initialiser'
    return 'body'


def matching_brace(code, open_at):
    depth = 0
    for match in re.compile(r'[{}]').finditer(code, open_at):
        depth += 1 if match[0] == '{' else -1
        if depth == 0:
            return match.start()
    return len(code) - 1


def cpp_functions(code):
    """Yields (signature, first line, last line) of each function body in blanked C++."""
    code = re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', lambda m: re.sub(r'[^\n]', ' ', m[0]), code, flags=re.MULTILINE)
    at = statement_from = 0
    pattern = re.compile(r'[{};]')
    while match := pattern.search(code, at):
        at = match.end()
        if match[0] != '{':
            statement_from = at
            continue
        statement = code[statement_from:match.start()]
        kind = brace_kind(statement)
        if kind == 'scope':
            statement_from = at
            continue
        end = matching_brace(code, match.start())
        at = end + 1
        if kind == 'body':
            name = re.search(r'([\w:~]+)\s*\(', statement)
            yield (name[1] if name else 'function', code.count('\n', 0, match.start()) + 1,
                   code.count('\n', 0, end) + 1)
            statement_from = at


def function_length(file):
    if file.is_test or 'tidy: data table' in file.text:
        return
    if file.is_cpp:
        functions = cpp_functions(file.code)
    elif file.suffix == '.py':
        functions = python_functions(file.text)
    else:
        return
    for name, first, last in functions:
        if last - first + 1 > FUNCTION_LINES_MAX:
            yield file.finding(first, 'function-length',
                               f'{name} has {last - first + 1} lines, at most {FUNCTION_LINES_MAX}: name its steps')


# --- C++ --------------------------------------------------------------------------------------------------------------

def pragma_once(file):
    if file.suffix == '.h' and not re.search(r'^#pragma once$', file.text, re.MULTILINE):
        yield file.finding(1, 'pragma-once', 'a header begins with #pragma once')


def own_header_first(file, known_paths=frozenset()):
    if file.suffix != '.cc' or not file.module:
        return
    header = re.sub(r'\.cc$', '.h', file.path)
    if header not in known_paths:
        return
    wanted = header.removeprefix('src/')
    first = re.search(r'^#include\s+[<"]([^>"]+)[>"]', file.text, re.MULTILINE)
    if first and first[1] != wanted:
        yield file.finding(file.text.count('\n', 0, first.start()) + 1, 'own-header-first',
                           f'include "{wanted}" first, so that each header is known to compile alone')


def each_match(file, text, pattern, rule, message):
    for match in re.finditer(pattern, text, re.MULTILINE):
        yield file.finding(text.count('\n', 0, match.start()) + 1, rule, message.format(match[0].strip()))


def exact_numbers(file):
    if file.is_cpp and file.module in EXACT_MODULES:
        yield from each_match(file, file.code, r'\b(?:float|double|strtod|stod|stof|atof)\b', 'no-floating-point',
                              '{} in a module that counts money: use the integer types of base/money.h')


def no_sleep_in_tests(file):
    if file.is_cpp and file.is_test:
        yield from each_match(file, file.code, r'\b(?:sleep_for|sleep_until|usleep|nanosleep)\b|(?<!\w)sleep\s*\(',
                              'no-sleep', '{} in a test: wait for the event, with a deadline, or inject the clock')


def asio_only_in_net(file):
    if file.is_cpp and file.module != 'net' and not file.path.startswith('src/base/task.'):
        yield from each_match(file, file.text, r'^\s*#\s*include\s+[<"]boost/(?:asio|beast)\b', 'asio-only-in-net',
                              '{}: outside net, Asio is seen only through base/task.h')


COMMENTED_CODE = re.compile(
    r'(?:#\s*include\s*[<"]|(?:if|for|while|switch)\s*\(.*\)\s*\{$|\}\s*(?:else\b.*)?$|return\b[^.]*;$'
    r'|(?:auto|const|int|bool|char|void|std::[\w:<>, ]+)\s[^.]*[=(].*;$'
    r'|[\w:.\->\[\]]+\s*[-+|&*/]?=\s[^=].*;$|[A-Za-z_][\w:]*(?:(?:\.|->)\w+)*\([^)]*\);$)')


def commented_code(file):
    if not file.is_cpp:
        return
    for number, line in enumerate(file.lines, 1):
        match = re.match(r'\s*// ?(?![/ ])(.*?)\s*$', line)  # an example in a comment is indented
        if match and COMMENTED_CODE.match(match[1]):
            yield file.finding(number, 'commented-out-code', f'"{match[1]}": delete it, the history keeps it')


# --- any text ---------------------------------------------------------------------------------------------------------

MARKER = re.compile(r'\b(?:TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))')


def todo_names_issue(file):
    if file.suffix not in CODE_SUFFIXES | {'.sql', '.yaml', '.yml', '.txt', '.cmake'} or file.path in SELF:
        return
    for number, line in enumerate(file.lines, 1):
        if match := MARKER.search(line):
            yield file.finding(number, 'todo-names-issue', f'{match[0]}: write TODO(#issue), or do it')


# Written in pieces, so that this file passes its own check.
MACHINE_PATH = re.compile(r'(?<![\w.~)}/])/(?:' + '|'.join(('work', 'root', 'Users')) + r')/\w|(?<![\w.~)}/])/home/[a-z]\w*')
REGISTRY_HOST = re.compile(r'\b(?:' + '|'.join((
    r'registry\.npm' + r'js\.org', r'registry\.yarn' + r'pkg\.com', r'deb\.debian' + r'\.org',
    r'security\.debian' + r'\.org', r'snapshot\.debian' + r'\.org', r'files\.python' + r'hosted\.org',
    r'static\.crates' + r'\.io', r'proxy\.golang' + r'\.org', r'registry\.npmmirror' + r'\.com')) + r')\b')


def no_machine_traces(file):
    for number, line in enumerate(file.lines, 1):
        if match := MACHINE_PATH.search(line):
            yield file.finding(number, 'machine-path', f'{match[0]}: a path of one machine means nothing on another')
        if match := REGISTRY_HOST.search(line):
            yield file.finding(number, 'registry-host', f'{match[0]}: leave the choice of registry to the user')


def lock_without_hosts(file):
    if not file.path.endswith('package-lock.json'):
        return
    for name, package in json.loads(file.text).get('packages', {}).items():
        if 'resolved' in package:
            yield file.finding(1, 'lock-without-hosts',
                               f'{name} has "resolved": run npm with omit-lockfile-registry-resolved=true')


RULES = (file_length, function_length, pragma_once, exact_numbers, no_sleep_in_tests, asio_only_in_net,
         commented_code, todo_names_issue, no_machine_traces, lock_without_hosts)
SELF = ('tools/tidy.py', 'tools/tidy_test.py')


# --- the tree ---------------------------------------------------------------------------------------------------------

def module_readmes(paths, read):
    modules = {'/'.join(p.split('/')[:2]) for p in paths if re.match(r'src/[^/]+/.*\.(?:cc|h)$', p)}
    if any(p.startswith('sim/') for p in paths):
        modules.add('sim')
    for module in sorted(modules):
        path = f'{module}/README.md'
        if path not in paths:
            yield Finding(path, 1, 'module-readme', 'each module has a README.md: ' + ' / '.join(README_HEADINGS))
            continue
        text = read(path)
        if len(text.splitlines()) > README_LINES_MAX:
            yield Finding(path, 1, 'module-readme',
                          f'{len(text.splitlines())} lines, at most {README_LINES_MAX}: it is a page, not a book')
        for heading in README_HEADINGS:
            if not re.search(rf'^(?:#+\s*|\*\*){heading}\b', text, re.MULTILINE | re.IGNORECASE):
                yield Finding(path, 1, 'module-readme', f'has no part "{heading}"')


def check_layers(root):
    run = subprocess.run([sys.executable, str(root / 'tools/check_layers.py'), str(root / 'src/layers.txt'), str(root)],
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        for line in (run.stdout + run.stderr).splitlines():
            yield Finding('src/layers.txt', 1, 'layers', line)


def check_file(file, known_paths=frozenset()):
    findings = [finding for rule in RULES for finding in rule(file)]
    return findings + list(own_header_first(file, known_paths))


def tracked_files(root):
    """What git would commit: tracked and new files, without the ignored ones."""
    listing = subprocess.run(['git', '-C', str(root), 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
                             capture_output=True, text=True, check=True).stdout
    return sorted(p for p in set(listing.split('\0')) if p and (root / p).is_file() and not (root / p).is_symlink())


def check_tree(root):
    paths = tracked_files(root)
    findings, known = [], frozenset(paths)
    for path in paths:
        raw = (root / path).read_bytes()
        if b'\0' in raw[:8192] or len(raw) > 4_000_000:
            continue
        findings += check_file(File(path, raw.decode('utf-8', 'replace')), known)
    findings += module_readmes(known, lambda path: (root / path).read_text())
    findings += check_layers(root)
    return len(paths), findings


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    count, findings = check_tree(root)
    for finding in findings:
        print(finding)
    print(f'tidy: {count} files, {len(findings)} findings')
    sys.exit(bool(findings))


if __name__ == '__main__':
    main()
