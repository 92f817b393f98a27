// Errors as the official client knows them: its own classes, and its own retries.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { prompt, Stack } from './harness.mjs';

let stack, openai;
before(async () => {
    stack = await Stack.start({ extra: 'gateway:\n  attempts: 1\nprices:\n  unknown_model: refuse\n' });
    openai = stack.client();
});
after(() => stack.stop());

const ask = (directives, client = openai) => client.chat.completions.create({
    model: 'gpt-4o-mini', messages: prompt('Hello', directives) });

async function refusal(promise) {
    const error = await promise.then(() => assert.fail('the call succeeded'), (caught) => caught);
    assert.ok(error instanceof OpenAI.APIError, `${error}`);
    return error;
}

test('a wrong key', async () => {
    for (const apiKey of ['sk-wrong', `${stack.key}x`, stack.key.slice(0, -1), ' ']) {
        const error = await refusal(ask('', stack.client({ apiKey })));
        assert.ok(error instanceof OpenAI.AuthenticationError, `${error}`);
        assert.equal(error.code, 'invalid_api_key');
        assert.ok(!error.message.includes(stack.key), 'a key is never shown');
    }
});

test('a model that nobody has priced is refused, and the refusal says so', async () => {
    const error = await refusal(openai.chat.completions.create({ model: 'no-such-model-9', messages: prompt('Hello') }));
    assert.ok(error instanceof OpenAI.NotFoundError, `${error}`);
    assert.equal(error.code, 'model_not_found');
    assert.match(error.message, /no-such-model-9/);
});

test('an unknown path gets OpenAI\'s own 404', async () => {
    const response = await fetch(stack.url('/v1/nothing/here'), { headers: { authorization: `Bearer ${stack.key}` } });
    assert.equal(response.status, 404);
    const { error } = await response.json();
    assert.equal(error.type, 'invalid_request_error');
    assert.equal(typeof error.message, 'string');
});

test('a body that is no JSON is a bad request', async () => {
    for (const body of ['', '{', '[]', '{"model": 7}', '{"model":"gpt-4o-mini","messages":"x']) {
        const response = await fetch(stack.url('/v1/chat/completions'), { method: 'POST', body,
            headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' } });
        assert.equal(response.status, 400, body);
        assert.equal((await response.json()).error.type, 'invalid_request_error', body);
    }
});

for (const [status, kind] of [[400, OpenAI.BadRequestError], [403, OpenAI.PermissionDeniedError],
    [404, OpenAI.NotFoundError], [422, OpenAI.UnprocessableEntityError], [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError], [503, OpenAI.InternalServerError]]) {
    test(`the provider's ${status} arrives as what it is`, async () => {
        const error = await refusal(ask(`status=${status}`));
        assert.equal(error.status, status);
        assert.ok(error instanceof kind, `${error.constructor.name}`);
        assert.equal(typeof error.message, 'string');
    });
}

test('the provider\'s Retry-After arrives', async () => {
    const error = await refusal(ask('status=429 retry_after=7'));
    assert.equal(error.headers.get('retry-after'), '7');
});

test('a provider that refuses our own credentials is not the client\'s 401', async () => {
    const error = await refusal(ask('status=401'));
    assert.ok(error.status >= 500, `${error.status}: a client must not be told that its key is wrong`);
});

test('the client retries by itself and its call is counted each time', async () => {
    const client = stack.client({ maxRetries: 2 });
    let attempts = 0;
    client.fetchWithTimeout = ((original) => (...args) => {
        attempts += 1;
        return original.apply(client, args);
    })(client.fetchWithTimeout);
    const error = await refusal(ask('status=503 retry_after_ms=10', client));
    assert.equal(error.status, 503);
    assert.equal(attempts, 3);
});

test('a stream that the provider cuts is an error, not a short answer', async () => {
    const stream = await openai.chat.completions.create({ model: 'gpt-4o-mini', stream: true,
        messages: prompt('Cut', 'output_tokens=200 tokens_per_event=1 cut_after=20 cut_by=reset') });
    let seen = 0;
    await assert.rejects(async () => {
        for await (const chunk of stream) seen += chunk.choices.length;
    });
    assert.ok(seen > 0 && seen < 200, `${seen}`);
});

test('a new key works and a revoked one stops within two seconds, without a restart', async () => {
    const key = await stack.createKey();
    const client = stack.client({ apiKey: key });
    const until = async (wanted) => {
        const deadline = Date.now() + 2000;
        let status = 0;
        while (status !== wanted && Date.now() < deadline) {
            status = await ask('', client).then(() => 200, (error) => error.status);
        }
        assert.equal(status, wanted);
    };
    await until(200);
    const listed = JSON.parse(await stack.command('key', 'list', '--customer', 'acme', '--json'));
    const newest = listed.reduce((a, b) => (b.id > a.id ? b : a));
    await stack.command('key', 'disable', `${newest.id}`);
    await until(401);
    await stack.command('key', 'enable', `${newest.id}`);
    await until(200);
});
