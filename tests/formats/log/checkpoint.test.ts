import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import { formatCheckpoint, openCheckpoint, parseCheckpoint, signCheckpoint } from '../../../formats/log/checkpoint.ts'
import type { Checkpoint } from '../../../formats/log/checkpoint.ts'
import { NOTE_BYTES_MAX, formatNote, parseNote, signText, verifyNote } from '../../../formats/log/note.ts'
import type { SignedNote } from '../../../formats/log/note.ts'
import { formatVerifierKey, makeVerifierKey, parseVerifierKey } from '../../../formats/log/verifier-key.ts'

// The examples of c2sp.org/signed-note and c2sp.org/tlog-checkpoint, and of the documentation of golang.org/x/mod/sumdb/note.
const EXAMPLES = [
  {
    key: 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
    note: 'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n',
  },
  {
    key: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    note: 'If you think cryptography is the answer to your problem,\nthen you don\'t know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
  },
] as const
const TWO_PARAGRAPHS = 'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n'
const TWO_PARAGRAPHS_NOTE = `${TWO_PARAGRAPHS}\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n`
const SOFA_TEXT = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
const SOFA_NOTE = `${SOFA_TEXT}\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n`

// The secret key of RFC 8032, section 7.1, test 1, in PKCS#8.
const privateKey = createPrivateKey({ key: Buffer.from('302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'), format: 'der', type: 'pkcs8' })
const ORIGIN = 'signing.example/log'
const key = makeVerifierKey(ORIGIN, privateKey)
const checkpoint: Checkpoint = { origin: ORIGIN, size: 7, root: Buffer.alloc(32, 7), extensions: [] }
const other = generateKeyPairSync('ed25519').privateKey

void t.test('the published verifier keys read, print back and verify their notes', async (t) => {
  for (const { key: text, note } of EXAMPLES) {
    const example = parseVerifierKey(text)
    t.equal(formatVerifierKey(example), text)
    t.equal(example.keyId, text.split('+')[1])
    t.strictSame(verifyNote(parseNote(note), [example]), [example.name])
    t.equal(formatNote(parseNote(note)), note)
  }
})

void t.test('a verifier key holds the 32 bytes of the key behind the byte 1, and the private key gives the same one', async (t) => {
  // RFC 8032, section 7.1, test 1.
  const raw = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')
  const text = formatVerifierKey(key)
  t.equal(text, `${ORIGIN}+${key.keyId}+${Buffer.concat([Buffer.of(1), raw]).toString('base64')}`)
  t.equal(formatVerifierKey(makeVerifierKey(ORIGIN, createPublicKey(privateKey))), text)
  t.equal(formatVerifierKey(parseVerifierKey(text)), text)
})

void t.test('a verifier key that is no Ed25519 key, or whose id does not follow from it, is refused', async (t) => {
  const [, id = '', base64 = ''] = /^[^+]*\+([^+]*)\+(.*)$/.exec(formatVerifierKey(key)) ?? []
  const typed = (type: number, bytes = 32): string => Buffer.concat([Buffer.of(type), Buffer.alloc(bytes, 9)]).toString('base64')
  const wrong = [
    '', ORIGIN, `${ORIGIN}+${id}`, `${ORIGIN}+${id}+`, `+${id}+${base64}`, `other+${id}+${base64}`, `${ORIGIN}+00000000+${base64}`, `${ORIGIN}+${id.toUpperCase()}0+${base64}`,
    `${ORIGIN}+${id}+${base64}=`, `${ORIGIN}+${id}+${base64}\n`, ` ${ORIGIN}+${id}+${base64}`, `${ORIGIN}+${id}+${typed(2)}`, `${ORIGIN}+${id}+${typed(1, 31)}`, `${ORIGIN}+${id}+${typed(1, 33)}`,
    `${ORIGIN}+${id}+${typed(1)}`, `a b+${id}+${base64}`, `${'a'.repeat(256)}+${id}+${base64}`, `\uD800+${id}+${base64}`,
  ]
  for (const text of wrong) t.throws(() => parseVerifierKey(text), { name: 'FormatError', code: 'LOG_KEY_MALFORMED' }, JSON.stringify(text))
  for (const name of ['', 'a b', 'a+b', 'a\u00a0b', 'a\u0085b', 'a\nb', 'a\u0000b', 'a\u3000']) t.throws(() => makeVerifierKey(name, privateKey), { code: 'LOG_KEY_MALFORMED' }, JSON.stringify(name))
  for (const type of ['ed448', 'x25519'] as const) t.throws(() => makeVerifierKey(ORIGIN, generateKeyPairSync(type as 'ed448').publicKey), { code: 'LOG_KEY_MALFORMED' }, type)
})

void t.test('a note may have empty lines and any script in its text', async (t) => {
  const note = parseNote(Buffer.from(TWO_PARAGRAPHS_NOTE))
  t.equal(note.text, TWO_PARAGRAPHS)
  t.match(note.signatures, [{ name: 'quasimodo.example/salvatore', keyId: '367ba04b' }])
  t.equal(note.signatures[0]?.signature.length, 64)
  t.equal(formatNote(note), TWO_PARAGRAPHS_NOTE)
})

