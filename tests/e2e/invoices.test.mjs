// VAT invoices by command, through the simulated platforms of the tax office over real HTTP, and by our own issuer.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, Server, Stack } from './harness.mjs';
import { credentials } from '../../sim/einvoice.mjs';

const simulator = resolve(dirname(fileURLToPath(import.meta.url)), '../../sim/einvoice.mjs');
const lastMonth = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() - 1, 1)).toISOString().slice(0, 7);
const bill = `BILL-acme-${lastMonth.replace('-', '')}`;
const issuer = `issuer:
  name: Yuntong
  name_zh: 云通科技有限公司
  tax_id: 91330100799655058B
`;

let simPort, sim;
before(async () => {
    simPort = await freePort();
});

/** A gate whose customer has a final bill over 180.00 CNY without tax. */
async function billed(extra) {
    const stack = await Stack.start({ extra: issuer + extra });
    try {
        await stack.command('project', 'create', '--customer', 'acme', '--name', 'web');
        for (const [project, amount] of [['shop', '162.00'], ['web', '18.00']])
            await stack.command('bill', 'adjust', '--customer', 'acme', '--month', lastMonth, '--project', project, '--amount', amount,
                '--text', 'set-up');
        await stack.command('bill', 'run', '--month', lastMonth);
        await stack.command('bill', 'review', '--month', lastMonth);
        await stack.command('bill', 'finalise', '--month', lastMonth);
        await stack.command('invoice', 'add-title', '--customer', 'acme', '--name', '北京未来有限公司', '--tax-number',
            '9144030071526726XG', '--email', 'tax@acme.example', '--general-taxpayer');
        return stack;
    } catch (error) {
        await stack.stop().catch(() => {});
        throw error;
    }
}
const rows = (csv) => csv.trim().split('\n').slice(1).map((line) => line.split(','));
const stateOf = async (stack, id) => rows(await stack.command('invoice', 'list', '--format', 'csv')).find((row) => row[0] === id)[3];
const idOf = (text) => /INV-\d{8}-\d+/.exec(text)[0];
const json = async (stack, id) => JSON.parse(await stack.command('invoice', 'show', id, '--format', 'json'));
const control = async (settings) => (await fetch(`http://127.0.0.1:${simPort}/sim`, { method: 'POST', body: JSON.stringify(settings) })).json();
const shown = async () => (await fetch(`http://127.0.0.1:${simPort}/sim`)).json();

const platforms = {
    nuonuo: () => `invoicing:
  platform: nuonuo
  drawer: 张三
  nuonuo:
    url: http://127.0.0.1:${simPort}/open/v1/services
    token_url: http://127.0.0.1:${simPort}/accessToken
    app_key: ${credentials.nuonuo.appKey}
    app_secret: ${credentials.nuonuo.appSecret}
`,
    baiwang: () => `invoicing:
  platform: baiwang
  drawer: 张三
  baiwang:
    url: http://127.0.0.1:${simPort}/router/rest
    app_key: ${credentials.baiwang.appKey}
    app_secret: ${credentials.baiwang.appSecret}
    username: ${credentials.baiwang.username}
    password: ${credentials.baiwang.password}
    salt: ${credentials.baiwang.salt}
`,
};

for (const [name, config] of Object.entries(platforms)) {
    test(`${name}: from a request to a red letter, with requests and answers that are lost`, async () => {
        sim = await new Server(`einvoice-${name}`, process.execPath, [simulator, '--port', simPort], simPort, '/tmp').start();
        const stack = await billed(config());
        try {
            // The server's desk must not be quicker than this test.
            await stack.gate.stop();
            const poll = () => stack.command('invoice', 'poll');

            // The request never arrives: it is asked for, not known, and sent again.
            await control({ reset: true, fail_http: 1 });
            const first = idOf(await stack.command('invoice', 'request', '--part', `${bill}/shop=100.00`, '--kind', 'special'));
            await poll();
            assert.equal(await stateOf(stack, first), 'sent');
            await poll();
            assert.equal(await stateOf(stack, first), 'requested');
            for (let i = 0; i < 4 && await stateOf(stack, first) !== 'issued'; ++i) await poll();
            const issued = await json(stack, first);
            assert.equal(issued.state, 'issued');
            assert.match(issued.number, /^\d{20}$/);
            assert.equal(issued.total_in_words, '壹佰零陆圆整');
            assert.match(await (await fetch(issued.xml_url)).text(),
                /模拟文件，非税务凭证.*<TotalAmWithoutTax>100\.00<.*<TaxClassificationCode>3040203000000000000</s);

            // The request arrives and its answer is lost: it is asked for, and issued once.
            await control({ lose_answers: 1 });
            const second = idOf(await stack.command('invoice', 'request', '--bill', bill));
            await poll();
            assert.equal(await stateOf(stack, second), 'sent');
            for (let i = 0; i < 4 && await stateOf(stack, second) !== 'issued'; ++i) await poll();
            assert.equal(await stateOf(stack, second), 'issued');
            let { invoices, tokens } = await shown();
            assert.deepEqual(invoices.map((each) => each.net).sort(), [10_000, 8_000]);
            assert.equal(tokens, 1, 'the token is kept');
            await assert.rejects(stack.command('invoice', 'request', '--bill', bill), /nothing of bill .* is left/);
            await assert.rejects(stack.command('bill', 'credit', bill, '--project', 'web', '--net', '1.00', '--reason', 'test'),
                /take back at least 1\.00 CNY first/);

            // A part is taken back; the buyer has to confirm, and does.
            await control({ needs_confirmation: true });
            const red = idOf(await stack.command('invoice', 'red', second, '--reason', 'allowance', '--part', `${bill}/web=5.00`));
            await poll();
            await poll();
            assert.equal(await stateOf(stack, red), 'confirming');
            assert.deepEqual(await control({ confirm: red }), { done: true });
            for (let i = 0; i < 4 && await stateOf(stack, red) !== 'issued'; ++i) await poll();
            const back = await json(stack, red);
            assert.equal(back.state, 'issued');
            assert.equal(back.total_cny, '-5.30');
            assert.equal(back.takes_back, second);
            await stack.command('bill', 'credit', bill, '--project', 'web', '--net', '5.00', '--reason', 'agreed');

            // Nobody confirms within 72 hours.
            const late = idOf(await stack.command('invoice', 'red', first, '--reason', 'returned'));
            await poll();
            await control({ hours: 73 });
            for (let i = 0; i < 3 && await stateOf(stack, late) !== 'failed'; ++i) await poll();
            assert.equal(await stateOf(stack, late), 'failed');
            assert.match((await json(stack, late)).failure, /72 hours/);
            assert.match(await stack.command('verify'), /3 invoices: as they were issued/);
        } finally {
            await stack.stop().catch(() => {});
            await sim.stop();
        }
    });
}

