#!/usr/bin/env python3
"""verify_proof.py against the vectors of RFC 8032, against wrong keys and encodings, and against trees built by hand.

Proofs that Tollgate itself made, right and tampered with, are tested in src/ledger/proof_log_test.cc.
"""
import base64
import hashlib
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import verify_proof as vp  # noqa: E402

# RFC 8032 section 7.1: public key, message, signature.
VECTORS = [
    ('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '',
     'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24'
     '655141438e7a100b'),
    ('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72',
     '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee'
     'b00d291612bb0c00'),
    ('fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', 'af82',
     '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d'
     'c027beceea1ec40a'),
]


def sign(seed, message):
    """RFC 8032 section 5.1.6, for proofs that only a test makes."""
    digest = hashlib.sha512(seed).digest()
    a = int.from_bytes(digest[:32], 'little') & (2**254 - 8) | 2**254
    public_key = encode(vp.multiply(a, vp.BASE))
    r = int.from_bytes(hashlib.sha512(digest[32:] + message).digest(), 'little') % vp.L
    big_r = encode(vp.multiply(r, vp.BASE))
    k = int.from_bytes(hashlib.sha512(big_r + public_key + message).digest(), 'little') % vp.L
    return public_key, big_r + ((r + k * a) % vp.L).to_bytes(32, 'little')


def encode(point):
    inverse = pow(point[2], vp.P - 2, vp.P)
    x, y = point[0] * inverse % vp.P, point[1] * inverse % vp.P
    return (y | (x & 1) << 255).to_bytes(32, 'little')


