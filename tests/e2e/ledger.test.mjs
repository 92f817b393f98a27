// The books behind the calls: every call is a debt in the ledger, and an auditor who trusts nobody can check it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { prompt, Stack } from './harness.mjs';

let stack, key;
before(async () => {
    stack = await Stack.start();
    const openai = stack.client();
    for (let i = 0; i < 3; ++i)
        await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: prompt('Hello', 'output_tokens=12') });
    await settled(3);
    key = (await stack.command('proof', 'key')).trim();
});
after(() => stack.stop());

const json = async (...args) => JSON.parse(await stack.command(...args));

/** Waits until the settler has brought so many calls into the books. */
async function settled(calls) {
    for (;;) {
        const rows = await json('usage', '--format', 'json');
        if (rows.reduce((sum, row) => sum + row.requests, 0) >= calls) return;
    }
}

function verify(proof, ...more) {
    const file = join(stack.folder, 'proof.json');
    writeFileSync(file, proof);
    return spawnSync('python3', ['tools/verify_proof.py', file, '--key', key, ...more], { encoding: 'utf8' });
}

test('what was used is owed, to the last digit', async () => {
    const usage = await json('usage', '--format', 'json');
    const unbilled = await json('ledger', 'balances', '--account', 'unbilled_receivable', '--format', 'json');
    assert.equal(unbilled.length, 1);
    assert.equal(unbilled[0].balance, usage[0].charge.USD);
    assert.equal(unbilled[0].currency, 'USD');
    const revenue = await json('ledger', 'balances', '--account', '4101', '--format', 'json');
    assert.equal(revenue[0].balance, `-${unbilled[0].balance}`);
});

test('entries are numbered from 1 and can be exported', async () => {
    const entries = (await stack.command('ledger', 'entries', '--format', 'json')).trim().split('\n').map(JSON.parse);
    assert.deepEqual(entries.map((entry) => entry.number), entries.map((_, i) => i + 1));
    assert.ok(entries.every((entry) => entry.cause === 'usage_batch'));
    const csv = (await stack.command('ledger', 'export')).trim().split('\r\n');
    assert.equal(csv.length, 1 + entries.reduce((sum, entry) => sum + entry.postings.length, 0));
    assert.match(csv[0], /^number,booked_at,/);
});

test('verify finds the books sound', async () => {
    const report = await json('verify', '--json');
    assert.equal(report.ok, true, report.problems?.join('\n'));
    assert.ok(report.ledger.entries >= 1);
});

test('an independent program proves an entry, and refuses a changed one', async () => {
    const proof = await stack.command('prove', 'entry', '1');
    const proven = verify(proof);
    assert.equal(proven.status, 0, proven.stdout + proven.stderr);
    assert.match(proven.stdout, /ledger entry 1: usage_batch /);
    const forged = verify(proof.replace('\\"customer\\":1', '\\"customer\\":2'));
    assert.equal(forged.status, 1, forged.stdout);
    assert.match(forged.stdout, /^NOT PROVEN: ledger entry 1 was changed/);
});

test('a head that was kept shows that the log has only grown', async () => {
    await stack.command('ledger', 'seal');
    const head = await stack.command('proof', 'head');
    const size = head.split('\n')[1];
    const old = join(stack.folder, 'head.txt');
    writeFileSync(old, head);
    await stack.createKey('--name', 'another');
    await stack.command('ledger', 'seal');
    const proof = await stack.command('prove', 'audit', '1', '--since', size);
    const proven = verify(proof, '--old', old);
    assert.equal(proven.status, 0, proven.stdout + proven.stderr);
    assert.match(proven.stdout, new RegExp(`only grown since it had ${size} leaves`));
});

test('a reversal is a new entry, and verify misses nothing', async () => {
    const said = await stack.command('ledger', 'reverse', '1', '--reason', 'to see that verify finds it');
    assert.match(said, /^entry 1 is reversed by entry \d+/);
    const report = await json('ledger', 'verify', '--json');
    assert.equal(report.ok, true, report.problems.join('\n'));
});
