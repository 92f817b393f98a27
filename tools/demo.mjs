// make demo: a gateway with the simulator behind it, a customer with two projects, a few hundred real calls through the
// official OpenAI client, and the month's bill. Everything lives in a temporary folder and goes when it ends.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { freePort, prompt, Server, Stack, tollgate, tollgateSim } from '../tests/e2e/harness.mjs';

const kCalls = 300;
const kAtOnce = 16;
const kSettleMs = 20_000;
const kWork = [
    { project: 'support-chat', model: 'gpt-4o', isStream: true, text: 'A customer asks where parcel 4711 is.',
        directives: 'input_tokens=2600 output_tokens=420' },
    { project: 'support-chat', model: 'gpt-4o-mini', isStream: false, text: 'Classify this message: my parcel is late.',
        directives: 'input_tokens=9500 output_tokens=24' },
    { project: 'product-texts', model: 'gpt-4.1', isStream: false, text: '为一款不锈钢保温杯写一段商品描述。',
        directives: 'input_tokens=6200 cached=4096 output_tokens=700' },
    { project: 'product-texts', model: 'o4-mini', isStream: true, text: 'Compare these two kettles for a buyer.',
        directives: 'input_tokens=3100 output_tokens=1100 reasoning=640' },
];

const say = (text = '') => process.stdout.write(`${text}\n`);
const heading = (text) => say(process.stdout.isTTY ? `\n\u001b[1m${text}\u001b[0m` : `\n${text}`);

async function preferredPort(port) {
    const server = createServer();
    const isFree = await new Promise((done) => server.once('error', () => done(false))
        .listen(port, '127.0.0.1', () => server.close(() => done(true))));
    return isFree ? port : freePort();
}

function configText({ port, adminPort, simPort, folder }) {
    return `listen: 127.0.0.1:${port}
admin:
  listen: 127.0.0.1:${adminPort}
var_dir: ${folder}/var
upstreams:
  - name: simulator
    base_url: http://127.0.0.1:${simPort}/v1
    api_key: sk-simulator
    models: ["*"]
log:
  level: warn
`;
}

/** The demo's own world: started in order, stopped in the opposite one. */
class Demo extends Stack {
    static async open() {
        const demo = new Demo();
        demo.folder = await mkdtemp(join(tmpdir(), 'tollgate-demo-'));
        demo.simPort = await freePort();
        demo.port = await preferredPort(8787);
        demo.adminPort = await preferredPort(8788);
        demo.config = join(demo.folder, 'tollgate.yaml');
        await writeFile(demo.config, configText(demo));
        return demo;
    }

    async createCustomer() {
        await this.command('customer', 'create', '--name', 'acme');
        await this.command('project', 'create', '--customer', 'acme', '--name', 'support-chat', '--department', 'service');
        await this.command('project', 'create', '--customer', 'acme', '--name', 'product-texts', '--department', 'marketing');
        this.keys = {};
        for (const project of ['support-chat', 'product-texts']) {
            this.keys[project] = JSON.parse(await this.command('key', 'create', '--customer', 'acme', '--project', project,
                '--json')).key;
        }
    }

    async startServers() {
        this.sim = await new Server('tollgate-sim', tollgateSim, ['--port', this.simPort, '--threads', '1'], this.simPort,
            this.folder).start();
        this.gate = await new Server('tollgate', tollgate, ['serve', '--config', this.config], this.port,
            this.folder).start();
    }
}

