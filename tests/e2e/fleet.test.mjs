// Two gateways over one store, each with a journal of its own: one set of books.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import OpenAI from 'openai';
import { output, prompt, Stack } from './harness.mjs';

/** Runs `body` with the URL of an empty store, and removes it. */
const stores = {
    async sqlite(body) {
        const folder = await mkdtemp(join(tmpdir(), 'tollgate-e2e-store-'));
        await body(`sqlite:${folder}/books.db`).finally(() => rm(folder, { recursive: true }));
    },
    async postgres(body) {
        const server = process.env.TG_TEST_POSTGRES_URL;
        assert.ok(server, 'tests/e2e/run starts a server');
        const schema = `fleet_${process.pid}`;
        const sql = (text) => output('psql', '--quiet', '--dbname', server, '--command', text);
        await sql(`CREATE SCHEMA ${schema}`);
        await body(`${server}${server.includes('?') ? '&' : '?'}options=-csearch_path%3D${schema}`)
            .finally(() => sql(`DROP SCHEMA ${schema} CASCADE`));
    },
};

for (const [dialect, withStore] of Object.entries(stores)) {
    test(`two gateways keep one set of books in ${dialect}`, () => withStore(async (store) => {
        const extra = `store: "${store}"\n`;
        const stack = await Stack.start({ extra });
        try {
            const second = await stack.addGate('second', extra);
            const json = async (...args) => JSON.parse(await stack.command(...args));
            const clientOf = (gate) => new OpenAI({ baseURL: `http://127.0.0.1:${gate.port}/v1`, apiKey: stack.key,
                maxRetries: 0 });
            let calls = 0;
            const call = async (client, n) => {
                for (let i = 0; i < n; ++i, ++calls) {
                    await client.chat.completions.create({ model: i % 2 ? 'gpt-4o-mini' : 'gpt-4o',
                        messages: prompt('Hello', 'output_tokens=7') });
                }
            };
            const settled = async () => {
                for (;;) {
                    const rows = await json('usage', '--format', 'json');
                    if (rows.reduce((sum, row) => sum + row.requests, 0) >= calls) return rows;
                }
            };
            await Promise.all([call(clientOf(stack.gate), 12), call(clientOf(second), 9)]);
            await settled();
            await stack.gate.stop();
            await call(clientOf(second), 3);
            await stack.gate.start();
            await Promise.all([call(clientOf(stack.gate), 4), call(clientOf(second), 5)]);
            const rows = await settled();
            assert.equal(rows.reduce((sum, row) => sum + row.requests, 0), 33, 'no call twice');

            const whole = await json('verify', '--json', '--journal', join(stack.folder, 'second/journal'));
            assert.equal(whole.ok, true, whole.problems.join('\n'));
            assert.equal(whole.events, 33);
            assert.deepEqual(whole.unreachable_journals, []);
            await assert.rejects(stack.command('verify', '--journal', join(stack.folder, 'second')),
                /second' is not the directory of a journal/);
            const alone = await json('verify', '--json');
            assert.equal(alone.ok, true, alone.problems.join('\n'));
            assert.equal(alone.events, 33);
            assert.deepEqual(alone.unreachable_journals.map((journal) => journal.events), [17]);
        } finally {
            await stack.stop();
        }
    }));
}
