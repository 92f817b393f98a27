#!/usr/bin/env python3
"""Checks a proof that 'tollgate prove' printed, with nothing of Tollgate's own code: Python's standard library only.

usage: tools/verify_proof.py PROOF.json --key VERIFIER_KEY [--document FILE] [--old CHECKPOINT.txt]

PROOF.json      the proof; - is standard input
--key           verifier key of the log ('tollgate proof key' prints it once; keep it where nobody can change it)
--document      the file that must be the proven document, byte for byte
--old           a checkpoint that you kept from earlier: the log must have only grown since

Prints what is proven and exits with 0, or "NOT PROVEN: reason" with 1; 2 is a wrong call. Formats: docs/formats.md.
Ed25519 as in RFC 8032 section 5.1.7, Merkle proofs as in RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""
import argparse
import base64
import binascii
import datetime
import hashlib
import json
import re
import sys

PLAIN = re.compile(r'[!#-\[\]-~]{1,160}')  # printable ASCII without space, quote and backslash
HASH = re.compile(r'[0-9a-f]{64}')


class NotProven(Exception):
    pass


def require(is_true, reason):
    if not is_true:
        raise NotProven(reason)


# --- Ed25519 ----------------------------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)  # extended coordinates X, Y, Z, T


def add(a, b):
    m = (a[1] - a[0]) * (b[1] - b[0]) % P
    n = (a[1] + a[0]) * (b[1] + b[0]) % P
    c = 2 * a[3] * b[3] * D % P
    d = 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    out = IDENTITY
    while scalar > 0:
        if scalar & 1:
            out = add(out, point)
        point = add(point, point)
        scalar >>= 1
    return out


def is_same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def decode_point(data):
    """The point of 32 bytes, or None where they are the encoding of none."""
    y = int.from_bytes(data, 'little')
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * SQRT_M1 % P
    if (x * x - square) % P != 0 or (x == 0 and sign == 1):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, 'little'))


def is_signature(public_key, message, signature):
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, r = decode_point(public_key), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], 'little')
    if key is None or r is None or s >= L:
        return False
    if is_same(multiply(8, key), IDENTITY):  # a key that signs everything
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), 'little') % L
    return is_same(multiply(s, BASE), add(r, multiply(k, key)))


# --- signed notes and checkpoints -------------------------------------------------------------------------------------

def decode_base64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotProven(f'{what} is not in base64') from None
    require(base64.b64encode(data).decode() == text, f'{what} is not in canonical base64')
    return data


def parse_key(text):
    """Name, four bytes of hint and 32 bytes of key of 'name+hint+base64'."""
    parts = text.strip().split('+', 2)
    require(len(parts) == 3, 'the verifier key does not look like name+12345678+base64')
    typed = decode_base64(parts[2], 'the verifier key')
    require(len(typed) == 33 and typed[0] == 1, 'the verifier key is no Ed25519 key')
    hint = hashlib.sha256(parts[0].encode() + b'\n' + typed).digest()[:4]
    require(hint.hex() == parts[1], 'the verifier key is damaged: its hint does not fit')
    return parts[0], hint, typed[1:]


def open_checkpoint(note, key, what):
    """Size and root of a signed head."""
    name, hint, public_key = key
    require(isinstance(note, str) and note.endswith('\n') and '\n\n' in note, f'{what} is no signed note')
    body, _, signatures = note.rpartition('\n\n')
    body += '\n'
    found = False
    for line in signatures.splitlines():
        if not line.startswith(f'\u2014 {name} '):
            continue
        data = decode_base64(line[len(name) + 3:], f'the signature of {what}')
        found = found or (data[:4] == hint and is_signature(public_key, body.encode(), data[4:]))
    require(found, f'{what} is not signed by the key {name}')
    lines = body.split('\n')
    require(len(lines) >= 4 and lines[0] == name and re.fullmatch(r'0|[1-9][0-9]{0,18}', lines[1]),
            f'{what} is no checkpoint of {name}')
    root = decode_base64(lines[2], f'the root of {what}')
    require(len(root) == 32, f'the root of {what} has {len(root)} bytes')
    return int(lines[1]), root


# --- Merkle proofs ----------------------------------------------------------------------------------------------------

def sha256(data):
    return hashlib.sha256(data).digest()


def node_hash(left, right):
    return sha256(b'\x01' + left + right)


def parse_hashes(value, what):
    require(isinstance(value, list) and len(value) <= 64, f'{what} is no list of hashes')
    require(all(isinstance(each, str) and HASH.fullmatch(each) for each in value), f'{what} has a damaged hash')
    return [bytes.fromhex(each) for each in value]


def is_included(leaf, index, size, path, root):
    if index >= size:
        return False
    at, last, found = index, size - 1, leaf
    for each in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(each, found)
            while not at & 1 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, each)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old_size, size, path, old_root, root):
    if old_size > size:
        return False
    if old_size == size:
        return not path and old_root == root
    if old_size == 0:
        return not path and old_root == sha256(b'')
    if old_size & (old_size - 1) == 0:
        path = [old_root] + path
    if not path:
        return False
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_found = found = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_found, found = node_hash(each, old_found), node_hash(each, found)
            while not at & 1 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, each)
        at, last = at >> 1, last >> 1
    return last == 0 and old_found == old_root and found == root


# --- the proof --------------------------------------------------------------------------------------------------------

def parse_json(text, what):
    def unique(pairs):
        out = dict(pairs)
        require(len(out) == len(pairs), f'{what} names a key twice')
        return out
    try:
        return json.loads(text, object_pairs_hook=unique)
    except ValueError as error:
        raise NotProven(f'{what} is no JSON: {error}') from None


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def leaf_bytes(leaf):
    """The bytes that were hashed, rebuilt from the leaf's fields."""
    wanted = {'format', 'index', 'logged_at', 'kind', 'id', 'payload_sha256', 'payload_bytes'}
    require(isinstance(leaf, dict) and set(leaf) == wanted, 'the leaf has other fields than a leaf has')
    require(leaf['format'] == 'tollgate-proof-leaf-1', 'the leaf is of an unknown format')
    require(all(is_count(leaf[key]) for key in ('index', 'logged_at', 'payload_bytes')), 'the leaf has a bad number')
    for key in ('kind', 'id'):
        require(isinstance(leaf[key], str) and PLAIN.fullmatch(leaf[key]), f"the leaf's {key} is no plain word")
    require(isinstance(leaf['payload_sha256'], str) and HASH.fullmatch(leaf['payload_sha256']),
            "the leaf's payload_sha256 is no hash")
    return (f'{{"format":"{leaf["format"]}","index":{leaf["index"]},"logged_at":{leaf["logged_at"]},'
            f'"kind":"{leaf["kind"]}","id":"{leaf["id"]}","payload_sha256":"{leaf["payload_sha256"]}",'
            f'"payload_bytes":{leaf["payload_bytes"]}}}').encode()


