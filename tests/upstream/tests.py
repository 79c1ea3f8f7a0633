#!/usr/bin/python3
"""Runs autopkgtest's own tests of virtualisation servers against autopkgtest-virt-preflight.

The tests are upstream's, unchanged, from autopkgtest's source package, which is fetched by apt; here is only the subclass that
names our server, as upstream's own subclasses name theirs. Each test runs in a process of its own; what has run is not run
again unless it is asked for, so that a run that was broken off goes on. A table says what became of each.
"""

import argparse
import collections
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

# What cannot pass, and why. A test that is not here has to pass.
EXPECTED = {
    'test_tree_output_dir': "wants the schroot server's name and the host's own kernel in testinfo.json",
    'test_options_and_baseimage': "tries options of the qemu server's own",
}

# Cheap: what comes before a test is run, and how its exit code comes back.
FEW = ['test_exit_255', 'test_needs_internet_skipped']

SERVER = 'preflight'


class NoArchive(Exception):
    """The source package cannot be had."""


def fetch(folder):
    """autopkgtest's source in a folder, fetched from where this host's apt fetches packages."""
    done = folder / 'source'
    if done.is_dir():
        return done
    lists = folder / 'apt'
    for name in ['lists/partial', 'download']:
        (lists / name).mkdir(parents=True, exist_ok=True)
    targets = subprocess.run(
        ['apt-get', 'indextargets', '--format', '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)', 'Created-By: Packages'],
        stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    lines = set()
    for line in targets.splitlines():
        uri, release, component, signed_by = line.split('|')
        key = '[signed-by=%s] ' % signed_by if signed_by.startswith('/') else ''
        lines.add('deb-src %s%s %s %s\n' % (key, uri, release, component))
    (lists / 'sources.list').write_text(''.join(sorted(lines)))
    options = []
    for option in ['Dir::Etc::SourceList=%s' % (lists / 'sources.list'), 'Dir::Etc::SourceParts=/dev/null',
                   'Dir::State::Lists=%s' % (lists / 'lists'), 'Dir::Cache::pkgcache=', 'Dir::Cache::srcpkgcache=']:
        options += ['-o', option]
    for arguments in [['update', '--error-on=any'], ['source', '--download-only', 'autopkgtest']]:
        ran = subprocess.run(['apt-get', '-q'] + options + arguments, cwd=lists / 'download',
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False)
        if ran.returncode != 0:
            raise NoArchive('apt-get %s: %s' % (arguments[0], ran.stdout.strip()))
    dsc, = (lists / 'download').glob('autopkgtest_*.dsc')
    part = folder / 'source.part'
    subprocess.run(['rm', '-rf', part], check=True)
    subprocess.run(['dpkg-source', '--no-check', '--extract', dsc, part], stdout=subprocess.DEVNULL, check=True)
    part.rename(done)
    return done


def runner(source, virt):
    """Upstream's tests, with our server."""
    file = str(source / 'tests' / 'autopkgtest')
    loader = importlib.machinery.SourceFileLoader('upstream', file)
    upstream = importlib.util.module_from_spec(importlib.util.spec_from_loader('upstream', loader))
    sys.modules['upstream'] = upstream
    loader.exec_module(upstream)

    # All that the schroot server passes, and all that any server does which boots a system.
    class PreflightQemuRunner(upstream.SchrootRunner, upstream.DebTestsCanReboot):
        __unittest_skip__ = False

        def __init__(self, *args, **kwargs):
            upstream.AdtTestCase.__init__(self, [SERVER] + virt, *args, **kwargs)

        @property
        def has_isolation_machine(self):
            return True

        test_options_and_baseimage = upstream.QemuRunner.test_options_and_baseimage
        test_reboot_ro = upstream.QemuRunner.test_reboot_ro

    return PreflightQemuRunner


def run_one(source, virt, name):
    """In a process of its own: one test; its result is the exit code."""
    result = unittest.TextTestRunner(verbosity=2).run(runner(source, virt)(name))
    if result.skipped:
        print('skipped:', result.skipped[0][1])
        return 77
    return 0 if result.wasSuccessful() else 1


Result = collections.namedtuple('Result', 'name outcome seconds reason')


def run(options, source, name):
    """One test, to its end or its time's."""
    log = options.folder / ('%s.log' % name)
    command = [sys.executable, __file__, '--folder', options.folder, '--image', options.image, '--one', name]
    command += ['--virt=' + word for word in options.virt]
    began = time.monotonic()
    with log.open('wb') as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                 start_new_session=True)
        try:
            code = child.wait(options.timeout)
        except subprocess.TimeoutExpired:
            # autopkgtest ends its server itself.
            os.killpg(child.pid, 15)
            child.wait()
            code = None
    outcome = {0: 'pass', 77: 'skip', None: 'timeout'}.get(code, 'fail')
    reason = EXPECTED.get(name, '') if outcome in ('fail', 'timeout') else ''
    if outcome == 'skip':
        reason = [line for line in log.read_text(errors='replace').splitlines() if line.startswith('skipped:')][-1][9:]
    return Result(name, outcome, round(time.monotonic() - began, 1), reason)


def table(results):
    """The table, in Markdown."""
    lines = ['| test | outcome | seconds | reason |', '|---|---|---|---|']
    lines += ['| %s | %s | %s | %s |' % result for result in sorted(results)]
    return '\n'.join(lines) + '\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--folder', type=pathlib.Path, required=True, help='where source, logs and results are')
    parser.add_argument('--image', default='debian-bookworm', help='the series or image of the testbeds')
    parser.add_argument('--virt', action='append', default=[], metavar='OPTION', help='an option of the server; may be repeated')
    parser.add_argument('--timeout', type=float, default=1800, metavar='SECONDS', help='how long one test may take')
    parser.add_argument('--few', action='store_true', help='only a few cheap tests')
    parser.add_argument('--again', action='store_true', help='also those that have passed before')
    parser.add_argument('--one', metavar='TEST', help=argparse.SUPPRESS)
    parser.add_argument('tests', nargs='*', metavar='TEST', help='which; all without any')
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        source = fetch(options.folder)
    except NoArchive as why:
        print('skipped: autopkgtest\'s source package cannot be fetched: %s' % why)
        return 77
    virt = options.virt + [options.image]
    if options.one:
        return run_one(source, virt, options.one)
    names = options.tests or (FEW if options.few else unittest.TestLoader().getTestCaseNames(runner(source, virt)))
    kept = options.folder / 'results.jsonl'
    known = {}
    if kept.exists():
        known = {one.name: one for one in (Result(*json.loads(line)) for line in kept.read_text().splitlines())}
    for name in names:
        if not options.again and name in known and known[name].outcome in ('pass', 'skip'):
            continue
        result = run(options, source, name)
        known[name] = result
        with kept.open('a') as file:
            file.write(json.dumps(result) + '\n')
        print('%-60s %-8s %7.1f s  %s' % result, flush=True)
    (options.folder / 'table.md').write_text(table(known.values()))
    asked = [known[name] for name in names]
    wrong = [one.name for one in asked if one.outcome in ('fail', 'timeout') and one.name not in EXPECTED]
    count = collections.Counter(one.outcome for one in asked)
    print(', '.join('%s %s' % (number, outcome) for outcome, number in sorted(count.items())))
    if wrong:
        print('not expected to fail: %s; logs in %s' % (' '.join(wrong), options.folder))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
