// Closing a month by command. The calls of a test are made now, so that their month goes on: what a step says is told here,
// what it does to books of the past in src/billing/bill_register_test.cc.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { prompt, Stack } from './harness.mjs';

const month = new Date().toISOString().slice(0, 7);
let stack;
before(async () => {
    stack = await Stack.start();
    await stack.client().chat.completions.create({ model: 'gpt-4o-mini', messages: prompt('Hello', 'output_tokens=12') });
    while (JSON.parse(await stack.command('usage', '--format', 'json')).length === 0);
});
after(() => stack.stop());

test('the bill of a month that goes on is shown, and not drafted', async () => {
    const bill = JSON.parse(await stack.command('bill', '--customer', 'acme', '--month', month, '--format', 'json'));
    assert.equal(bill.id, `BILL-acme-${month.replace('-', '')}`);
    assert.equal(bill.status, 'draft');
    assert.match(await stack.command('bill', 'run', '--month', month),
        /^1 customers with something to bill: 0 drafted, .* 1 whose month is not over\n$/);
    assert.equal((await stack.command('bill', 'list', '--format', 'csv')).trim().split('\n').length, 1, 'only the header');
});

test('steps of a bill that does not exist say what to do', async () => {
    for (const step of ['show', 'review', 'finalise', 'send', 'notes'])
        await assert.rejects(stack.command('bill', step, 'BILL-acme-200001'), /not_found|there is no bill/, step);
    await assert.rejects(stack.command('bill', 'credit', 'BILL-acme-200001', '--net', '1.00', '--reason', 'test'),
        /there is no bill 'BILL-acme-200001'/);
    await assert.rejects(stack.command('bill', 'credit', 'BILL-acme-200001', '--net', '1.005', '--reason', 'test'),
        /--net '1.005' is no amount/);
    await assert.rejects(stack.command('bill', 'review'), /either a bill's id or --month/);
    await assert.rejects(stack.command('bill'), /--customer and --month, or a subcommand/);
    assert.match(await stack.command('bill', 'finalise', '--month', month), /^0 of 0 bills: finalise\n$/);
});

test('exchange rates are imported once and stand on the bill', async () => {
    const file = join(stack.folder, 'rates.csv');
    writeFileSync(file, `date,usd_cny,source\n${month}-01,7.25,PBOC central parity\n`);
    assert.equal(await stack.command('fx', 'import', file), '1 rates added, 0 were there\n');
    assert.equal(await stack.command('fx', 'import', file), '0 rates added, 1 were there\n');
    assert.match(await stack.command('fx', 'list'), /7\.2500 +PBOC central parity/);
    assert.match(await stack.command('bill', '--customer', 'acme', '--month', month),
        new RegExp(`rate 7\\.25 CNY per USD \\(PBOC central parity, ${month}-01\\)`));
    writeFileSync(file, `${month}-01,7.30\n`);
    await assert.rejects(stack.command('fx', 'import', file), /rates\.csv': line 1: the rate has no source/);
    await assert.rejects(stack.command('fx', 'import', file, '--source', 'ECB'), /never changes/);
});