def check_entry(proof, payload):
    """That one ledger entry is among those of a proven batch; what it says of it."""
    if 'entry' not in proof:
        return ''
    require(proof['leaf']['kind'] == 'ledger_batch', 'a ledger entry can be in a ledger_batch only')
    batch = parse_json(payload.decode(), 'the batch')
    require(isinstance(proof['entry'], str), 'the ledger entry is no text')
    entry = parse_json(proof['entry'], 'the ledger entry')
    require(isinstance(batch, dict) and isinstance(entry, dict), 'the batch or the ledger entry is no object')
    number, first, last = entry.get('number'), batch.get('first'), batch.get('last')
    require(all(is_count(each) for each in (number, first, last)) and first <= number <= last,
            f'ledger entry {number} is not of the batch')
    hashes = batch.get('hashes')
    require(isinstance(hashes, list) and len(hashes) == last - first + 1, 'the batch has another number of hashes')
    require(hashes[number - first] == hashlib.sha256(proof['entry'].encode()).hexdigest(),
            f'ledger entry {number} was changed: its hash is not the one in the batch')
    content = entry.get('content')
    require(isinstance(content, dict), 'the ledger entry has no content')
    return f'\n    ledger entry {number}: {content.get("cause")} {content.get("id")}'


def check_growth(proof, key, old_note, size, root):
    if old_note is None and 'consistency' not in proof:
        return ''
    if old_note is not None:
        old_size, old_root = open_checkpoint(old_note, key, 'the old checkpoint')
    if 'consistency' in proof:
        growth = proof['consistency']
        require(isinstance(growth, dict) and set(growth) == {'checkpoint', 'hashes'}, 'the consistency proof is damaged')
        shown = open_checkpoint(growth['checkpoint'], key, "the consistency proof's checkpoint")
        require(old_note is None or shown == (old_size, old_root),
                'the consistency proof starts from another tree than your old checkpoint')
        old_size, old_root = shown
        path = parse_hashes(growth['hashes'], 'the consistency proof')
    else:
        require(old_size == size, f"the proof does not say how the tree grew; make it with --since {old_size}")
        path = []
    require(is_consistent(old_size, size, path, old_root, root),
            f'the tree of {size} leaves is no continuation of the one of {old_size}: the log was rewritten')
    return f'\n    the log has only grown since it had {old_size} leaves'


