// Accounts with limits and regions that fail, seen by a program through the official client: it sees neither.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort, prompt, Server, Stack, tollgateSim } from './harness.mjs';

const kRpm = 300;

const upstream = (name, port, key, extra = '') => `  - name: ${name}
    provider: openai
    region: ${name}
    base_url: "http://127.0.0.1:${port}/v1"
    api_key: ${key}
${extra}`;

const admin = async (stack, path) => {
    const response = await fetch(`http://127.0.0.1:${stack.adminPort}${path}`, {
        headers: { authorization: 'Bearer e2e-administrator-token-0001' } });
    assert.equal(response.status, 200);
    return response;
};
const upstreamsOf = async (stack) => Object.fromEntries(
    (await (await admin(stack, '/admin/v1/upstreams')).json()).data.map((each) => [each.name, each]));
const simPost = (port, path, body) => fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST',
    body: JSON.stringify(body) });
const simStats = async (port) => (await fetch(`http://127.0.0.1:${port}/sim/stats`)).json();

/** Calls `ask` so many times, a number of them at once; the statuses in any order. */
async function load(count, atOnce, ask) {
    const statuses = [];
    let next = 0;
    await Promise.all(Array.from({ length: atOnce }, async () => {
        while (next < count) {
            const number = next++;
            statuses.push(await ask(number).then(() => 200, (error) => error.status ?? 0));
        }
    }));
    return statuses;
}
const countOf = (statuses) => statuses.reduce((all, status) => ({ ...all, [status]: (all[status] ?? 0) + 1 }), {});

test('a load above one account\'s limit runs over two accounts without a 429', async () => {
    // One simulator, whose limits are per API key: two accounts. The gate is told neither limit; it learns them.
    const second = `${upstream('second', 'SIM', 'sk-second', '    limits: {burst: 60s, counting: bucket}\n    models: ["*"]\n')}
routing:
  order: remaining
`;
    const simPort = await freePort();
    const stack = await Stack.start({ simPort, extra: second.replace('SIM', simPort),
        simArgs: ['--rpm', kRpm, '--limit-model', 'bucket'] });
    try {
        const openai = stack.client();
        const statuses = await load(kRpm + 60, 16, () => openai.chat.completions.create({
            model: 'gpt-4o-mini', messages: prompt('Hello', 'output_tokens=2') }));
        assert.deepEqual(countOf(statuses), { 200: kRpm + 60 });
        const { by_status: byStatus } = await simStats(stack.simPort);
        assert.equal(byStatus['429'] ?? 0, 0, 'no account had to say 429');
        const upstreams = await upstreamsOf(stack);
        assert.ok(upstreams.sim.attempts > 60 && upstreams.second.attempts > 60, JSON.stringify(upstreams));
        const [limits] = upstreams.sim.limits.filter((each) => each.model === 'gpt-4o-mini');
        const [requests] = limits.meters.filter((each) => each.meter === 'requests');
        assert.equal(requests.limit_per_minute, kRpm, 'learned from the provider\'s headers');
        const metrics = await (await admin(stack, '/metrics')).text();
        assert.match(metrics, /tollgate_deployment_limit_per_minute\{deployment="sim",model="gpt-4o-mini",meter="requests"\} 300/);
    } finally {
        await stack.stop();
    }
});

for (const mode of ['error', 'reset']) {
    test(`a region's outage (${mode}) is not seen`, async () => {
        const westPort = await freePort();
        const stack = await Stack.start({ extra: upstream('west', westPort, 'sk-west', '    models: ["*"]\n') });
        let west;
        try {
            west = await new Server('west', tollgateSim, ['--port', westPort, '--threads', '1'], westPort, stack.folder).start();
            const openai = stack.client();
            const ask = (number) => openai.chat.completions.create({ model: 'gpt-4o-mini', stream: number % 2 === 1,
                messages: prompt('Hello', 'output_tokens=5') }).then(async (answer) => {
                    if (number % 2 === 1) for await (const _ of answer);
                });
            assert.deepEqual(countOf(await load(20, 4, ask)), { 200: 20 });
            await simPost(stack.simPort, '/sim/outage', { on: true, mode });
            assert.deepEqual(countOf(await load(60, 4, ask)), { 200: 60 });
            const { sim } = await upstreamsOf(stack);
            assert.equal(sim.breaker, 'open');
            assert.ok(sim.failures < 20, `${sim.failures}: the breaker keeps calls away`);
            await simPost(stack.simPort, '/sim/outage', { on: false });
            assert.deepEqual(countOf(await load(10, 2, ask)), { 200: 10 });
        } finally {
            await west?.stop();
            await stack.stop();
        }
    });
}

test('a fallback model answers for one that nobody can serve, and the books say so', async () => {
    const nobody = await freePort();
    const stack = await Stack.start({ extra: `${upstream('dead', nobody, 'sk-dead', '    models: [gpt-4o]\n')}
routing:
  retries: {backoff_first: 10ms}
  fallbacks: {gpt-4o: [gpt-4o-mini]}
` });
    try {
        const { data, response } = await stack.client().chat.completions.create({ model: 'gpt-4o',
            messages: prompt('Hello', 'output_tokens=3') }).withResponse();
        assert.equal(response.headers.get('x-tollgate-model'), 'gpt-4o-mini');
        assert.match(data.model, /gpt-4o-mini/);
        let event;
        for (const end = Date.now() + 10_000; !event && Date.now() < end;) {
            [event] = JSON.parse(await stack.command('usage', 'recent', '--customer', 'acme', '--json'));
        }
        assert.equal(event.model, 'gpt-4o-mini');
        assert.equal(event.asked_model, 'gpt-4o');
        assert.match(await stack.command('usage', 'recent', '--customer', 'acme'), /gpt-4o-mini for gpt-4o/);
    } finally {
        await stack.stop();
    }
});

test('a conversation of stored responses stays with the account that keeps it, also after a restart', async () => {
    const westPort = await freePort();
    const stack = await Stack.start({ extra: `${upstream('west', westPort, 'sk-west', '    models: ["*"]\n')}
routing: {order: weight}
` });
    let west;
    try {
        west = await new Server('west', tollgateSim, ['--port', westPort, '--threads', '1'], westPort, stack.folder).start();
        const openai = stack.client();
        const ask = async (previous) => {
            const { data, response } = await openai.responses.create({ model: 'gpt-4o-mini', input: 'Hello',
                previous_response_id: previous }).withResponse();
            return { id: data.id, account: response.headers.get('x-tollgate-upstream') };
        };
        const first = await Promise.all(Array.from({ length: 16 }, () => ask()));
        assert.equal(new Set(first.map((each) => each.account)).size, 2, 'both accounts have begun some');
        for (const { id, account } of first) {
            const second = await ask(id);
            assert.equal(second.account, account);
            assert.equal((await ask(second.id)).account, account);
            assert.equal((await openai.responses.retrieve(id)).id, id);
        }
        const before = (await simStats(stack.simPort)).by_status['400'] ?? 0;
        assert.equal(before, 0, 'nobody was asked in vain');
        // The gate forgets when it ends; it asks around.
        await stack.gate.stop();
        await stack.gate.start();
        for (const { id, account } of first) assert.equal((await ask(id)).account, account);
        const none = await openai.responses.create({ model: 'gpt-4o-mini', input: 'Hello',
            previous_response_id: 'resp_nowhere' }).then(() => null, (error) => error);
        assert.equal(none.status, 400);
        assert.equal(none.code, 'previous_response_not_found');
    } finally {
        await west?.stop();
        await stack.stop();
    }
});
