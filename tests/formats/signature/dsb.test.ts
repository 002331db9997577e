import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import t from 'tap'
import { FormatError } from '../../../formats/error.ts'
import { DSB_KEY_DIRECTORY } from '../../../formats/signature/dsb-key.ts'
import { DSB_BYTES_MAX, formatDsb, parseDsb } from '../../../formats/signature/dsb.ts'
import { verifySignature } from '../../../formats/signature/verify.ts'
import type { DsbKey } from '../../../formats/signature/dsb-key.ts'

const PATH = '/etc/security/certificates/my_public_key.pem'
const LOC: DsbKey = { form: 'LOC', path: PATH }
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }))
const DER = publicKey.export({ type: 'spki', format: 'der' })

/** The dump that powercampus.de prints, as od wrote it: offset, sixteen bytes; lines that are left out are zero. */
const PUBLISHED = `
0000 494e5554 55455945 00000400 00000000
0010 00000100 00000100 00000200 00000100
0020 00000002 00000000 00000000 00000000
0100 5349474e 41545552 450a0000 00000000
0200 5055424c 49432d4b 45590000 00000000
03f0 00000000 00000400 494e5554 55455945
`

function published(): Buffer {
  const block = Buffer.alloc(0x400)
  for (const [at, ...words] of PUBLISHED.trim().split('\n').map((line) => line.split(' '))) {
    block.set(Buffer.from(words.join(''), 'hex'), Number.parseInt(at as string, 16))
  }
  return block
}

/** A well-formed block with some bytes of it replaced. */
function damaged(changes: Readonly<Record<number, string>>, block = formatDsb({ signature: Buffer.alloc(256, 7), key: LOC })): Buffer {
  const bytes = Buffer.from(block)
  for (const [at, hex] of Object.entries(changes)) bytes.set(Buffer.from(hex, 'hex'), Number(at))
  return bytes
}

void t.test('the block of the published dump is made from its inputs, byte for byte, and reads as them', async (t) => {
  const dump = published()
  const key: DsbKey = { form: 'LOC', path: 'PUBLIC-KEY' }
  t.ok(formatDsb({ signature: Buffer.from('SIGNATURE\n'), key }, { keyDirectory: false }).equals(dump))
  const read = parseDsb(dump, { keyDirectory: false, signatureBytes: 10 })
  t.strictSame(read, { signature: Buffer.from('SIGNATURE\n'), key })
  t.throws(() => parseDsb(dump), { code: 'DSB_KEY_PATH' }, 'its key is a word and no path')
})

void t.test('an RSA-2048 signature with a key path makes exactly 1024 bytes, longer ones grow by 256', async (t) => {
  const sizes: [number, number][] = [[1, 1024], [256, 1024], [257, 1280], [384, 1280], [512, 1280], [513, 1536]]
  for (const [bytes, total] of sizes) {
    const block = formatDsb({ signature: Buffer.alloc(bytes, 9), key: LOC })
    t.equal(block.length, total, `${bytes} bytes of signature`)
    t.equal(block.readUInt32BE(8), total)
    t.equal(block.readUInt32BE(total - 12), total)
    t.strictSame(parseDsb(block, { signatureBytes: bytes }), { signature: Buffer.alloc(bytes, 9), key: LOC })
  }
  t.equal(257_280 - formatDsb({ signature: Buffer.alloc(512, 9), key: LOC }).length, 5 * 51_200, 'the size of the only published file with a block')
})

void t.test('the signature that is cut out of a block verifies over the package', async (t) => {
  const data = Buffer.from('the package as it was before')
  const signature = sign('sha256', data, privateKey)
  const block = formatDsb({ signature, key: LOC })
  t.ok(verify('sha256', data, publicKey, block.subarray(0x100, 0x200)))
  const sha256 = createHash('sha256').update(data).digest()
  t.ok(verifySignature({ publicKey, sha256, signature: parseDsb(block).signature }))
  t.equal(block.toString('latin1', 0x200, 0x200 + PATH.length), PATH)
})

void t.test('a signature is the region as it is, or cut to a given length', async (t) => {
  const signature = Buffer.alloc(384, 1)
  const block = formatDsb({ signature, key: LOC })
  const region = parseDsb(block).signature
  t.ok(Buffer.concat([signature, Buffer.alloc(128)]).equals(region))
  t.ok(formatDsb({ signature: region, key: LOC }).equals(block))
  t.ok(signature.equals(parseDsb(block, { signatureBytes: 384 }).signature))
  t.ok(Buffer.from(region).equals(parseDsb(block, { signatureBytes: 512 }).signature), 'NULs may be part of it')
  for (const signatureBytes of [0, 256, 257, 383, 513, 768]) {
    t.throws(() => parseDsb(block, { signatureBytes }), { name: 'FormatError', code: 'SIGNATURE_LENGTH_WRONG' }, `${signatureBytes} bytes`)
  }
  block.fill(0)
  t.ok(signature.equals(region.subarray(0, 384)), 'what was read does not change with the bytes it was read from')
})

