// The rest of OpenAI's API through the official client: counted where it has usage, passed through where it has none.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { Stack } from './harness.mjs';

let stack, openai;
before(async () => {
    stack = await Stack.start();
    openai = stack.client();
});
after(() => stack.stop());

test('embeddings, one and many, as numbers and as base64', async () => {
    const one = await openai.embeddings.create({ model: 'text-embedding-3-small', input: 'a word' });
    assert.equal(one.data.length, 1);
    assert.ok(one.data[0].embedding.length > 0);
    assert.ok(one.usage.prompt_tokens > 0);
    const many = await openai.embeddings.create({
        model: 'text-embedding-3-small', input: ['a', 'b', 'c'], encoding_format: 'float', dimensions: 8 });
    assert.deepEqual(many.data.map((item) => item.index), [0, 1, 2]);
    assert.ok(many.data.every((item) => item.embedding.length === 8));
});

test('responses, unary', async () => {
    const answer = await openai.responses.create({ model: 'gpt-4.1-mini', input: 'Say it [[sim output_tokens=15]]' });
    assert.equal(answer.status, 'completed');
    assert.ok(answer.output_text.length > 0);
    assert.equal(answer.usage.output_tokens, 15);
});

test('responses, streamed', async () => {
    const stream = await openai.responses.create({
        model: 'gpt-4.1-mini', stream: true, input: 'Say it [[sim output_tokens=15]]' });
    const events = [];
    for await (const event of stream) events.push(event);
    assert.equal(events[0].type, 'response.created');
    assert.equal(events.at(-1).type, 'response.completed');
    assert.equal(events.at(-1).response.usage.output_tokens, 15);
    const text = events.filter((event) => event.type === 'response.output_text.delta').map((e) => e.delta).join('');
    assert.equal(text, events.at(-1).response.output[0].content[0].text);
});

test('legacy completions, unary and streamed', async () => {
    const ask = { model: 'gpt-3.5-turbo-instruct', prompt: 'Once [[sim output_tokens=9]]' };
    const whole = await openai.completions.create(ask);
    assert.equal(whole.usage.completion_tokens, 9);
    let text = '';
    for await (const chunk of await openai.completions.create({ ...ask, stream: true })) text += chunk.choices[0].text;
    assert.equal(text, whole.choices[0].text);
});

test('the list of models and one of them', async () => {
    const ids = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    assert.ok(ids.length > 0);
    assert.equal(new Set(ids).size, ids.length);
    const model = await openai.models.retrieve(ids[0]);
    assert.equal(model.id, ids[0]);
    assert.equal(model.object, 'model');
});

test('a file is uploaded as multipart and passed through', async () => {
    const lines = Array.from({ length: 2000 }, (_, i) => JSON.stringify({ messages: [{ role: 'user', content: `${i}` }] }));
    const file = await openai.files.create({
        purpose: 'fine-tune', file: await toFile(Buffer.from(lines.join('\n')), 'train.jsonl') });
    assert.equal(file.object, 'file');
    assert.equal(file.bytes, lines.join('\n').length);
});

test('speech comes back as the same bytes the provider sends', async () => {
    const ask = { model: 'gpt-4o-mini-tts', voice: 'alloy', input: 'Good morning' };
    const through = Buffer.from(await (await openai.audio.speech.create(ask)).arrayBuffer());
    const straight = new OpenAI({ baseURL: `http://127.0.0.1:${stack.simPort}/v1`, apiKey: 'sk-sim', maxRetries: 0 });
    const direct = Buffer.from(await (await straight.audio.speech.create(ask)).arrayBuffer());
    assert.ok(through.length > 100);
    const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
    assert.equal(hash(through), hash(direct));
});

test('audio goes up as multipart and comes back as text', async () => {
    const audio = await toFile(Buffer.alloc(200_000, 7), 'call.mp3');
    const answer = await openai.audio.transcriptions.create({ model: 'whisper-1', file: audio });
    assert.equal(typeof answer.text, 'string');
});

test('an image is drawn', async () => {
    const image = await openai.images.generate({ model: 'gpt-image-1', prompt: 'A gate' });
    assert.equal(image.data.length, 1);
});

test('moderation is passed through', async () => {
    const answer = await openai.moderations.create({ model: 'omni-moderation-latest', input: 'hello' });
    assert.equal(answer.results.length, 1);
});