class Ed25519(unittest.TestCase):
    def test_vectors_of_rfc_8032(self):
        for public_key, message, signature in VECTORS:
            self.assertTrue(vp.is_signature(bytes.fromhex(public_key), bytes.fromhex(message), bytes.fromhex(signature)))

    def test_any_changed_bit_is_refused(self):
        public_key, message, signature = (bytes.fromhex(each) for each in VECTORS[2])
        for bit in range(0, 512, 7):
            changed = bytearray(signature)
            changed[bit // 8] ^= 1 << bit % 8
            self.assertFalse(vp.is_signature(public_key, message, bytes(changed)), bit)
        self.assertFalse(vp.is_signature(public_key, message + b'\0', signature))
        self.assertFalse(vp.is_signature(bytes.fromhex(VECTORS[1][0]), message, signature))

    def test_second_encoding_of_a_signature_is_refused(self):
        public_key, message, signature = (bytes.fromhex(each) for each in VECTORS[0])
        s = int.from_bytes(signature[32:], 'little') + vp.L
        self.assertFalse(vp.is_signature(public_key, message, signature[:32] + s.to_bytes(32, 'little')))

    def test_key_that_signs_everything_is_refused(self):
        identity = (1).to_bytes(32, 'little')
        self.assertFalse(vp.is_signature(identity, b'anything', identity + bytes(32)))
        for order_8 in ('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', '00' * 32):
            self.assertFalse(vp.is_signature(bytes.fromhex(order_8), b'x', identity + bytes(32)))

    def test_bytes_that_are_no_point(self):
        self.assertIsNone(vp.decode_point(vp.P.to_bytes(32, 'little')))
        self.assertIsNone(vp.decode_point((2).to_bytes(32, 'little')))
        self.assertIsNone(vp.decode_point((1 | 1 << 255).to_bytes(32, 'little')))


class Proof:
    """A log of one to four documents, built and signed by hand."""

    def __init__(self, payloads, name='test-log', seed=b'\1' * 32):
        self.name, self.seed = name, seed
        self.payloads = payloads
        self.leaves = [self.leaf(i) for i in range(len(payloads))]
        self.hashes = [hashlib.sha256(b'\0' + json.dumps(each, separators=(',', ':')).encode()).digest()
                       for each in self.leaves]

    def leaf(self, index):
        payload = self.payloads[index]
        return {'format': 'tollgate-proof-leaf-1', 'index': index, 'logged_at': 1764000000000000, 'kind': 'bill',
                'id': f'BILL-{index}', 'payload_sha256': hashlib.sha256(payload).hexdigest(),
                'payload_bytes': len(payload)}

    def root(self, hashes):
        if len(hashes) == 1:
            return hashes[0]
        split = 1
        while split * 2 < len(hashes):
            split *= 2
        return hashlib.sha256(b'\1' + self.root(hashes[:split]) + self.root(hashes[split:])).digest()

    def path(self, index, hashes):
        if len(hashes) == 1:
            return []
        split = 1
        while split * 2 < len(hashes):
            split *= 2
        if index < split:
            return self.path(index, hashes[:split]) + [self.root(hashes[split:])]
        return self.path(index - split, hashes[split:]) + [self.root(hashes[:split])]

    def key(self):
        typed = b'\1' + sign(self.seed, b'')[0]
        hint = hashlib.sha256(self.name.encode() + b'\n' + typed).digest()[:4]
        return f'{self.name}+{hint.hex()}+{base64.b64encode(typed).decode()}', hint

    def note(self, body=None):
        root = base64.b64encode(self.root(self.hashes)).decode()
        body = body or f'{self.name}\n{len(self.hashes)}\n{root}\n'
        signature = sign(self.seed, body.encode())[1]
        return f'{body}\n\u2014 {self.name} {base64.b64encode(self.key()[1] + signature).decode()}\n'

    def proof(self, index, **changes):
        out = {'format': 'tollgate-proof-1', 'checkpoint': self.note(), 'leaf': self.leaves[index],
               'payload': base64.b64encode(self.payloads[index]).decode(),
               'inclusion': [each.hex() for each in self.path(index, self.hashes)]}
        return json.dumps({**out, **changes})


class Verify(unittest.TestCase):
    def refused(self, text, key, reason, **more):
        with self.assertRaises(vp.NotProven) as caught:
            vp.verify(text, key, **more)
        self.assertIn(reason, str(caught.exception))

    def test_every_leaf_of_small_logs(self):
        for size in range(1, 8):
            log = Proof([f'document {i}'.encode() for i in range(size)])
            for index in range(size):
                text = vp.verify(log.proof(index), log.key()[0], document=log.payloads[index])
                self.assertIn(f'PROVEN: bill BILL-{index}', text)

    def test_path_of_another_leaf(self):
        log = Proof([b'a', b'b', b'c'])
        self.refused(log.proof(0, inclusion=json.loads(log.proof(1))['inclusion']), log.key()[0], 'not in the signed')

    def test_tree_node_is_not_taken_for_a_leaf(self):
        """The prefix bytes: without them an inner node could pass for a document."""
        log = Proof([b'a', b'b'])
        node = log.hashes[0] + log.hashes[1]
        self.assertNotEqual(hashlib.sha256(b'\0' + node).digest(), log.root(log.hashes))

    def test_fields_and_forms_that_a_proof_does_not_have(self):
        log, key = Proof([b'a', b'b']), Proof([b'a', b'b']).key()[0]
        leaf = log.leaves[0]
        self.refused('{}', key, 'unknown format')
        self.refused('[]', key, 'unknown format')
        self.refused('nonsense', key, 'no JSON')
        self.refused(log.proof(0)[:-1] + ',"payload":"YQ=="}', key, 'names a key twice')
        self.refused(log.proof(0, more=1), key, 'other fields')
        self.refused(log.proof(0, leaf={**leaf, 'index': True}), key, 'bad number')
        self.refused(log.proof(0, leaf={**leaf, 'index': -1}), key, 'bad number')
        self.refused(log.proof(0, leaf={**leaf, 'index': 0.0}), key, 'bad number')
        self.refused(log.proof(0, leaf={**leaf, 'id': 'BILL-0","kind":"x'}), key, 'no plain word')
        self.refused(log.proof(0, leaf={**leaf, 'more': 1}), key, 'other fields')
        self.refused(log.proof(0, payload='YR=='), key, 'canonical base64')
        self.refused(log.proof(0, payload='YQ'), key, 'not in base64')
        self.refused(log.proof(0, inclusion='x'), key, 'no list of hashes')
        self.refused(log.proof(0, inclusion=['00' * 32] * 65), key, 'no list of hashes')
        self.refused(log.proof(0, inclusion=['0' * 63]), key, 'damaged hash')
        self.refused(log.proof(0), key.replace('test-log', 'test-lag'), 'hint does not fit')
        self.refused(log.proof(0), 'nonsense', 'does not look like')

    def test_checkpoint_of_another_log_under_the_same_key(self):
        log = Proof([b'a', b'b'])
        body = log.note().split('\n\n')[0].replace('test-log', 'best-log') + '\n'
        self.refused(log.proof(0, checkpoint=log.note(body)), log.key()[0], 'no checkpoint of')

    def test_entry_outside_its_batch(self):
        entry = json.dumps({'number': 3, 'content': {'cause': 'bill', 'id': 'B'}})
        batch = json.dumps({'first': 1, 'last': 2, 'hashes': [hashlib.sha256(entry.encode()).hexdigest()] * 2})
        log = Proof([batch.encode()])
        self.refused(log.proof(0, entry=entry), log.key()[0], 'in a ledger_batch only')
        log.leaves[0]['kind'] = 'ledger_batch'
        log.hashes = [hashlib.sha256(b'\0' + json.dumps(log.leaves[0], separators=(',', ':')).encode()).digest()]
        self.refused(log.proof(0, entry=entry), log.key()[0], 'entry 3 is not of the batch')
        right = entry.replace('3', '2')
        self.refused(log.proof(0, entry=right), log.key()[0], 'entry 2 was changed')

    def test_old_checkpoint_needs_a_consistency_proof(self):
        small, log = Proof([b'a']), Proof([b'a', b'b'])
        self.refused(log.proof(0), log.key()[0], 'make it with --since 1', old_note=small.note())
        grown = {'checkpoint': small.note(), 'hashes': [log.hashes[1].hex()]}
        self.assertIn('only grown', vp.verify(log.proof(0, consistency=grown), log.key()[0], old_note=small.note()))
        other = Proof([b'x'])
        self.refused(log.proof(0, consistency={**grown, 'checkpoint': other.note()}), log.key()[0], 'no continuation')
        self.refused(log.proof(0, consistency=grown), log.key()[0], 'another tree', old_note=other.note())


if __name__ == '__main__':
    unittest.main()