void t.test('a signature that no block can hold is not written', async (t) => {
  for (const bytes of [0, DSB_BYTES_MAX - 0x300 + 1]) {
    t.throws(() => formatDsb({ signature: Buffer.alloc(bytes), key: LOC }), { name: 'FormatError', code: 'SIGNATURE_LENGTH_WRONG' })
  }
  const largest = formatDsb({ signature: Buffer.alloc(DSB_BYTES_MAX - 0x300, 1), key: LOC })
  t.equal(largest.length, DSB_BYTES_MAX)
  t.equal(parseDsb(largest).signature.length, DSB_BYTES_MAX - 0x300)
})

void t.test('a key path is a plain path below the directory of the keys, written and read', async (t) => {
  const signature = Buffer.alloc(256, 7)
  const longest = `${DSB_KEY_DIRECTORY}${'k'.repeat(255 - DSB_KEY_DIRECTORY.length)}`
  const asWord = (path: string): Buffer => formatDsb({ signature, key: { form: 'LOC', path } }, { keyDirectory: false })
  for (const path of [PATH, `${DSB_KEY_DIRECTORY}a/b.pem`, `${DSB_KEY_DIRECTORY}..pem`, longest]) {
    t.strictSame(parseDsb(formatDsb({ signature, key: { form: 'LOC', path } })).key, { form: 'LOC', path })
  }
  const outside = [
    '/etc/security/certificates', '/etc/security/certificates/', '/etc/security/certificates2/k.pem', '/etc/security/pkgverify/k.pem', 'k.pem',
    'etc/security/certificates/k.pem', `${DSB_KEY_DIRECTORY}../k.pem`, `${DSB_KEY_DIRECTORY}a/../../k`, `${DSB_KEY_DIRECTORY}./k`,
    `${DSB_KEY_DIRECTORY}a//k`, `${DSB_KEY_DIRECTORY}a/`, `/${PATH}`,
  ]
  for (const path of outside) {
    t.throws(() => formatDsb({ signature, key: { form: 'LOC', path } }), { name: 'FormatError', code: 'DSB_KEY_PATH' }, path)
    t.throws(() => parseDsb(asWord(path)), { name: 'FormatError', code: 'DSB_KEY_PATH' }, path)
  }
  const unprintable = ['', 'a b', '/k\n', '/k\0', '/schlüssel', '/k\x7f', `/${'k'.repeat(255)}`]
  for (const path of unprintable) {
    for (const keyDirectory of [false, '/'] as const) {
      t.throws(() => formatDsb({ signature, key: { form: 'LOC', path } }, { keyDirectory }), { code: 'DSB_KEY_PATH' }, JSON.stringify(path))
    }
  }
})

void t.test('another directory of the keys may be set, and no directory at all', async (t) => {
  const key: DsbKey = { form: 'LOC', path: '/opt/keys/k.pem' }
  const signature = Buffer.alloc(256, 7)
  for (const keyDirectory of ['/opt/keys/', '/opt/keys', '/opt', '/', false] as const) {
    t.strictSame(parseDsb(formatDsb({ signature, key }, { keyDirectory }), { keyDirectory }), { signature, key })
  }
  for (const keyDirectory of ['/opt/key', '/opt/keys/k.pem']) {
    t.throws(() => formatDsb({ signature, key }, { keyDirectory }), { code: 'DSB_KEY_PATH' }, keyDirectory)
  }
  for (const keyDirectory of ['', 'opt']) {
    t.throws(() => formatDsb({ signature, key }, { keyDirectory }), { name: 'TypeError' }, 'no absolute directory')
  }
})

