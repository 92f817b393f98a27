// Starts the real simulator and the real gateway on free ports in a temporary folder, and stops them by pid.
// TOLLGATE_BUILD names the build folder, e.g. build/release.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import OpenAI from 'openai';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const build = resolve(root, process.env.TOLLGATE_BUILD ?? 'build/release');
const kReadyMs = 20_000;
const kStopMs = 20_000;

export const tollgate = join(build, 'src/app/tollgate');
export const tollgateSim = join(build, 'sim/tollgate-sim');

export async function freePort() {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((done, failed) => server.once('listening', done).once('error', failed));
    const { port } = server.address();
    await new Promise((done) => server.close(done));
    return port;
}

function canConnect(port) {
    return new Promise((done) => {
        const socket = connect(port, '127.0.0.1');
        socket.once('connect', () => socket.destroy() && done(true)).once('error', () => done(false));
    });
}

/** A process that serves a port; its output goes to a log that is shown when it fails. */
export class Server {
    constructor(name, file, args, port, folder) {
        Object.assign(this, { name, file, args, port, log: join(folder, `${name}.log`) });
    }

    async start() {
        const log = await open(this.log, 'a');
        this.process = spawn(this.file, this.args, { stdio: ['ignore', log.fd, log.fd] });
        this.ended = new Promise((done) => {
            this.process.once('exit', (code, signal) => done({ code, signal }));
            this.process.once('error', (error) => done({ error }));
        });
        await log.close();
        let end = null;
        this.ended.then((how) => (end = how));
        const deadline = Date.now() + kReadyMs;
        while (Date.now() < deadline && !end) {
            if (await canConnect(this.port)) return this;
            await new Promise((done) => setTimeout(done, 20));
        }
        const text = await readFile(this.log, 'utf8');
        await this.stop();
        throw new Error(`${this.name} did not serve port ${this.port} (${JSON.stringify(end)}):\n${text}`);
    }

    /** Asks it to stop; an exit code other than 0 is an error, for sanitizers report that way. */
    async stop() {
        if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGTERM');
        const kill = setTimeout(() => this.process.kill('SIGKILL'), kStopMs);
        const { code, signal, error } = await this.ended;
        clearTimeout(kill);
        if (code !== 0) {
            const text = await readFile(this.log, 'utf8');
            throw new Error(`${this.name} ended with ${code ?? signal ?? error}:\n${text.slice(-8000)}`);
        }
    }
}

/** What a program that ends by itself prints. */
export async function output(file, ...args) {
    const { stdout } = await promisify(execFile)(file, args, { maxBuffer: 64 << 20 });
    return stdout;
}

/** `account`: more lines of the upstream account, indented by four. */
export function gateConfig({ port, adminPort, simPort, folder, varDir = 'var', extra = '', account = '' }) {
    return `listen: "127.0.0.1:${port}"
admin:
  listen: "127.0.0.1:${adminPort}"
  token: e2e-administrator-token-0001
workers: 2
var_dir: "${folder}/${varDir}"
log:
  requests: all
upstreams:
  - name: sim
    provider: openai
    region: test-1
    base_url: "http://127.0.0.1:${simPort}/v1"
    api_key: sk-sim
    models: ["*"]
${account}${extra}`;
}

/** The simulator, a gateway before it, and one customer with a project and a key. */
export class Stack {
    static async start({ extra = '', account = '', simArgs = [], simPort: wantedSimPort } = {}) {
        const stack = new Stack();
        stack.folder = await mkdtemp(join(tmpdir(), 'tollgate-e2e-'));
        const [simPort, port, adminPort] = [wantedSimPort ?? await freePort(), await freePort(), await freePort()];
        Object.assign(stack, { simPort, port, adminPort });
        stack.config = join(stack.folder, 'tollgate.yaml');
        await writeFile(stack.config, gateConfig({ port, adminPort, simPort, folder: stack.folder, extra, account }));
        try {
            await stack.command('customer', 'create', '--name', 'acme');
            await stack.command('project', 'create', '--customer', 'acme', '--name', 'shop', '--department', 'sales');
            stack.key = await stack.createKey();
            stack.sim = await new Server('sim', tollgateSim, ['--port', simPort, '--threads', '1', ...simArgs], simPort,
                stack.folder).start();
            stack.gate = await new Server('tollgate', tollgate, ['serve', '--config', stack.config], port,
                stack.folder).start();
        } catch (error) {
            await stack.stop().catch(() => {});
            throw error;
        }
        return stack;
    }

    /** Another gateway of the same configuration, with a journal of its own; stopped with the stack. */
    async addGate(name, extra = '') {
        const [port, adminPort] = [await freePort(), await freePort()];
        const config = join(this.folder, `${name}.yaml`);
        await writeFile(config, gateConfig({ port, adminPort, simPort: this.simPort, folder: this.folder,
            varDir: name, extra }));
        const gate = await new Server(name, tollgate, ['serve', '--config', config], port, this.folder).start();
        (this.more ??= []).push(gate);
        return gate;
    }

    async stop() {
        try {
            for (const gate of [...this.more ?? [], this.gate]) await gate?.stop();
            await this.sim?.stop();
        } finally {
            await rm(this.folder, { recursive: true, force: true });
        }
    }

    async command(...args) {
        try {
            return await output(tollgate, ...args, '--config', this.config);
        } catch (error) {
            throw new Error(`tollgate ${args.join(' ')} failed:\n${error.stdout ?? ''}${error.stderr ?? error}`);
        }
    }

    async createKey(...args) {
        return JSON.parse(await this.command('key', 'create', '--customer', 'acme', '--project', 'shop', '--json',
            ...args)).key;
    }

    url(path) {
        return `http://127.0.0.1:${this.port}${path}`;
    }

    client(options = {}) {
        return new OpenAI({ baseURL: this.url('/v1'), apiKey: this.key, maxRetries: 0, ...options });
    }
}

/** A prompt that tells the simulator what to do to this one request. */
export function prompt(text, directives = '') {
    return [{ role: 'user', content: directives ? `${text} [[sim ${directives}]]` : text }];
}