void t.test('a note with sixteen signatures of 5,000 bytes is read, one above the limit is not', async (t) => {
  const large = (length: number): SignedNote => ({ text: 'x\n', signatures: Array.from({ length }, (_, at) => ({ name: `witness${at}.example`, keyId: '0000000a', signature: Buffer.alloc(5000, at) })) })
  t.strictSame(parseNote(formatNote(large(16))), large(16))
  t.throws(() => formatNote(large(20)), { code: 'LOG_NOTE_TOO_LONG' })
  t.throws(() => parseNote(Buffer.alloc(NOTE_BYTES_MAX + 1, 0x61)), { code: 'LOG_NOTE_TOO_LONG' })
  t.throws(() => parseNote('\u00e8'.repeat(NOTE_BYTES_MAX / 2 + 1)), { code: 'LOG_NOTE_TOO_LONG' })
})

void t.test('what is no signed note is refused', async (t) => {
  const line = '— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM='
  const wrong = [
    '', '\n', '\n\n', 'text\n', 'text\n\n', `text\n${line}\n`, `text\n\n${line}`, `text\n\n${line}\n\n`, `text\n\n${line}\n${line}`, `\n${line}\n`, `text\n\n${line}\nmore\n`, `text\r\n\r\n${line}\r\n`,
    `te\u0000xt\n\n${line}\n`, `te\txt\n\n${line}\n`, `text\n\n${line.replace('—', '-')}\n`, `text\n\n${line.replace('— ', '—')}\n`, `text\n\n${line.replace('— ', '—  ')}\n`, `text\n\n ${line}\n`, `text\n\n${line} \n`,
    `text\n\n${line.slice(0, -1)}\n`, `text\n\n${line.replace('=', '==')}\n`, `text\n\n${line.replace('QM=', 'QN=')}\n`, `text\n\n${line.replace('/foo', '+foo')}\n`, `text\n\n${line.replace('/foo', '\u00a0foo')}\n`,
    'text\n\n— example.com/foo\n', 'text\n\n— example.com/foo \n', 'text\n\n— example.com/foo Uw2QOg==\n', 'text\n\n—  Uw2QOkn8\n', `\uD800text\n\n${line}\n`,
  ]
  for (const note of wrong) t.throws(() => parseNote(note), { name: 'FormatError', code: 'LOG_NOTE_MALFORMED' }, JSON.stringify(note))
  t.throws(() => parseNote(Buffer.from(`te\u00ffxt\n\n${line}\n`, 'latin1')), { code: 'LOG_NOTE_MALFORMED' }, 'no UTF-8')
  t.equal(formatNote(parseNote(Buffer.from(`\uFEFFtext\n\n${line}\n`))), `\uFEFFtext\n\n${line}\n`, 'a byte order mark stays')
})

void t.test('a note that would not read back is not written', async (t) => {
  const signature = signText('text\n', { name: ORIGIN, privateKey })
  const wrong: readonly SignedNote[] = [
    { text: 'text', signatures: [signature] }, { text: 'text\n', signatures: [] }, { text: 'te\u0007xt\n', signatures: [signature] }, { text: 'te\uD800xt\n', signatures: [signature] },
    { text: 'text\n', signatures: [{ ...signature, name: 'a b' }] }, { text: 'text\n', signatures: [{ ...signature, keyId: '1234567' }] }, { text: 'text\n', signatures: [{ ...signature, signature: Buffer.alloc(0) }] },
  ]
  for (const note of wrong) t.throws(() => formatNote(note), { name: 'FormatError', code: 'LOG_NOTE_MALFORMED' })
  t.throws(() => signText('text\n', { name: 'a b', privateKey }), { code: 'LOG_KEY_MALFORMED' })
})

void t.test('signatures of unknown keys are passed over, a wrong one of a known key spoils the note', async (t) => {
  const text = 'text\n'
  const ours = signText(text, { name: ORIGIN, privateKey })
  const witness = signText(text, { name: 'witness.example', privateKey: other })
  const second = makeVerifierKey('witness.example', other)
  t.strictSame(verifyNote({ text, signatures: [witness, ours] }, [key]), [ORIGIN])
  t.strictSame(verifyNote({ text, signatures: [witness, ours, ours] }, [key, second]), ['witness.example', ORIGIN])
  for (const signatures of [[witness], [{ ...ours, name: 'other.example' }], [{ ...ours, keyId: '00000000' }]]) {
    t.throws(() => verifyNote({ text, signatures }, [key]), { name: 'FormatError', code: 'LOG_KEY_UNKNOWN' })
  }
  const wrong = { ...ours, signature: sign(null, Buffer.from('other\n'), privateKey) }
  for (const signatures of [[wrong], [ours, wrong], [wrong, ours], [{ ...ours, signature: Buffer.alloc(1) }], [{ ...ours, signature: witness.signature }]]) {
    t.throws(() => verifyNote({ text, signatures }, [key]), { name: 'FormatError', code: 'LOG_SIGNATURE_WRONG' })
  }
  t.throws(() => verifyNote({ text, signatures: [ours] }, []), { code: 'LOG_KEY_UNKNOWN' })
})

