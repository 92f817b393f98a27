// Compares our tokenizer with npm tiktoken (OpenAI's own encoder as WebAssembly) on generated texts: every id must be equal.
// usage: node compare_tiktoken.mjs TOKENS_DUMP NODE_MODULES [--seed N] [--random N] [--code-points STRIDE] [--bytes N]
//   --code-points 1 puts every code point into a set of contexts (STRIDE n: every n-th, 0: none)
//   --random N      N texts from all kinds of fragments        --bytes N   N byte strings, mostly invalid UTF-8
// Prints the first differences as JSON texts and exits 1 when there is any.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const [dumpBinary, nodeModules, ...rest] = process.argv.slice(2);
const options = { seed: 1, random: 20000, 'code-points': 1, bytes: 5000 };
for (let i = 0; i < rest.length; i += 2) {
    const name = rest[i].replace(/^--/, '');
    if (!(name in options) || !/^\d+$/.test(rest[i + 1] ?? '')) {
        console.error(`compare_tiktoken: error: '${rest[i]} ${rest[i + 1]}' is not one of --${Object.keys(options).join(' N --')} N`);
        process.exit(2);
    }
    options[name] = Number(rest[i + 1]);
}
const { get_encoding } = createRequire(path.resolve(nodeModules, 'package.json'))('tiktoken');
const references = [get_encoding('o200k_base'), get_encoding('cl100k_base')];

