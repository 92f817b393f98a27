// Data policies with the official client: zero data retention, regions and dedicated pools, and the auditor's report.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { prompt, Stack, tollgate } from './harness.mjs';

const kCanary = 'kanarienvogel-4711';
let stack, openai;
before(async () => {
    stack = await Stack.start({ account: '    zero_retention: {reference: "ZDR-2026-001", since: "2026-01-01"}\n' });
    openai = stack.client();
});
after(() => stack.stop());
beforeEach(() => policy('--zero-retention', 'true', '--regions', 'any'));

const policy = (...options) => stack.command('project', 'policy', '--customer', 'acme', '--project', 'shop', ...options);
const sim = (path, options) => fetch(`http://127.0.0.1:${stack.simPort}${path}`, { headers: { authorization: 'Bearer sk-sim' }, ...options });
const ask = (more = {}, options = {}) => openai.responses.create({ model: 'gpt-4o-mini', input: 'Hello', ...more }, options);

async function refusal(promise) {
    const error = await promise.then(() => assert.fail('the call succeeded'), (caught) => caught);
    assert.ok(error instanceof OpenAI.APIError, `${error}`);
    return error;
}

/** A command that may fail. */
function run(args, env = {}) {
    return new Promise((done) => execFile(tollgate, [...args, '--config', stack.config],
        { env: { ...process.env, ...env }, maxBuffer: 64 << 20 },
        (error, stdout, stderr) => done({ code: error ? error.code : 0, stdout, stderr })));
}
const report = (...args) => run(['zdr', 'report', '--customer', 'acme', '--project', 'shop', '--format', 'json', ...args],
    { TOLLGATE_PROBE_KEY: stack.key });

test('a response is not stored, though the client asks for it; without the policy it is', async () => {
    const answer = await ask({ store: true });
    assert.equal(answer.store, false);
    assert.equal((await sim(`/v1/responses/${answer.id}`)).status, 404);
    await policy('--zero-retention', 'false');
    const stored = await ask();
    assert.equal((await openai.responses.retrieve(stored.id)).id, stored.id);
    assert.equal((await sim(`/v1/responses/${stored.id}`)).status, 200);
});

test('a streamed response is not stored either', async () => {
    let id;
    for await (const event of await ask({ stream: true })) if (event.response) id = event.response.id;
    assert.match(id, /^resp_/);
    assert.equal((await sim(`/v1/responses/${id}`)).status, 404);
});

test('reading a stored response is refused, and the refusal says how to do without', async () => {
    const answer = await ask();
    const error = await refusal(openai.responses.retrieve(answer.id));
    assert.ok(error instanceof OpenAI.PermissionDeniedError, `${error}`);
    assert.equal(error.code, 'policy_refused');
    assert.match(error.message, /zero data retention: GET \/v1\/responses\/.* is refused, because .*reasoning.encrypted_content/);
});

test('files, batches and what needs stored state are refused', async () => {
    for (const [call, says] of [
        [() => openai.files.create({ file: toFile(Buffer.from('x'), 'x.jsonl'), purpose: 'batch' }), /uploaded files are kept/],
        [() => openai.batches.create({ input_file_id: 'file-1', endpoint: '/v1/responses', completion_window: '24h' }), /one by one/],
        [() => openai.fineTuning.jobs.create({ model: 'gpt-4o-mini', training_file: 'file-1' }), /tuned models are kept/],
        [() => openai.vectorStores.create({ name: 'x' }), /embeddings/],
        [() => openai.conversations.create({}), /keep the conversation on your side/],
        [() => ask({ background: true }), /stream the answer/],
        [() => ask({ previous_response_id: 'resp_1' }), /'previous_response_id' is refused/],
        [() => ask({ tools: [{ type: 'code_interpreter', container: { type: 'auto' } }] }), /function tool/],
        [() => ask({ tools: [{ type: 'mcp', server_label: 'x', server_url: 'https://x' }] }), /third party/],
    ]) {
        const error = await refusal(call());
        assert.equal(error.status, 403, `${error}`);
        assert.equal(error.code, 'policy_refused');
        assert.match(error.message, says);
    }
    await assert.doesNotReject(ask({ tools: [{ type: 'function', name: 'f', parameters: {}, strict: false }] }));
});

