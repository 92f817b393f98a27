// Limits as the official client meets them, set on the command line and by the admin API.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { prompt, Stack } from './harness.mjs';

let stack;
before(async () => { stack = await Stack.start(); });
after(() => stack.stop());

const ask = (client, options = {}, directives = '') => client.chat.completions.create({
    model: 'gpt-4o-mini', messages: prompt('Hello', directives), max_tokens: 50 }, options);

const noWait = { headers: { 'x-tollgate-queue-timeout-ms': '0' } };

/** A client of a new key of its own, and the key's number. */
async function newCaller(options = {}) {
    const apiKey = await stack.createKey();
    const keys = JSON.parse(await stack.command('key', 'list', '--customer', 'acme', '--json'));
    return { client: stack.client({ apiKey, ...options }), id: String(Math.max(...keys.map((key) => key.id))) };
}

async function admin(method, path, body) {
    const response = await fetch(`http://127.0.0.1:${stack.adminPort}/admin/v1${path}`, { method,
        headers: { authorization: 'Bearer e2e-administrator-token-0001' }, body: body && JSON.stringify(body) });
    assert.equal(response.status, 200, await response.clone().text());
    return response.json();
}

async function refusal(promise) {
    const error = await promise.then(() => assert.fail('the call succeeded'), (caught) => caught);
    assert.ok(error instanceof OpenAI.RateLimitError, `${error}`);
    return error;
}

test('a refusal is a RateLimitError, and the client\'s own retry comes at the promised time and succeeds', async () => {
    const { client, id } = await newCaller();
    await stack.command('limits', 'set', '--key', id, '--requests', '1');
    const { response } = await ask(client).withResponse();
    assert.equal(response.headers.get('x-ratelimit-limit-requests'), '1');
    assert.equal(response.headers.get('x-ratelimit-remaining-requests'), '0');
    assert.match(response.headers.get('x-ratelimit-reset-requests'), /^(1m0(\.001)?s|59\.\d+s)$/);
    assert.equal(response.headers.get('x-ratelimit-limit-tokens'), null, 'no token limit');

    const error = await refusal(ask(client, noWait));
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.equal(error.type, 'requests');
    assert.match(error.message, /Limit 1, Used 1, Requested 1\. Please try again in \d/);
    const waitMs = Number(error.headers.get('retry-after-ms'));
    assert.ok(waitMs > 50_000 && waitMs <= 60_001, `${waitMs}`);

    const statuses = [];
    const watching = client.withOptions({ maxRetries: 2, fetch: async (...args) => {
        const answer = await fetch(...args);
        statuses.push(answer.status);
        return answer;
    } });
    const answer = await ask(watching, noWait);
    assert.equal(answer.choices.length, 1);
    assert.deepEqual(statuses, [429, 200]);
});

test('a call that waits is served when a slot comes free, and its client need not know', async () => {
    const { client, id } = await newCaller();
    await admin('PATCH', `/keys/${id}/limits`, { concurrency: 1 });
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(client)));
    assert.equal(answers.length, 4);
});

test('a request that can never pass is not retried', async () => {
    const { client, id } = await newCaller({ maxRetries: 5 });
    await admin('PATCH', `/keys/${id}/limits`, { total_tokens: 20 });
    const error = await refusal(ask(client));
    assert.equal(error.type, 'tokens');
    assert.equal(error.headers.get('x-should-retry'), 'false');
    assert.equal(error.headers.get('retry-after'), null);
    assert.match(error.message, /Request too large for API key/);
});

test('a change by the admin API or the command line holds for the next call', async () => {
    const { client, id } = await newCaller();
    await ask(client, noWait);
    const set = await admin('PATCH', `/keys/${id}/limits`, { requests: 1 });
    assert.equal(set.in_force.requests, 1);
    await refusal(ask(client, noWait));
    await stack.command('limits', 'set', '--key', id, '--requests', 'unlimited');
    await ask(client, noWait);
    await admin('PATCH', `/keys/${id}/limits`, { requests: 0 });
    await refusal(ask(client, noWait));
    await stack.command('limits', 'clear', '--key', id);
    await ask(client, noWait);
});

test('a customer\'s tier is shown with what is in force', async () => {
    const tiers = JSON.parse(await stack.command('tiers', 'list', '--json'));
    assert.equal(tiers.find((tier) => tier.code === 'tier_5').requests, 5000);
    await stack.command('tiers', 'set', 'acme_own', '--requests', '9000', '--total-tokens', 'unlimited');
    const set = JSON.parse(await stack.command('limits', 'set', '--customer', 'acme', '--tier', 'acme_own',
        '--concurrency', '100', '--json'));
    assert.deepEqual(set.in_force, { requests: 9000, input_tokens: 'unlimited', output_tokens: 'unlimited',
        total_tokens: 'unlimited', concurrency: 100 });
    const { response } = await ask(stack.client()).withResponse();
    assert.equal(response.headers.get('x-ratelimit-limit-requests'), '9000');
    await assert.rejects(stack.command('tiers', 'delete', 'acme_own'), /is given to 1/);
    await assert.rejects(stack.command('limits', 'set', '--customer', 'acme', '--requests', '5k'), /requests is '5k'/);
    await assert.rejects(stack.command('limits', 'set', '--requests', '5'), /say whose limits/);
    const all = JSON.parse(await stack.command('limits', 'show', '--json'));
    assert.equal(all.find((row) => row.subject === 'customer:1').tier, 'acme_own');
    await stack.command('limits', 'clear', '--customer', 'acme');
    const metrics = await (await fetch(`http://127.0.0.1:${stack.adminPort}/metrics`)).text();
    assert.match(metrics, /tollgate_admission_refused_total\{reason="limit"\} [1-9]/);
    assert.match(metrics, /tollgate_queue_depth\{class="standard"\} 0/);
    assert.match(metrics, /tollgate_appointments_kept [1-9]/);
});