void t.test('a public key in the block is written only where that is allowed, and read', async (t) => {
  const signature = Buffer.alloc(256, 7)
  const certificate = Buffer.from(PEM.toString().replaceAll('PUBLIC KEY', 'CERTIFICATE'))
  const keys: [DsbKey, number, number][] = [
    [{ form: 'PEM', bytes: PEM }, 0, 1280], [{ form: 'PEM', bytes: certificate }, 0, 1280], [{ form: 'DER', bytes: DER }, 1, 1280],
    [{ form: 'DER', bytes: Buffer.from('3082010030820000'.padEnd(520, '0'), 'hex') }, 1, 1280],
    [{ form: 'PEM', bytes: Buffer.from('-----BEGIN PUBLIC KEY-----\r\n'.padEnd(256, 'x')) }, 0, 1024],
  ]
  for (const [key, type, total] of keys) {
    t.throws(() => formatDsb({ signature, key }), { name: 'FormatError', code: 'DSB_KEY_FORM' })
    t.throws(() => formatDsb({ signature, key }, { allowEmbeddedKey: false }), { code: 'DSB_KEY_FORM' })
    const block = formatDsb({ signature, key }, { allowEmbeddedKey: true })
    t.equal(block.readUInt32BE(0x20), type)
    t.equal(block.length, total)
    t.strictSame(parseDsb(block), { signature, key })
  }
})

void t.test('anything but one public key or certificate does not go into a block', async (t) => {
  const signature = Buffer.alloc(256, 7)
  const refused: [string, DsbKey][] = [
    ['no bytes', { form: 'PEM', bytes: Buffer.alloc(0) }], ['no bytes', { form: 'DER', bytes: Buffer.alloc(0) }],
    ['a word', { form: 'PEM', bytes: Buffer.from('PUBLIC-KEY') }],
    ['DER as PEM', { form: 'PEM', bytes: DER }], ['PEM as DER', { form: 'DER', bytes: PEM }],
    ['a private key', { form: 'PEM', bytes: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })) }],
    ['a private key', { form: 'PEM', bytes: Buffer.from(privateKey.export({ type: 'pkcs1', format: 'pem' })) }],
    ['a private key behind a public one', { form: 'PEM', bytes: Buffer.concat([PEM, Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }))]) }],
    ['a private key', { form: 'DER', bytes: privateKey.export({ type: 'pkcs8', format: 'der' }) }],
    ['a private key', { form: 'DER', bytes: privateKey.export({ type: 'pkcs1', format: 'der' }) }],
    ['a NUL inside', { form: 'PEM', bytes: Buffer.concat([PEM, Buffer.from('\0x')]) }],
    ['a NUL behind', { form: 'PEM', bytes: Buffer.concat([PEM, Buffer.from('\0')]) }],
    ['a byte too many', { form: 'DER', bytes: Buffer.concat([DER, Buffer.alloc(1)]) }],
    ['a byte too few', { form: 'DER', bytes: DER.subarray(0, -1) }],
    ['a length with a leading zero', { form: 'DER', bytes: Buffer.from('308200f030'.padEnd(488, '0'), 'hex') }],
  ]
  for (const [name, key] of refused) {
    t.throws(() => formatDsb({ signature, key }, { allowEmbeddedKey: true }), { name: 'FormatError', code: 'DSB_KEY_MALFORMED' }, `${name}, ${key.form}`)
  }
  const pem = formatDsb({ signature, key: { form: 'PEM', bytes: PEM } }, { allowEmbeddedKey: true })
  const der = formatDsb({ signature, key: { form: 'DER', bytes: DER } }, { allowEmbeddedKey: true })
  t.throws(() => parseDsb(damaged({ 0x200: '00' }, pem)), { code: 'DSB_KEY_MALFORMED' })
  t.throws(() => parseDsb(damaged({ 0x203: 'ff' }, der)), { code: 'DSB_KEY_MALFORMED' }, 'longer than its region')
  t.throws(() => parseDsb(damaged({ 0x3ff: '01' }, der)), { code: 'DSB_MALFORMED', message: /padded/ })
})

