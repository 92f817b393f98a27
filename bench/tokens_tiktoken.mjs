// Times npm tiktoken, the yardstick of bench/tokens, in CPU time of this process.
// usage: node tokens_tiktoken.mjs NODE_MODULES TEXT     prints "encoding way bytes tokens cpu_seconds" lines as tokens_bench does
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [nodeModules, textPath] = process.argv.slice(2);
const { get_encoding } = createRequire(path.resolve(nodeModules, 'package.json'))('tiktoken');
const text = fs.readFileSync(textPath, 'utf8');
const kChunkCharacters = 4000;

function chunksOf(whole) {
    const chunks = [];
    for (let at = 0; at < whole.length; ) {
        let end = Math.min(at + kChunkCharacters, whole.length);
        const isSplitPair = end < whole.length && (whole.charCodeAt(end) & 0xfc00) === 0xdc00 && (whole.charCodeAt(end - 1) & 0xfc00) === 0xd800;
        if (isSplitPair) ++end;
        chunks.push(whole.slice(at, end));
        at = end;
    }
    return chunks;
}

function measure(name, encoding, chunks, way) {
    let tokens = 0;
    const before = process.cpuUsage();
    for (const chunk of chunks) tokens += encoding.encode_ordinary(chunk).length;
    const used = process.cpuUsage(before);
    console.log(name, way, Buffer.byteLength(text), tokens, ((used.user + used.system) / 1e6).toFixed(6));
}

for (const name of ['o200k_base', 'cl100k_base']) {
    const encoding = get_encoding(name);
    encoding.encode_ordinary(text.slice(0, 200000));
    measure(name, encoding, chunksOf(text), 'encode');
    measure(name, encoding, [text], 'encode-whole');
    encoding.free();
}