function progress(done, begun) {
    const share = done / kCalls;
    const text = `${'█'.repeat(Math.round(share * 40)).padEnd(40, '░')} ${done}/${kCalls}`;
    if (process.stdout.isTTY) {
        process.stdout.write(`\r  ${text}${done === kCalls ? '\n' : ''}`);
    } else if (done % (kCalls / 4) === 0) {
        say(`  ${text} after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    }
}

async function call(client, work) {
    const ask = { model: work.model, messages: prompt(work.text, work.directives), user: 'demo-shopper' };
    if (!work.isStream) return (await client.chat.completions.create(ask)).usage;
    let usage = null;
    const stream = await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) usage = chunk.usage ?? usage;
    return usage;
}

/** The calls, and what the clients were told they used: the bill must say the same. */
async function sendCalls(demo) {
    const clients = Object.fromEntries(Object.entries(demo.keys).map(([project, apiKey]) =>
        [project, demo.client({ apiKey })]));
    const told = { calls: 0, input: 0, output: 0 };
    const begun = Date.now();
    let next = 0;
    const worker = async () => {
        while (next < kCalls) {
            const work = kWork[next++ % kWork.length];
            const usage = await call(clients[work.project], work);
            told.input += usage.prompt_tokens;
            told.output += usage.completion_tokens;
            progress(++told.calls, begun);
        }
    };
    progress(0, begun);
    await Promise.all(Array.from({ length: kAtOnce }, worker));
    return told;
}

const sum = (rows, field) => rows.reduce((total, row) => total + Number(row[field]), 0);

/** The usage once the settler has written every call to the store; it lags by at most a second. */
async function settledUsage(demo, calls) {
    const deadline = Date.now() + kSettleMs;
    while (Date.now() < deadline) {
        const rows = JSON.parse(await demo.command('usage', '--only-customer', 'acme', '--format', 'json'));
        if (sum(rows, 'requests') >= calls) return rows;
        await new Promise((done) => setTimeout(done, 200));
    }
    throw new Error(`the store does not show all ${calls} calls after ${kSettleMs / 1000} s`);
}

async function showBill(demo, told) {
    const rows = await settledUsage(demo, told.calls);
    const metered = { calls: sum(rows, 'requests'), input: sum(rows, 'input_tokens'), output: sum(rows, 'output_tokens') };
    const month = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai', year: 'numeric', month: '2-digit' })
        .format(new Date());
    heading('Usage, as metered');
    say((await demo.command('usage', '--only-customer', 'acme')).trimEnd());
    const figures = ({ calls, input, output }) => `${calls} calls, ${input} input and ${output} output tokens`;
    if (figures(told) !== figures(metered)) {
        throw new Error(`the clients were told ${figures(told)}, but the meter says ${figures(metered)}`);
    }
    say(`\nThe clients were told the same: ${figures(told)}.`);
    heading(`The bill of ${month}`);
    say((await demo.command('bill', '--customer', 'acme', '--month', month)).trimEnd());
    heading('Proof: the bill recomputed from the journal');
    say((await demo.command('verify')).trimEnd());
}

function showHowToTry(demo) {
    const key = demo.keys['support-chat'];
    heading('Try it');
    say(`  curl ${demo.url('/v1/chat/completions')} \\
    -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\
    -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'

  import OpenAI from 'openai';
  const client = new OpenAI({ baseURL: '${demo.url('/v1')}', apiKey: '${key}' });

  build/release/src/app/tollgate usage --only-customer acme --config ${demo.config}

The gateway listens on 127.0.0.1:${demo.port}, its administration on 127.0.0.1:${demo.adminPort}.`);
}

function interrupted() {
    return new Promise((done) => ['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((signal) => process.once(signal, () => done(signal))));
}

async function run(demo) {
    heading('Tollgate: a customer with two projects');
    await demo.createCustomer();
    say('  acme: support-chat (department service), product-texts (department marketing), a key each');
    await demo.startServers();
    say(`  gateway on 127.0.0.1:${demo.port}, simulated provider on 127.0.0.1:${demo.simPort}`);
    heading(`${kCalls} calls through the official OpenAI client, whole and streamed`);
    await showBill(demo, await sendCalls(demo));
    showHowToTry(demo);
}

const stop = interrupted();
const demo = await Demo.open();
let code = 0;
try {
    const signal = await Promise.race([run(demo), stop]);
    if (!signal && process.env.DEMO_EXIT !== '1') {
        say('\nPress Ctrl-C to stop and clean up.');
        await stop;
    }
} catch (error) {
    console.error(`\ndemo: ${error.message}`);
    code = 1;
}
try {
    await demo.stop();
} catch (error) {
    console.error(`demo: ${error.message}`);
    code = 1;
}
say('\nStopped; nothing is left behind.');
process.exit(code);