test('one request can ask for it, by any of the headers', async () => {
    await policy('--zero-retention', 'false');
    for (const name of ['OpenAI-Zero-Data-Retention', 'OpenAI-Data-Processing-Opt-Out', 'x-tollgate-zero-retention']) {
        const { data, response } = await ask({ store: true }, { headers: { [name]: 'true' } }).withResponse();
        assert.equal(data.store, false, name);
        assert.match(response.headers.get('x-tollgate-data-policy'), /^zero-retention; rules=\d+$/);
        assert.equal((await refusal(ask({ background: true }, { headers: { [name]: 'true' } }))).status, 403);
    }
    assert.equal((await refusal(ask({}, { headers: { 'x-tollgate-zero-retention': 'maybe' } }))).status, 400);
});

test('regions and pools: what no account serves is refused', async () => {
    await policy('--regions', 'test-1,test-2');
    const { response } = await ask().withResponse();
    assert.equal(response.headers.get('x-tollgate-data-policy').split('; ')[1], 'regions=test-1,test-2');
    assert.equal((await refusal(ask({}, { headers: { 'x-tollgate-regions': 'test-2' } }))).code, 'policy_refused');
    assert.match((await refusal(ask({}, { headers: { 'x-tollgate-regions': 'cn' } }))).message, /narrow the policy/);
    await policy('--regions', 'cn');
    assert.match((await refusal(ask())).message, /none is known to be in an allowed region/);
    await policy('--regions', 'any');
    const error = await refusal(openai.chat.completions.create({ model: 'gpt-4o-mini', messages: prompt('x'),
        deployment_type: 'dedicated' }));
    assert.equal(error.param, 'deployment_type');
    assert.match(error.message, /no dedicated pool/);
});

test('a chat and its stream work as ever', async () => {
    const chat = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: prompt('Hello'), store: true,
        metadata: { a: 'b' }, user: 'dept:sales' });
    assert.ok(chat.choices[0].message.content.length > 0);
    let text = '';
    for await (const chunk of await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: prompt('Hello'),
        stream: true })) text += chunk.choices[0]?.delta?.content ?? '';
    assert.ok(text.length > 0);
});

test('a policy is set by the admin API and holds at once', async () => {
    const admin = (method, path, body) => fetch(`http://127.0.0.1:${stack.adminPort}/admin/v1${path}`, { method,
        body: body && JSON.stringify(body), headers: { authorization: 'Bearer e2e-administrator-token-0001' } });
    const changed = await admin('PATCH', '/projects/1', { data_policy: { zero_retention: false } });
    assert.equal(changed.status, 200);
    assert.equal((await changed.json()).effective_data_policy.zero_retention, false);
    const stored = await ask();
    assert.equal((await sim(`/v1/responses/${stored.id}`)).status, 200);
    await admin('PATCH', '/customers/acme', { data_policy: { zero_retention: true } });
    assert.equal((await ask()).store, false);
    await admin('PATCH', '/customers/acme', { data_policy: { zero_retention: false } });
});

