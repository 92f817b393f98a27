// Chat completions through the official client: what a program sees must be what the provider gave.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { prompt, Stack } from './harness.mjs';

let stack, openai;
before(async () => {
    stack = await Stack.start();
    openai = stack.client();
});
after(() => stack.stop());

async function collect(stream) {
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
}
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('');

test('a unary call gives text, usage and ids', async () => {
    const { data, response } = await openai.chat.completions
        .create({ model: 'gpt-4o-mini', messages: prompt('Hello', 'output_tokens=12') })
        .withResponse();
    assert.equal(data.object, 'chat.completion');
    assert.ok(data.choices[0].message.content.length > 0);
    assert.equal(data.usage.completion_tokens, 12);
    assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + 12);
    assert.ok(response.headers.get('x-request-id'), 'a request id comes back');
});

test('the request id of a client comes back', async () => {
    const { response } = await openai.chat.completions
        .create({ model: 'gpt-4o-mini', messages: prompt('Hello') },
            { headers: { 'x-client-request-id': 'order-4711' } })
        .withResponse();
    assert.equal(response.status, 200);
});

test('a stream without include_usage shows none, although the gate asks for it', async () => {
    const chunks = await collect(await openai.chat.completions.create({
        model: 'gpt-4o-mini', stream: true, messages: prompt('Tell me', 'output_tokens=30 tokens_per_event=1') }));
    assert.ok(chunks.length >= 30);
    assert.ok(chunks.every((chunk) => !chunk.usage), 'no chunk carries usage');
    assert.ok(chunks.every((chunk) => chunk.choices.length === 1), 'no chunk without a choice');
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
});

test('a stream with include_usage ends with it', async () => {
    const chunks = await collect(await openai.chat.completions.create({
        model: 'gpt-4o-mini', stream: true, stream_options: { include_usage: true },
        messages: prompt('Tell me', 'output_tokens=30') }));
    assert.equal(chunks.at(-1).choices.length, 0);
    assert.equal(chunks.at(-1).usage.completion_tokens, 30);
    assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
});

test('streamed or not, the text is the same', async () => {
    const ask = { model: 'gpt-4o-mini', messages: prompt('The same twice', 'output_tokens=40') };
    const whole = await openai.chat.completions.create(ask);
    const streamed = await collect(await openai.chat.completions.create({ ...ask, stream: true }));
    assert.equal(textOf(streamed), whole.choices[0].message.content);
});

test('tools arrive and their calls come back, unary and streamed', async () => {
    const ask = {
        model: 'gpt-4o-mini',
        messages: prompt('What is the weather in Hangzhou?'),
        tool_choice: 'required',
        tools: [{ type: 'function', function: { name: 'get_weather',
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }],
    };
    const whole = await openai.chat.completions.create(ask);
    const call = whole.choices[0].message.tool_calls[0];
    assert.equal(call.function.name, 'get_weather');
    assert.doesNotThrow(() => JSON.parse(call.function.arguments));
    assert.equal(whole.choices[0].finish_reason, 'tool_calls');
    const chunks = await collect(await openai.chat.completions.create({ ...ask, stream: true }));
    const pieces = chunks.flatMap((chunk) => chunk.choices[0]?.delta?.tool_calls ?? []);
    assert.equal(pieces[0].function.name, 'get_weather');
    assert.doesNotThrow(() => JSON.parse(pieces.map((piece) => piece.function.arguments ?? '').join('')));
});

test('the client helper for streams works', async () => {
    const runner = openai.chat.completions.stream({
        model: 'gpt-4o-mini', messages: prompt('Tell me', 'output_tokens=25') });
    const whole = await runner.finalChatCompletion();
    assert.equal(whole.choices[0].finish_reason, 'stop');
    assert.ok(whole.choices[0].message.content.length > 0);
});

test('unusual text passes unchanged in both directions', async () => {
    const text = '中文、emoji 👩‍👩‍👧‍👦 and "quotes" \\ / \u2028 \u0000 end';
    const answer = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: prompt(text) });
    assert.ok(answer.usage.prompt_tokens > 0);
});

test('a prompt of 5 MB', async () => {
    const big = 'All work and no play makes a dull log line. '.repeat(120_000);
    assert.ok(big.length > 5_000_000);
    const answer = await openai.chat.completions.create({
        model: 'gpt-4o-mini', messages: prompt(big, 'output_tokens=5') });
    assert.equal(answer.usage.completion_tokens, 5);
    assert.ok(answer.usage.prompt_tokens > 100_000);
});

test('aborting in the middle of a stream frees the client and leaves the gate healthy', async () => {
    const stream = await openai.chat.completions.create({ model: 'gpt-4o-mini', stream: true,
        messages: prompt('Long story', 'output_tokens=2000 tokens_per_event=1 token_interval_us=2000') });
    let seen = 0;
    for await (const chunk of stream) {
        seen += chunk.choices.length;
        if (seen === 5) stream.controller.abort();
    }
    assert.ok(seen >= 5 && seen < 2000);
    const next = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: prompt('Still there?') });
    assert.ok(next.choices[0].message.content.length > 0);
});

test('a hundred calls at a time, unary and streamed', async () => {
    const calls = Array.from({ length: 100 }, async (_, i) => {
        const ask = { model: 'gpt-4o-mini', messages: prompt(`Number ${i}`, `output_tokens=${10 + i}`) };
        if (i % 2 === 0) return (await openai.chat.completions.create(ask)).usage.completion_tokens;
        const chunks = await collect(await openai.chat.completions.create({
            ...ask, stream: true, stream_options: { include_usage: true } }));
        return chunks.at(-1).usage.completion_tokens;
    });
    assert.deepEqual(await Promise.all(calls), Array.from({ length: 100 }, (_, i) => 10 + i));
});