def verify(proof_text, key_text, document=None, old_note=None):
    """What is proven, as text; NotProven says why it is not."""
    key = parse_key(key_text)
    proof = parse_json(proof_text, 'the proof')
    require(isinstance(proof, dict) and proof.get('format') == 'tollgate-proof-1', 'the proof is of an unknown format')
    known = {'format', 'checkpoint', 'leaf', 'payload', 'inclusion', 'consistency', 'entry'}
    require(set(proof) <= known and known - set(proof) <= {'consistency', 'entry'}, 'the proof has other fields')
    size, root = open_checkpoint(proof['checkpoint'], key, 'the checkpoint')
    leaf = proof['leaf']
    hashed = sha256(b'\x00' + leaf_bytes(leaf))
    require(isinstance(proof['payload'], str), 'the document is no text')
    payload = decode_base64(proof['payload'], 'the document')
    require(len(payload) == leaf['payload_bytes'] and hashlib.sha256(payload).hexdigest() == leaf['payload_sha256'],
            'the document is not the one that was logged')
    require(document is None or document == payload, 'your file is not the document that was logged')
    path = parse_hashes(proof['inclusion'], 'the inclusion proof')
    require(is_included(hashed, leaf['index'], size, path, root),
            'the document is not in the signed tree: the inclusion proof does not lead to its root')
    more = check_entry(proof, payload) + check_growth(proof, key, old_note, size, root)
    epoch = datetime.datetime(1970, 1, 1)
    logged_at = epoch + datetime.timedelta(microseconds=leaf['logged_at'])
    return (f'PROVEN: {leaf["kind"]} {leaf["id"]}\n    {len(payload)} bytes, SHA-256 {leaf["payload_sha256"]}\n'
            f'    logged {logged_at.isoformat()}Z as leaf {leaf["index"]} of {size}, signed by {key[0]}{more}')


def read_file(name):
    if name == '-':
        return sys.stdin.buffer.read()
    with open(name, 'rb') as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('proof')
    parser.add_argument('--key', required=True)
    parser.add_argument('--document')
    parser.add_argument('--old')
    arguments = parser.parse_args()
    try:
        document = read_file(arguments.document) if arguments.document else None
        old_note = read_file(arguments.old).decode() if arguments.old else None
        print(verify(read_file(arguments.proof).decode(), arguments.key, document, old_note))
    except OSError as error:
        parser.exit(2, f'verify_proof.py: {error}\n')
    except (NotProven, UnicodeDecodeError, OverflowError) as error:
        print(f'NOT PROVEN: {error}')
        sys.exit(1)


if __name__ == '__main__':
    main()