test('the server takes invoices to their end by itself, and credit that is used up is said', async () => {
    sim = await new Server('einvoice-server', process.execPath, [simulator, '--port', simPort], simPort, '/tmp').start();
    const stack = await billed(platforms.nuonuo());
    try {
        const ask = async (method, path, body) => {
            const response = await fetch(`http://127.0.0.1:${stack.adminPort}/admin/v1${path}`, { method,
                headers: { authorization: 'Bearer e2e-administrator-token-0001', 'idempotency-key': `${method}${path}` },
                body: body && JSON.stringify(body) });
            return { status: response.status, body: await response.json() };
        };
        await control({ credit_fen: 17_000 });
        const made = await ask('POST', '/invoices', { sources: [{ bill, project: 'shop' }], kind: 'special', remark: 'PO-7' });
        assert.equal(made.status, 200);
        assert.equal(made.body.state, 'requested');
        assert.equal((await ask('POST', '/invoices', { sources: [{ bill, project: 'shop' }], kind: 'special', remark: 'PO-7' })).body.id,
            made.body.id, 'the same again');
        let invoice = made.body;
        for (const end = Date.now() + 60_000; invoice.state !== 'issued' && Date.now() < end;)
            invoice = (await ask('GET', `/invoices/${made.body.id}`)).body;
        assert.equal(invoice.state, 'issued');
        await stack.command('invoice', 'request', '--bill', bill);
        let failed;
        for (const end = Date.now() + 60_000; !failed && Date.now() < end;)
            [failed] = (await ask('GET', '/invoices?customer=acme&state=failed')).body.data;
        assert.match(failed.failure, /授信额度不足/);
        const left = await ask('GET', `/bills/${bill}/uninvoiced`);
        assert.equal(left.status, 200, JSON.stringify(left.body));
        assert.deepEqual(left.body.data, [{ project: 'web', net_cny: '18.00', vat_cny: '1.08' }]);
    } finally {
        await stack.stop().catch(() => {});
        await sim.stop();
    }
});

test('our own issuer: PDF in both languages, red letter, paper that is cancelled, proof', async () => {
    const stack = await billed('');
    try {
        const id = idOf(await stack.command('invoice', 'request', '--bill', bill, '--reference', 'OA-1'));
        assert.equal(idOf(await stack.command('invoice', 'request', '--bill', bill, '--reference', 'OA-1')), id);
        for (const [language, words] of [['zh', /价税合计（大写）：壹佰玖拾圆捌角整/], ['en', /Total including VAT\s+¥ 190\.80/]]) {
            const file = join(stack.folder, `${language}.pdf`);
            await stack.command('invoice', 'show', id, '--format', 'pdf', '--language', language, '--output', file);
            const text = spawnSync('pdftotext', ['-layout', file, '-'], { encoding: 'utf8' }).stdout;
            assert.match(text, words);
            assert.match(text, /北京未来有限公司/);
            assert.doesNotMatch(text, /NOT ISSUED|尚未开具/);
        }
        const red = idOf(await stack.command('invoice', 'red', id, '--reason', 'issued_in_error'));
        await assert.rejects(stack.command('invoice', 'cancel', red), /a digital invoice never is/);
        const paper = idOf(await stack.command('invoice', 'request', '--bill', bill, '--form', 'paper'));
        assert.match(await stack.command('invoice', 'cancel', paper), /cancelled/);
        assert.match(await stack.command('invoice', 'left', bill), /shop +162\.00 +9\.72\n.*web +18\.00 +1\.08/s);
        assert.match(await stack.command('verify'), /2 invoices: as they were issued/);
        const proof = join(stack.folder, 'proof.json');
        writeFileSync(proof, await stack.command('prove', 'invoice', id));
        const key = (await stack.command('proof', 'key')).trim();
        const proven = spawnSync('python3', ['tools/verify_proof.py', proof, '--key', key], { encoding: 'utf8' });
        assert.equal(proven.status, 0, proven.stdout + proven.stderr);
        assert.match(proven.stdout, new RegExp(`invoice ${id}`));
    } finally {
        await stack.stop();
    }
});