test('the report proves the month, and its probe reads nothing back', async () => {
    await ask();
    await refusal(openai.files.list());
    let made, json;
    // Settling is at most a second behind.
    for (let i = 0; i < 100; ++i) {
        made = await report('--probe');
        json = JSON.parse(made.stdout);
        if (json.unsettled === 0) break;
    }
    assert.equal(made.code, 0, made.stderr + made.stdout.slice(0, 2000));
    assert.equal(json.ok, true);
    assert.equal(json.violation_count, 0);
    assert.equal(json.policy.zero_retention, true);
    assert.ok(json.calls.some((count) => count.account === 'sim' && count.region === 'test-1' && count.zero_retention > 0));
    assert.equal(json.accounts[0].zero_retention_reference, 'ZDR-2026-001');
    assert.ok(json.refused.some((count) => count.endpoint === 'files' && count.calls > 0));
    assert.ok(json.policy_history.length > 1);
    assert.match(json.events_digest, /^[0-9a-f]{64}$/);
    assert.deepEqual(json.probes.map((probe) => [probe.way, probe.account, probe.verdict, probe.store_status, probe.read_status]),
        [['gate', 'sim', 'PASSED', 200, 404], ['account', 'sim', 'PASSED', 200, 404]]);
    for (const probe of json.probes) assert.match(probe.store_request_id, /^req_/);
    const table = await run(['zdr', 'report', '--customer', 'acme', '--project', 'shop']);
    assert.equal(table.code, 0);
    assert.match(table.stdout, /KEPT: 0 violations in \d+ calls/);
    const csv = await run(['zdr', 'report', '--customer', 'acme', '--project', 'shop', '--format', 'csv']);
    assert.match(csv.stdout, /responses,sim,openai,test-1,ZDR-2026-001,2026-01-01,/);
    assert.match((await run(['zdr', 'rules'])).stdout, /code_interpreter/);
});

test('an account that keeps what it was told not to keep fails the probe', async () => {
    await sim('/sim/config', { method: 'POST', body: '{"ignore_store_false":1}' });
    try {
        const made = await report('--probe');
        assert.equal(made.code, 1);
        const json = JSON.parse(made.stdout);
        assert.equal(json.ok, false);
        assert.deepEqual(json.probes.map((probe) => [probe.verdict, probe.read_status]), [['FAILED', 200], ['FAILED', 200]]);
        for (const probe of json.probes)
            assert.equal((await sim(`/v1/responses/${probe.response_id}`)).status, 404, 'the probe cleans up');
    } finally {
        await sim('/sim/config', { method: 'POST', body: '{"ignore_store_false":0}' });
    }
});

test('content is in no file of the gate and in no line of its log', async () => {
    const words = `Repeat ${kCanary}`;
    await ask({ input: words, metadata: { note: kCanary }, safety_identifier: kCanary });
    await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: prompt(words), user: kCanary });
    for await (const event of await ask({ input: words, stream: true })) void event;
    await refusal(ask({ input: words, background: true }));
    await refusal(openai.responses.retrieve(kCanary));
    await refusal(ask({ input: `${words} [[sim status=400]]` }));
    await refusal(openai.files.create({ file: toFile(Buffer.from(words), `${kCanary}.jsonl`), purpose: 'batch' }));
    await report();
    const files = async (folder) => (await Promise.all((await readdir(folder)).map(async (name) => {
        const path = join(folder, name);
        return (await stat(path)).isDirectory() ? files(path) : [path];
    }))).flat();
    const seen = [];
    for (const file of await files(stack.folder)) {
        if (file.endsWith('sim.log')) continue;
        seen.push(file);
        assert.ok(!(await readFile(file)).includes(kCanary), `${file} holds content`);
    }
    assert.ok(seen.some((file) => file.includes('journal-')) && seen.some((file) => file.endsWith('tollgate.db')));
    assert.ok(seen.some((file) => file.endsWith('tollgate.log')));
    const limits = await readFile(`/proc/${stack.gate.process.pid}/limits`, 'utf8');
    assert.match(limits, /Max core file size +0 +0/);
});

test('an agreement that has not begun covers nothing', async () => {
    const file = join(stack.folder, 'wrong.yaml');
    await writeFile(file, 'upstreams:\n  - {name: a, models: ["*"], zero_retention: {reference: x, since: "2999-01-01"}}\n');
    const { code, stderr } = await new Promise((done) => execFile(tollgate, ['check-config', '--config', file],
        (error, stdout, text) => done({ code: error?.code ?? 0, stderr: text })));
    assert.equal(code, 2);
    assert.match(stderr, /lies in the future/);
});
