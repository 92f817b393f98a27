// Closing a month by command. The calls of a test are made now, so that their month goes on: what a step says is told here,
// what it does to books of the past in src/billing/bill_register_test.cc.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
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

test('a contract is agreed by command and stands on the bill', async () => {
    const file = join(stack.folder, 'terms.json');
    const terms = { rate_card: [{ kind: 'discount', models: 'gpt-*', percent: '10' }], payment: { customer_kind: 'listed_or_large' } };
    writeFileSync(file, JSON.stringify({ ...terms, discount: 5 }));
    await assert.rejects(stack.command('contract', 'check', file), /terms\.json': 'discount' is no member of contract terms/);
    writeFileSync(file, JSON.stringify(terms));
    assert.equal(JSON.parse(await stack.command('contract', 'check', file)).payment.net_days, 30);
    assert.match(await stack.command('contract', 'create', 'CT-1', '--customer', 'acme', '--kind', 'one_year', '--from', `${month}-01`,
        '--framework', 'FA-2026-7', '--terms', file), /CT-1 +acme +one_year +active/);
    const bill = JSON.parse(await stack.command('bill', '--customer', 'acme', '--month', month, '--format', 'json'));
    assert.equal(bill.contract_items[0].kind, 'rate_card');
    assert.equal(bill.contract_items[0].text, 'gpt-*: 10% off list price');
    assert.match(await stack.command('bill', '--customer', 'acme', '--month', month), /by contract CT-1/);
    await stack.command('contract', 'amend', 'CT-1', '--from', `${month}-01`, '--terms', file, '--reason', 'the same again');
    assert.equal(JSON.parse(await stack.command('contract', 'show', 'CT-1')).versions.length, 2);
    await assert.rejects(stack.command('contract', 'end', 'CT-1', '--day', `${month}-01`, '--reason', 'now'), /needs a notice of 30 days/);
    assert.equal((await stack.command('contract', 'list', '--customer', 'acme', '--format', 'csv')).trim().split('\n').length, 2);
    assert.match(await stack.command('verify'), /1 contracts: as they were agreed/);
});

test('a payment is imported, used and proven', async () => {
    const file = join(stack.folder, 'bank.csv');
    writeFileSync(file, `date,credit,payer,text,reference\n${month}-01,100.00,Acme,advance,B-1\n`);
    await assert.rejects(stack.command('payment', 'import', file), /does not name its account/);
    assert.equal(await stack.command('payment', 'import', file, '--account', '6222'), '1 payments recorded, 0 known, 0 rows that went out\n');
    assert.equal(await stack.command('payment', 'import', file, '--account', '6222'), 'this file was imported before\n');
    assert.match(await stack.command('payment', 'match'), /^1 open payments, 0 matched\n/);
    assert.match(await stack.command('payment', 'allocate', 'PAY-1', '--for', 'deposit', '--customer', 'acme', '--amount', '60'),
        /PAY-1-1 +deposit +60\.00/);
    assert.match(await stack.command('payment', 'list', '--open'), /PAY-1 .* 100\.00 +40\.00/);
    await assert.rejects(stack.command('payment', 'allocate', 'PAY-1', '--for', 'wallet', '--customer', 'acme', '--amount', '40.01'),
        /40\.00 CNY are open; 40\.01 is more/);
    assert.match(await stack.command('payment', 'show', 'PAY-1'), /by_hand/);
    assert.match(await stack.command('verify'), /1 payments: as they were booked/);
});

test('a prepaid customer is refused until it has topped up', async () => {
    const file = join(stack.folder, 'prepaid.json');
    writeFileSync(file, JSON.stringify({ payment: { mode: 'prepaid' } }));
    await stack.command('contract', 'amend', 'CT-1', '--from', `${month}-01`, '--terms', file, '--reason', 'prepaid from now on');
    const call = () => stack.client({ maxRetries: 0 }).chat.completions.create({ model: 'gpt-4o-mini', messages: prompt('Hello', 'output_tokens=2') });
    const until = async (wanted) => {
        for (const end = Date.now() + 10_000; Date.now() < end;) {
            const outcome = await call().then(() => 'served', (error) => error);
            if (wanted(outcome)) return outcome;
        }
        throw new Error('the hold was not seen in 10 s');
    };
    const refused = await until((outcome) => outcome !== 'served');
    assert.equal(refused.status, 429);
    assert.equal(refused.code, 'insufficient_quota');
    assert.match(refused.message, /customer 'acme' are on hold: its prepaid balance is used up; top up to go on/);
    assert.match(await stack.command('credit'), /acme +CT-1 +prepaid .*its prepaid balance is used up/);
    await stack.command('payment', 'allocate', 'PAY-1', '--for', 'wallet', '--customer', 'acme');
    await until((outcome) => outcome === 'served');
});

test('a bill is adjusted by command, and the adjustment taken back', async () => {
    const adjust = (...options) => stack.command('bill', 'adjust', '--customer', 'acme', '--month', month, ...options);
    assert.match(await adjust('--amount', '-3.50', '--kind', 'sla_credit', '--text', '99.2 % on the 6th'), /ADJ-1 +acme .* -3\.50 CNY/);
    assert.match(await adjust('--amount', '10', '--currency', 'USD', '--text', 'onboarding'), /ADJ-2 .* 10\.00 USD/);
    assert.match(await stack.command('bill', '--customer', 'acme', '--month', month), /99\.2 % on the 6th +ADJ-1 .*\n.*onboarding +ADJ-2/);
    await stack.command('bill', 'cancel-adjustment', 'ADJ-2');
    const bill = JSON.parse(await stack.command('bill', '--customer', 'acme', '--month', month, '--format', 'json'));
    assert.deepEqual(bill.adjustments.map((a) => a.id), ['ADJ-1']);
    assert.equal((await stack.command('bill', 'adjustments', '--month', month, '--format', 'csv')).trim().split('\n').length, 3);
    await assert.rejects(adjust('--amount', '1.005', '--text', 't'), /--amount '1\.005' is no amount/);
    await assert.rejects(adjust('--amount', '1', '--text', 't', '--project', 'nobody'), /no project 'nobody'/);
    assert.match(await stack.command('verify'), /1 contracts: as they were agreed/);
});

test('a bill comes as PDF, spreadsheet and FOCUS, by command and by REST', async () => {
    const file = join(stack.folder, 'bill.pdf');
    const options = ['--customer', 'acme', '--month', month];
    await stack.command('bill', ...options, '--format', 'pdf', '--language', 'zh', '--output', file);
    const text = spawnSync('pdftotext', ['-layout', file, '-'], { encoding: 'utf8' }).stdout;
    for (const part of ['账单', '草稿', '按项目汇总', 'gpt-4o-mini', '输入 token', '99.2 % on the 6th', `BILL-acme-${month.replace('-', '')}`])
        assert.ok(text.includes(part), `${part} is not in:\n${text}`);
    const sheet = join(stack.folder, 'bill.xlsx');
    await stack.command('bill', ...options, '--format', 'xlsx', '--output', sheet);
    assert.equal(readFileSync(sheet).subarray(0, 2).toString(), 'PK');
    const focus = await stack.command('bill', ...options, '--format', 'focus');
    assert.match(focus, /^BilledCost,BillingAccountId,/);
    await assert.rejects(stack.command('bill', ...options, '--format', 'docx'), /no format of a bill; those are table, json, csv, pdf, xlsx, focus/);
    await assert.rejects(stack.command('bill', ...options, '--format', 'pdf', '--output', '/nowhere/bill.pdf'), /cannot write file '\/nowhere\/bill\.pdf'/);
});