// mulberry32
let state = options.seed >>> 0;
function random() {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const repeat = (n, make) => Array.from({ length: n }, make).join('');

function anyCodePoint() {
    const limit = pick([0x80, 0x250, 0x800, 0x3100, 0xa000, 0x10000, 0x110000]);
    const codePoint = below(limit);
    return codePoint >= 0xd800 && codePoint < 0xe000 ? '\ufffd' : String.fromCodePoint(codePoint);
}

const upper = [...'ABCXYZÄÉÑŠΩДЖԱ', 'ǅ', 'ᾈ', 'Ⴀ', '𝐀', '𐐀'];
const lower = [...'abcxyzäéñšωджաſß', 'ᵹ', '𝐚', '𐐨'];
const caseless = [...'ªºʰˀא中文字かなカナ한글ไทยहि', 'ー', 'ǃ', '𠀀', 'ㄅ'];
const marks = ['\u0301', '\u0308', '\u0345', '\u093f', '\u0bbe', '\u20dd', '\ufe0f', '\ufe20', '\u{e0100}', '\u{1d165}'];
const numbers = [...'0123456789²½①ⅫⅣ٣९๓', '〇', '𝟗', '㊿'];
const spaces = [' ', ' ', ' ', '\t', '\v', '\f', '\u0085', '\u00a0', '\u1680', '\u2003', '\u2028', '\u2029', '\u202f', '\u3000'];
const lineEnds = ['\n', '\n', '\r', '\r\n'];
const symbols = [...'!"#$%&()*+,-./:;<=>?@[]^_`{|}~\\\'', '’', '…', '—', '。', '，', '€', '\u200b', '\u200d', '\u180e', '\ufeff', '\u0000', '\u007f', '\ue000'];
const contractions = ["'s", "'S", "'ſ", "'t", "'T", "'re", "'rE", "'ve", "'VE", "'m", "'ll", "'lL", "'d", "'D", "'", "'l", "'r", "'v", "'x", "''s", '’s'];
const emoji = ['👩‍👩‍👧‍👦', '🏳️‍🌈', '👍🏽', '🇨🇳🇩🇪', '😀', '❤️', '1️⃣', '🧑🏿‍🚀'];
const words = 'the quick token Tokenizer HTTPServer getElementById snake_case_name kConstant return function const null true 你好 世界 计费 网关 привет мир Straße naïve αλφάβητο שלום مرحبا สวัสดี 안녕하세요 こんにちは'.split(' ');
const special = ['<|endoftext|>', '<|endofprompt|>', '<|fim_prefix|>', '<|im_start|>'];
const glue = ['{"id": 1, "name": "x"}', '    if (a != b) {\n', '\t\treturn 0;\n', '// ---------\n', '===== ', 'https://example.com/a?b=c&d=%20', '0x7fff', '1,234.50', '2026-03-17T10:00:00Z', '#!/bin/sh\n', '[]()=>{};', '&&||!', '\\n\\u00e9'];

const fragments = [
    () => repeat(1 + below(4), () => pick(upper)),
    () => repeat(1 + below(6), () => pick(lower)),
    () => repeat(1 + below(4), () => pick(caseless)),
    () => repeat(1 + below(2), () => pick(marks)),
    () => repeat(1 + below(7), () => pick(numbers)),
    () => repeat(1 + below(4), () => pick(spaces)),
    () => repeat(1 + below(3), () => pick(lineEnds)),
    () => repeat(1 + below(4), () => pick(symbols)),
    () => pick(contractions),
    () => pick(emoji),
    () => pick(words),
    () => ' ' + pick(words),
    () => pick(special),
    () => pick(glue),
    () => repeat(1 + below(5), anyCodePoint),
    () => pick([' ', 'a', '=', '-', '\n', 'ab', '中', '\t', '/', 'A', '.', '\u00a0', '0']).repeat(1 + below(90)),
];

function runText() {
    const unit = repeat(1 + below(3), () => pick([pick(lower), pick(upper), pick(caseless), pick(symbols), pick(spaces), 'e', 't']));
    return pick(['', 'x', ' ']) + unit.repeat(1 + below(1200)) + pick(['', '\n', 'x', ' ', '1']);
}
// One run without a break, so that windows meet inside it.
function unbrokenText() {
    const alphabet = pick(['ab', 'etaoinshr', 'aA', '=-', '中文的是', 'abcdefghijklmnopqrstuvwxyz', '.', '!?']);
    return repeat(1 + below(6000), () => alphabet[below(alphabet.length)]);
}

function* codePointTexts(stride) {
    for (let first = 0; stride > 0 && first < 0x110000; first += 8 * stride) {
        let text = '';
        for (let c = first; c < first + 8 * stride && c < 0x110000; c += stride) {
            if (c >= 0xd800 && c < 0xe000) continue;
            const s = String.fromCodePoint(c);
            text += `a${s}a${s}${s} ${s}\n1${s}1A${s}B!!${s}x'${s} ${s}  ${s}`;
        }
        if (text !== '') yield { text };
    }
}
function* randomTexts(count) {
    for (let i = 0; i < count; ++i) {
        if (i % 100 === 0) yield { text: runText() };
        if (i % 400 === 0) yield { text: unbrokenText() };
        yield { text: repeat(1 + below(14), () => pick(fragments)()) };
    }
}
function* byteTexts(count) {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    for (let i = 0; i < count; ++i) {
        const bytes = Buffer.from(repeat(1 + below(8), () => pick(fragments)()), 'utf8');
        for (let flips = 1 + below(6); flips > 0; --flips) {
            bytes[below(bytes.length)] = pick([below(256), 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0xff, 0x80, 0xbf, 0xa0, 0x90]);
        }
        const cut = bytes.subarray(0, 1 + below(bytes.length));
        yield { text: decoder.decode(cut), hex: cut.toString('hex') };
    }
}
function* allTexts() {
    yield* codePointTexts(options['code-points']);
    yield* randomTexts(options.random);
    yield* byteTexts(options.bytes);
}

const child = spawn(dumpBinary, [], { stdio: ['pipe', 'pipe', 'inherit'] });
const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
child.stdin.on('error', () => {});  // a child that ended early is reported by its exit status
let release = () => {};
child.stdin.on('drain', () => release());
child.stdin.on('close', () => release());
const writable = () => new Promise((resolve) => (release = resolve));
const expected = [];
let compared = 0;
let different = 0;
const reading = (async () => {
    for await (const line of readline.createInterface({ input: child.stdout, crlfDelay: Infinity })) {
        const { input, ids } = expected.shift();
        ++compared;
        if (line === ids) continue;
        if (++different <= 20) console.log(`different: ${input}\n  ours      ${line}\n  reference ${ids}`);
    }
})();

let written = 0;
for (const { text, hex } of allTexts()) {
    const input = hex === undefined ? JSON.stringify(text) : JSON.stringify({ hex });
    expected.push({ input, ids: '[' + references.map((r) => `[${r.encode_ordinary(text).join(',')}]`).join(',') + ']' });
    ++written;
    if (!child.stdin.write(input + '\n')) {
        if (child.stdin.destroyed) break;
        await writable();
    }
}
child.stdin.end();
await reading;
const status = await exited;
console.log(`${compared} of ${written} texts compared with tiktoken, ${different} differences (seed ${options.seed})`);
process.exit(status === 0 && compared === written && different === 0 ? 0 : 1);