void t.test('the checkpoint of the specification reads and prints back', async (t) => {
  const sofa = parseCheckpoint(parseNote(SOFA_NOTE).text)
  t.match(sofa, { origin: 'example.com/behind-the-sofa', size: 20_852_163, extensions: [] })
  t.equal(sofa.root.toString('base64'), 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=')
  t.equal(formatCheckpoint(sofa), SOFA_TEXT)
  t.equal(formatNote(parseNote(SOFA_NOTE)), SOFA_NOTE)
})

void t.test('a signed checkpoint opens with its key, and is the same bytes each time', async (t) => {
  const note = signCheckpoint(checkpoint, privateKey)
  t.equal(note, signCheckpoint(checkpoint, privateKey))
  t.match(note, new RegExp(`^${ORIGIN}\\n7\\n[A-Za-z0-9+/]{43}=\\n\\n— ${ORIGIN} [A-Za-z0-9+/]+={0,2}\\n$`))
  t.strictSame(openCheckpoint(note, { keys: [key] }), checkpoint)
  t.strictSame(openCheckpoint(Buffer.from(note), { keys: [makeVerifierKey('x', other), key], origin: ORIGIN }), checkpoint)
  const extended = { ...checkpoint, extensions: ['one', 'two 2'] }
  t.strictSame(openCheckpoint(signCheckpoint(extended, privateKey), { keys: [key] }), extended)
})

void t.test('a checkpoint of another log, key or text is refused', async (t) => {
  const note = signCheckpoint(checkpoint, privateKey)
  t.throws(() => openCheckpoint(note, { keys: [key], origin: 'other.example' }), { name: 'FormatError', code: 'LOG_ORIGIN_WRONG' })
  t.throws(() => openCheckpoint(note, { keys: [makeVerifierKey(ORIGIN, other)] }), { code: 'LOG_KEY_UNKNOWN' })
  t.throws(() => openCheckpoint(note.replace('\n7\n', '\n8\n'), { keys: [key] }), { code: 'LOG_SIGNATURE_WRONG' })
  t.throws(() => openCheckpoint('', { keys: [key] }), { code: 'LOG_NOTE_MALFORMED' })
  const text = 'no checkpoint\n'
  t.throws(() => openCheckpoint(formatNote({ text, signatures: [signText(text, { name: ORIGIN, privateKey })] }), { keys: [key] }), { code: 'LOG_CHECKPOINT_MALFORMED' })
})

void t.test('what is no checkpoint is refused, read or written', async (t) => {
  const root = Buffer.alloc(32, 7).toString('base64')
  const wrong = [
    '', '\n', `a\n7\n${root}`, `a\n7\n${root}\n\n`, `\n7\n${root}\n`, `a\n\n${root}\n`, 'a\n7\n', 'a\n7\n\n', `a\n07\n${root}\n`, `a\n+7\n${root}\n`, `a\n-7\n${root}\n`, `a\n7.0\n${root}\n`, `a\n7e1\n${root}\n`, `a\n0x7\n${root}\n`,
    `a\n9007199254740992\n${root}\n`, `a\n99999999999999999\n${root}\n`, `a\n 7\n${root}\n`, `a\n٧\n${root}\n`, `a\n7\n${root.slice(0, -1)}\n`, `a\n7\n${root} \n`, `a\n7\n${Buffer.alloc(31, 7).toString('base64')}\n`, `a\n7\n${Buffer.alloc(33, 7).toString('base64')}\n`,
    `a\n7\n${root}\next\n\n`, `a\n7\n${root}\next`, `a\n0\n${root}\n`, `a\r\n7\r\n${root}\r\n`, `a\u0000\n7\n${root}\n`,
  ]
  for (const text of wrong) t.throws(() => parseCheckpoint(text), { name: 'FormatError', code: 'LOG_CHECKPOINT_MALFORMED' }, JSON.stringify(text))
  const bad: readonly Partial<Checkpoint>[] = [{ origin: '' }, { origin: 'a\nb' }, { origin: '\uD800' }, { size: -1 }, { size: 0.5 }, { size: 2 ** 53 }, { size: 0 }, { root: Buffer.alloc(31) }, { extensions: [''] }, { extensions: ['a\nb'] }]
  for (const changes of bad) t.throws(() => formatCheckpoint({ ...checkpoint, ...changes }), { code: 'LOG_CHECKPOINT_MALFORMED' }, JSON.stringify(changes))
  t.throws(() => signCheckpoint({ ...checkpoint, origin: 'with space' }, privateKey), { code: 'LOG_KEY_MALFORMED' })
  t.equal(formatCheckpoint(parseCheckpoint('a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n')), 'a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n')
})