void t.test('a malformed block is refused with a sentence that says what is wrong', async (t) => {
  const wide = formatDsb({ signature: Buffer.alloc(512, 7), key: LOC })
  const malformed: [string, Buffer, RegExp][] = [
    ['nothing', Buffer.alloc(0), /has the length 0; the shortest/],
    ['a block cut short', damaged({}).subarray(0, 768), /the shortest has 1024/],
    ['a byte too many', Buffer.concat([damaged({}), Buffer.alloc(1)]), /length 1025, which is no multiple of 256/],
    ['256 bytes too many in front', Buffer.concat([Buffer.alloc(256), damaged({})]), /no eye catcher at its start/],
    ['256 bytes too many behind', Buffer.concat([damaged({}), Buffer.alloc(256)]), /no eye catcher at its end/],
    ['more than any block', Buffer.alloc(DSB_BYTES_MAX + 256), /the longest has 65536 bytes/],
    ['another eye catcher in front', damaged({ 0: '69' }), /no eye catcher at its start/],
    ['another eye catcher at the end', damaged({ 0x3ff: '65' }), /no eye catcher at its end/],
    ['another length in front', damaged({ 0x08: '00000500' }), /length 1280 at its start and 1024 at its end/],
    ['another length at the end', damaged({ 0x3f4: '00000000' }), /length 1024 at its start and 0 at its end/],
    ['another length at both ends', damaged({ 0x08: '01000000', 0x3f4: '01000000' }), /length 16777216 in it and 1024 bytes/],
    ['a reserved field', damaged({ 0x0c: '00000001' }), /reserved field/],
    ['signature region of no bytes', damaged({ 0x14: '00000000' }), /signature region of 0 bytes/],
    ['signature region of 255 bytes', damaged({ 0x14: '000000ff' }), /signature region of 255 bytes, which is no multiple/],
    ['signature region past the end', damaged({ 0x14: '00000300' }), /signature region that reaches past its end/],
    ['signature region of 4 GiB', damaged({ 0x14: 'ffffff00' }), /signature region that reaches past its end/],
    ['signature region at 4 GiB', damaged({ 0x10: 'ffffff00' }), /signature region that reaches past its end/],
    ['a sum that is small in 32 bits', damaged({ 0x10: 'ffffff00', 0x14: '00000200' }), /signature region that reaches past its end/],
    ['signature region in the header', damaged({ 0x10: '00000000' }), /signature region at 0, where it must be at 256/],
    ['signature region that takes the key in', damaged({ 0x14: '00000200' }), /key region at 512, where it must be at 768/],
    ['key region in the signature', damaged({ 0x18: '00000100' }), /key region at 256, where it must be at 512/],
    ['regions in the other order', damaged({ 0x10: '00000200', 0x18: '00000100' }), /signature region at 512, where it must be at 256/],
    ['key region behind a gap', damaged({ 0x14: '00000100', 0x18: '00000300' }, wide), /key region at 768, where it must be at 512/],
    ['key region of 100 bytes', damaged({ 0x1c: '00000064' }), /key region of 100 bytes/],
    ['key region past the end', damaged({ 0x1c: '00000200' }), /key region that reaches past its end/],
    ['key region of 4 GiB', damaged({ 0x1c: 'ffffff00' }), /key region that reaches past its end/],
    ['regions that leave bytes over', damaged({ 0x14: '00000100', 0x18: '00000200' }, wide), /bytes that belong to no region/],
    ['key type 3', damaged({ 0x20: '00000003' }), /3 is no known key type/],
    ['key type 4294967295', damaged({ 0x20: 'ffffffff' }), /4294967295 is no known key type/],
    ['a byte in the header', damaged({ 0x24: '01' }), /not zero where nothing stands/],
    ['a byte at the end of the header', damaged({ 0xff: '01' }), /not zero where nothing stands/],
    ['a byte in the trailer', damaged({ 0x300: '01' }), /not zero where nothing stands/],
    ['a byte at the end of the trailer', damaged({ 0x3f3: '01' }), /not zero where nothing stands/],
    ['a path with 256 bytes of padding', damaged({ 0x14: '00000100', 0x18: '00000200', 0x1c: '00000200', 0x200: Buffer.from(PATH).toString('hex') }, damaged({ 0x200: '00'.repeat(512) }, wide)), /not padded with NULs to the next multiple/],
  ]
  for (const [name, block, message] of malformed) {
    t.throws(() => parseDsb(block), { name: 'FormatError', code: 'DSB_MALFORMED', message }, name)
  }
  t.throws(() => parseDsb(damaged({ 0x300: '01' })), { code: 'DSB_MALFORMED', offset: 0x300 })
  t.throws(() => parseDsb(damaged({ 0x2ff: '01' })), { code: 'DSB_KEY_PATH' }, 'a byte behind the path makes it unprintable')
  t.throws(() => parseDsb(damaged({ 0x200: '2f'.repeat(256) })), { code: 'DSB_KEY_PATH' }, 'a path without its NUL')
})

void t.test('a flipped bit anywhere is refused, or stands in the signature or the key path and is printed back', async (t) => {
  const block = formatDsb({ signature: Buffer.alloc(256, 7), key: LOC })
  let parsed = 0
  for (let at = 0; at < block.length; at += 1) {
    for (const bit of [1, 2, 4, 8, 16, 32, 64, 128]) {
      const changed = Buffer.from(block)
      changed[at] = (changed[at] as number) ^ bit
      try {
        const printed = formatDsb(parseDsb(changed))
        parsed += 1
        if (!printed.equals(changed)) t.fail(`byte ${at} parses and prints otherwise`)
        // The byte behind the path may become a part of it.
        if (at < 0x100 || at > 0x200 + PATH.length) t.fail(`byte ${at} parses`)
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
      }
    }
  }
  t.ok(parsed >= 256 * 8, 'every signature parses')
})
