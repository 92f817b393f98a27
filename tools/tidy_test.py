#!/usr/bin/env python3
"""Each rule of tidy.py, refusing what it should and passing what looks like it but is right."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tidy  # noqa: E402


def rules_hit(path, text, known=frozenset()):
    return sorted({f.rule for f in tidy.check_file(tidy.File(path, text), known)})


def cpp_function(lines):
    return 'int f(int x) {\n' + '    x += 1;\n' * (lines - 2) + '}\n'


class Lengths(unittest.TestCase):
    def test_a_file_may_have_600_lines_and_no_more(self):
        self.assertEqual(rules_hit('src/net/a.cc', 'int a;\n' * 600), [])
        self.assertEqual(rules_hit('src/net/a.cc', 'int a;\n' * 601), ['file-length'])

    def test_tests_data_tables_and_prose_may_be_longer(self):
        self.assertEqual(rules_hit('src/net/a_test.cc', 'int a;\n' * 900), [])
        self.assertEqual(rules_hit('tests/e2e/a.mjs', 'let a;\n' * 900), [])
        self.assertEqual(rules_hit('docs/long.md', 'text\n' * 900), [])
        self.assertEqual(rules_hit('src/net/a.cc', '// tidy: data table\n' + 'int a;\n' * 900), [])

    def test_a_function_may_have_70_lines(self):
        self.assertEqual(rules_hit('src/net/a.cc', cpp_function(70)), [])
        self.assertEqual(rules_hit('src/net/a.cc', cpp_function(71)), ['function-length'])

    def test_functions_are_found_wherever_they_stand(self):
        body = '{\n' + '  g();\n' * 80 + '}\n'
        for text in ('namespace tg {\nvoid f() ' + body + '}\n',
                     'class A {\n  A(int x) : x_{x}, y_(2) ' + body + '};\n',
                     'struct A final : B {\n  auto f() const noexcept -> Map<int, B> ' + body + '};\n',
                     'template <class T>\nT A<T>::operator()(T x) ' + body,
                     'Task<Reply> Gate::serve(Request request) ' + body,
                     'extern "C" int LLVMFuzzerTestOneInput(const char* d, size_t n) ' + body):
            self.assertEqual(rules_hit('src/net/a.cc', text), ['function-length'], text[:60])

    def test_what_is_no_function_is_not_measured(self):
        members = '  int f() const { return 1; }\n' * 80
        for text in ('class A {\n' + members + '};\n', 'namespace tg {\n' + 'int a;\n' * 90 + '}\n',
                     'const int kTable[] = {\n' + '  f(1),\n' * 90 + '};\n',
                     'enum class A {\n' + '  x,\n' * 90 + '};\n'):
            self.assertEqual(rules_hit('src/net/a.cc', text), [], text[:40])

    def test_strings_and_comments_do_not_confuse_the_braces(self):
        text = 'int f() {\n  // }{ "\n  auto s = R"(}}"{)"; char c = \'{\'; long n = 1\'000;\n}\n' + cpp_function(71)
        self.assertEqual(rules_hit('src/net/a.cc', text), ['function-length'])

    def test_python_functions_too(self):
        self.assertEqual(rules_hit('tools/a.py', 'def f():\n' + '    g()\n' * 69), [])
        self.assertEqual(rules_hit('tools/a.py', 'def f():\n' + '    g()\n' * 70), ['function-length'])


class Cpp(unittest.TestCase):
    def test_headers_are_included_once(self):
        self.assertEqual(rules_hit('src/net/a.h', '#pragma once\nint f();\n'), [])
        self.assertEqual(rules_hit('src/net/a.h', 'int f();\n'), ['pragma-once'])

    def test_own_header_comes_first(self):
        known = frozenset({'src/net/a.h'})
        self.assertEqual(rules_hit('src/net/a.cc', '#include "net/a.h"\n#include <map>\n', known), [])
        self.assertEqual(rules_hit('src/net/a.cc', '#include <map>\n#include "net/a.h"\n', known), ['own-header-first'])
        self.assertEqual(rules_hit('src/net/b.cc', '#include <map>\n', known), [])

    def test_money_knows_no_floating_point(self):
        for module in ('rating', 'ledger', 'billing'):
            self.assertEqual(rules_hit(f'src/{module}/a.cc', 'double x = 1;\n'), ['no-floating-point'])
            self.assertEqual(rules_hit(f'src/{module}/a.cc', 'auto x = std::stod(s);\n'), ['no-floating-point'])
            self.assertEqual(rules_hit(f'src/{module}/a.cc', '// no double here\nauto s = "float";\n'), [])
        self.assertEqual(rules_hit('src/insights/a.cc', 'double x = 1;\n'), [])

    def test_tests_do_not_sleep(self):
        for call in ('std::this_thread::sleep_for(1s);', 'usleep(5);', 'sleep(1);'):
            self.assertEqual(rules_hit('src/net/a_test.cc', f'void f() {{ {call} }}\n'), ['no-sleep'])
        self.assertEqual(rules_hit('src/net/a_test.cc', 'void f() { is_asleep(1); }  // never usleep\n'), [])

    def test_asio_stays_in_net(self):
        include = '#include <boost/asio/ip/tcp.hpp>\n'
        self.assertEqual(rules_hit('src/net/a.cc', include), [])
        self.assertEqual(rules_hit('src/base/task.cc', include), [])
        self.assertEqual(rules_hit('src/gateway/a.cc', include), ['asio-only-in-net'])
        self.assertEqual(rules_hit('src/gateway/a.cc', '#include <boost/json.hpp>\n'), [])

    def test_commented_out_code_is_found(self):
        for line in ('// return x + 1;', '  // if (a < b) {', '// }', '// foo.bar(1);', '// x_ = y;',
                     '// #include <map>', '// auto a = f(b);'):
            self.assertEqual(rules_hit('src/net/a.cc', line + '\n'), ['commented-out-code'], line)

    def test_prose_and_documented_examples_are_not_code(self):
        for line in ('// The sum is exact; see money.h', '/// return x;', '// returns the sum of both;',
                     '// A request ends here (also when cut);', '// {"usage": 1}', '// if (and only if) it is closed',
                     '// usage = input + output, in tokens',
                     '//   posts.append(x);'):
            self.assertEqual(rules_hit('src/net/a.cc', line + '\n'), [], line)


class AnyText(unittest.TestCase):
    def test_a_todo_names_its_issue(self):
        self.assertEqual(rules_hit('src/net/a.cc', '// TODO(#12): drain faster\n'), [])
        self.assertEqual(rules_hit('src/net/a.cc', '// TODO: drain faster\n'), ['todo-names-issue'])
        self.assertEqual(rules_hit('tools/a.sh', '# FIXME later\n'), ['todo-names-issue'])

    def test_no_trace_of_one_machine(self):
        self.assertEqual(rules_hit('README.md', 'cd /' + 'work/main\n'), ['machine-path'])
        self.assertEqual(rules_hit('README.md', 'see /' + 'home/ann/x\n'), ['machine-path'])
        self.assertEqual(rules_hit('README.md', 'docs/' + 'work/main and ~/' + 'work/x and /v1/models\n'), [])
        self.assertEqual(rules_hit('a.txt', 'https://registry.npm' + 'js.org/x\n'), ['registry-host'])

    def test_lock_files_name_no_host(self):
        self.assertEqual(rules_hit('a/package-lock.json', '{"packages": {"x": {"version": "1.0.0"}}}'), [])
        self.assertEqual(rules_hit('a/package-lock.json', '{"packages": {"x": {"resolved": "y"}}}'),
                         ['lock-without-hosts'])


class Tree(unittest.TestCase):
    GOOD = '# a\n**Owns** x\n**Does not own** y\n**Invariants**\n**Meanings**\n'

    def hits(self, readmes, paths):
        return [str(f) for f in tidy.module_readmes(frozenset(paths) | frozenset(readmes), readmes.__getitem__)]

    def test_each_module_has_its_page(self):
        self.assertEqual(self.hits({'src/net/README.md': self.GOOD}, ['src/net/a.cc', 'src/layers.txt']), [])
        self.assertEqual(len(self.hits({}, ['src/net/a.cc', 'sim/main.cc'])), 2)
        self.assertEqual(len(self.hits({'src/net/README.md': self.GOOD + '\n' * 60}, ['src/net/a.cc'])), 1)
        self.assertEqual(len(self.hits({'src/net/README.md': '# a\n'}, ['src/net/a.cc'])), 4)

    def test_a_whole_tree_with_a_forbidden_include(self):
        tools = pathlib.Path(__file__).parent
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / 'src/net').mkdir(parents=True)
            (root / 'src/base').mkdir()
            (root / 'tools').mkdir()
            (root / 'tools/check_layers.py').write_text((tools / 'check_layers.py').read_text())
            (root / 'src/layers.txt').write_text('base:\nnet: base\n')
            for module in ('net', 'base'):
                (root / f'src/{module}/README.md').write_text(self.GOOD)
            (root / 'src/net/a.cc').write_text('#include "base/b.h"\n')
            (root / 'src/base/b.h').write_text('#pragma once\n')
            subprocess.run(['git', 'init', '-q', folder], check=True)
            self.assertEqual([str(f) for f in tidy.check_tree(root)[1]], [])
            (root / 'src/base/b.h').write_text('#pragma once\n#include "net/a.h"\n')
            findings = tidy.check_tree(root)[1]
            self.assertTrue(any('base may not include net' in f.message for f in findings), findings)


if __name__ == '__main__':
    unittest.main()
