import { deepStrictEqual } from 'node:assert'
import { generateKeyPairSync, sign } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import {
  DSB_TAIL_BYTES, FormatError, createBffReader, createPackageScanner, findDsb, formatDsb, formatDscScript, formatDscStanzas, formatLppName,
  formatSignatureFile, formatVrmf, normaliseVrmf, parseDsb, parseDscScript, parseDscStanzas, parseLppName, parseSignatureFile, parseVrmf,
  recogniseFormat, verifySignature, writeBff, writePackage,
} from '../../formats/index.ts'
import { pack } from '../../formats/installp/pack.ts'
import { createUnpacker } from '../../formats/installp/unpack.ts'
import type { BffMember, Dsb, SignatureRecord } from '../../formats/index.ts'

// Records with the prototype of plain objects, so that they compare with what a parser returns.
const plain = { noNullPrototype: true } as const
const numRuns = 300 * Number(process.env.TEST_FULL_FACTOR ?? 1)

/** Checks the property, with the counterexample in the failure. */
function holds<Value>(arbitrary: fc.Arbitrary<Value>, property: (value: Value) => boolean | void): void {
  fc.assert(fc.property(arbitrary, property), { numRuns })
}

/** Returns the result, or the code of a format error; any other error is a failure. */
function outcome<Result>(run: () => Result): Result | string {
  try {
    return run()
  } catch (error) {
    if (error instanceof FormatError && error.message.length < 200 && /^[ -~]*$/.test(error.message)) return error.code
    throw error
  }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  let at = 0
  for (let turn = 0; at < bytes.length; turn += 1) {
    const end = at + (sizes[turn % sizes.length] as number)
    pieces.push(Buffer.from(bytes.subarray(at, end)))
    at = end
  }
  return pieces
}

function scanned(pieces: readonly Buffer[]): unknown {
  return outcome(() => {
    const scanner = createPackageScanner()
    for (const piece of pieces) {
      scanner.push(piece)
      piece.fill(0xee)
    }
    const verdict = scanner.verdict()
    const result = scanner.end()
    if (verdict !== 'undecided') deepStrictEqual(verdict, result.kind)
    return result
  })
}

/** Returns the bytes with some of them replaced. */
function damaged(good: Buffer, changes: readonly (readonly [place: number, value: number])[]): Buffer {
  const bytes = Buffer.from(good)
  for (const [place, value] of changes) bytes[place % bytes.length] = value
  return bytes
}

const characters = 'abcXYZ019._-+'
const name = fc.string({ unit: fc.constantFrom(...characters.split('')), minLength: 1, maxLength: 144 })
const vrmf = fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 32_767 }))).map((parts) => parts.join('.'))
const ftype = fc.string({ unit: fc.constantFrom('I', 'S', 'M', 'L', 'R', '4'), minLength: 1, maxLength: 3 })
const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCodePoint(code)), maxLength: 40 })
const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 })
const bytes = fc.uint8Array({ maxLength: 600 }).map((value) => Buffer.from(value))

const record = fc.record({
  keyid: fc.integer({ min: 0, max: 9_999_999_999 }).map(String),
  package: name,
  timestamp: fc.integer({ min: 0 }).map(String),
  fileset: name,
  ftype,
  vrmf,
  signature: fc.uint8Array({ minLength: 1, maxLength: 512 }).map((value) => Buffer.from(value).toString('base64')),
}, plain)

const bodyLine = latin1.filter((line) => !line.includes('\n') && !/^[[\]][ \t]*$/.test(line))
const fileset = fc.record({
  fileset: name,
  vrmf,
  volume: fc.constantFrom('01', '1', '2'),
  quiesce: fc.constantFrom('N', 'Y', 'b', 'B'),
  content: fc.constantFrom('U', 'B', 'H'),
  language: fc.constantFrom('en_US', 'x'),
  description: latin1.filter((text) => !/^[ \t]|\n/.test(text)),
  body: fc.array(bodyLine, { maxLength: 6 }),
}, plain)
const lppName = fc.record({
  format: fc.constantFrom('3', '4'),
  platform: fc.constantFrom('R', 'N'),
  type: ftype,
  package: name,
  filesets: fc.uniqueArray(fileset, { selector: (one) => `${one.fileset}:${one.vrmf}`, minLength: 1, maxLength: 4 }),
}, plain)

void t.test('a VRMF that parses prints back, and any other text is a format error', async () => {
  holds(fc.oneof(vrmf, fc.string(), fc.stringMatching(/^[0-9.]{0,20}$/)), (text) => {
    const parsed = outcome(() => parseVrmf(text))
    return typeof parsed === 'string' ? parsed === 'VRMF_MALFORMED' : formatVrmf(parsed) === text
  })
  holds(vrmf, (text) => normaliseVrmf(text) === text && normaliseVrmf(text.split('.').map((part) => part.padStart(5, '0')).join('.')) === text)
})

void t.test('a signature file prints back byte for byte', async () => {
  holds(fc.array(record, { minLength: 1, maxLength: 5 }), (records) => {
    const text = formatSignatureFile(records)
    return formatSignatureFile(parseSignatureFile(text)) === text && formatSignatureFile(parseSignatureFile(Buffer.from(text))) === text
  })
})

void t.test('whatever reads as a signature file is canonical once it is printed, and nothing but a format error comes out', async () => {
  const line = fc.tuple(record, fc.nat({ max: 7 }), latin1).map(([one, at, noise]) => {
    const fields = [one.package, one.fileset, one.vrmf, one.ftype, one.keyid, one.timestamp, one.signature]
    return (at === 7 ? fields : fields.with(at, noise)).join(':')
  })
  const noisy = fc.array(fc.oneof(line, fc.constantFrom('', '# x', '\r', '::::::'), latin1), { maxLength: 4 }).map((lines) => lines.join('\n'))
  holds(noisy, (text) => {
    const records = outcome(() => parseSignatureFile(text))
    if (typeof records === 'string') return
    const printed = formatSignatureFile(records)
    deepStrictEqual(parseSignatureFile(printed), records)
  })
})

void t.test('an lpp_name value prints as a file that reads as the same value', async () => {
  holds(lppName, (value) => {
    const text = formatLppName(value)
    deepStrictEqual(parseLppName(text), value)
    deepStrictEqual(parseLppName(Buffer.from(text, 'latin1')), value)
  })
})

void t.test('a damaged lpp_name is a format error or another lpp_name', async () => {
  holds(fc.tuple(lppName, fc.nat(), latin1), ([value, place, noise]) => {
    const text = formatLppName(value)
    const at = place % text.length
    const read = outcome(() => parseLppName(text.slice(0, at) + noise + text.slice(at + noise.length)))
    return typeof read === 'string' || formatLppName(read).length > 0
  })
})

void t.test('packed bytes unpack to themselves, and any bytes unpack or are a format error', async () => {
  holds(fc.tuple(fc.oneof(bytes, latin1.map((text) => Buffer.from(text.repeat(9)))), cuts), ([data, sizes]) => {
    const packed = pack(data)
    if (packed.length === 0) return data.length === 0
    const unpacked: Buffer[] = []
    const unpacker = createUnpacker(data.length, (chunk) => { unpacked.push(Buffer.from(chunk)) })
    for (const piece of cut(packed, sizes)) unpacker.push(piece)
    unpacker.end()
    return Buffer.concat(unpacked).equals(data)
  })
  holds(fc.tuple(fc.oneof(bytes, bytes.map((data) => Buffer.concat([pack(Buffer.from('abc')), data]))), fc.nat({ max: 50 })), ([data, size]) => {
    let length = 0
    const result = outcome(() => {
      const unpacker = createUnpacker(size, (chunk) => { length += chunk.length })
      unpacker.push(data)
      unpacker.end()
      return true
    })
    return result === true ? length === size : length <= size
  })
})

void t.test('a written package reads back member by member, whatever the chunks', async () => {
  const member = fc.record({ name: latin1.filter((text) => text.length > 0 && !text.includes('\0')), data: bytes, packed: fc.boolean() }, plain)
  holds(fc.tuple(fc.array(member, { maxLength: 4 }), cuts), ([members, sizes]) => {
    const given = members.map((one): BffMember => ({ ...one, mode: 0o100644, mtime: 5 }))
    const read: { name: string; data: Buffer; packed: boolean }[] = []
    const reader = createBffReader({
      onMember: (found) => read.push({ name: found.name, data: Buffer.alloc(0), packed: found.packed }) > 0,
      onData: (chunk) => {
        const last = read.at(-1) as (typeof read)[number]
        last.data = Buffer.concat([last.data, chunk])
      },
    })
    for (const piece of cut(writeBff(given, { date: 5 }), sizes)) reader.push(piece)
    reader.end()
    deepStrictEqual(read, members)
  })
})

void t.test('a package scans to what it was written from, whatever the chunks', async () => {
  holds(fc.tuple(lppName, cuts, fc.boolean()), ([value, sizes, isSigned]) => {
    const filesets = value.filesets.map((one) => ({ fileset: one.fileset, vrmf: one.vrmf }))
    const file = writePackage({ package: 'p', type: value.type, filesets, builtAt: 7 })
    const block = isSigned ? [Buffer.alloc(1016), Buffer.from('INUTUEYE')] : []
    deepStrictEqual(scanned(cut(Buffer.concat([file, ...block]), sizes)), {
      kind: 'installp', package: 'p', ftype: value.type, filesets, builtAt: 7, lppNameModifiedAt: 7, dsb: isSigned,
    })
  })
})

void t.test('any bytes scan to an answer or a format error, the same for every way to cut them', async () => {
  const base = writePackage({ package: 'P', type: 'I', filesets: [{ fileset: 'P.rte', vrmf: '1.0.0.0' }], builtAt: 1_375_425_475 })
  const damaged = fc.array(fc.tuple(fc.nat({ max: 700 }), fc.nat({ max: 255 })), { maxLength: 3 }).map((changes) => {
    const file = Buffer.from(base)
    for (const [at, value] of changes) file[at] = value
    return file
  })
  const shortened = fc.nat({ max: base.length }).map((length) => base.subarray(0, length))
  const started = bytes.map((rest) => Buffer.concat([base.subarray(0, 72), rest]))
  holds(fc.tuple(fc.oneof(bytes, damaged, shortened, started), cuts), ([file, sizes]) => {
    const whole = scanned([Buffer.from(file)])
    deepStrictEqual(scanned(cut(file, sizes)), whole)
    deepStrictEqual(scanned(cut(file, [1])), whole)
  })
})

void t.test('no bytes but the signature itself verify, and nothing throws', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const sha256 = Buffer.alloc(32, 7)
  const signature = sign('sha256', Buffer.from('x'), privateKey)
  holds(fc.oneof(bytes, fc.uint8Array({ minLength: 256, maxLength: 256 }), fc.constant(signature)), (given) => (
    !verifySignature({ publicKey, sha256, signature: given })
  ))
})

const path = fc.string({ unit: fc.constantFrom(...'kK9._-+@/'.split('')), minLength: 1, maxLength: 228 })
  .filter((rest) => !rest.split('/').some((segment) => ['', '.', '..'].includes(segment)))
  .map((rest) => `/etc/security/certificates/${rest}`)
const pem = fc.string({ unit: fc.constantFrom('A', '/', '\n', '='), minLength: 1, maxLength: 900 })
  .map((body) => Buffer.from(`-----BEGIN PUBLIC KEY-----\n${body}`))
const der = fc.uint8Array({ minLength: 256, maxLength: 900 }).map((content) => {
  const value = Buffer.from([0x30, 0x82, content.length >> 8, content.length & 0xff, ...content])
  value[4] = 0x30
  return value
})
const key = fc.oneof(
  fc.record({ form: fc.constant('LOC' as const), path }, plain),
  fc.record({ form: fc.constant('PEM' as const), bytes: pem }, plain),
  fc.record({ form: fc.constant('DER' as const), bytes: der }, plain),
)
const dsb: fc.Arbitrary<Dsb> = fc.record({ signature: fc.uint8Array({ minLength: 1, maxLength: 1100 }).map((value) => Buffer.from(value)), key }, plain)
const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
// The fields, the marks and the zeros around them are where a block can be wrong in interesting ways.
const fieldChanges = fc.array(fc.tuple(fc.integer({ min: 0, max: 0x28 }), fc.constantFrom(0, 1, 2, 3, 4, 5, 0xff)), { minLength: 1, maxLength: 4 })
const allowEmbeddedKey = true

void t.test('a signature block reads as what it was made from, and prints back byte for byte', async () => {
  holds(dsb, (value) => {
    const block = formatDsb(value, { allowEmbeddedKey })
    deepStrictEqual(parseDsb(block, { signatureBytes: value.signature.length }), value)
    const read = parseDsb(block)
    deepStrictEqual(read.key, value.key)
    return block.length % 256 === 0 && formatDsb(read, { allowEmbeddedKey }).equals(block)
  })
})

void t.test('whatever reads as a signature block prints back to the same bytes, and nothing but a format error comes out', async () => {
  const changed = fc.tuple(dsb, fc.oneof(changes, fieldChanges)).map(([value, places]) => damaged(formatDsb(value, { allowEmbeddedKey }), places))
  holds(fc.oneof(changed, bytes), (block) => {
    for (const keyDirectory of ['/etc/security/certificates/', false] as const) {
      const read = outcome(() => parseDsb(block, { keyDirectory }))
      if (typeof read !== 'string' && !formatDsb(read, { allowEmbeddedKey, keyDirectory }).equals(block)) return false
    }
    return true
  })
})

void t.test('a block at the end of a file is found and cut off exactly, and any other end is none or a format error', async () => {
  holds(fc.tuple(bytes.filter((file) => file.length > 0), dsb), ([file, value]) => {
    const block = formatDsb(value, { allowEmbeddedKey })
    const signed = Buffer.concat([file, block])
    const found = outcome(() => findDsb(signed, signed.length))
    deepStrictEqual(found, file.subarray(-8).toString('latin1') === 'INUTUEYE'
      ? 'DSB_STACKED'
      : { kind: 'dsb', block: parseDsb(block), totalBytes: block.length, unsignedBytes: file.length })
    deepStrictEqual(outcome(() => findDsb(Buffer.concat([file, block, block]), file.length + 2 * block.length)), 'DSB_STACKED')
  })
  const hostile = fc.tuple(bytes, dsb, fc.oneof(changes, fieldChanges), fc.nat({ max: 70_000 })).map(([file, value, places, gap]) => (
    Buffer.concat([file, Buffer.alloc(gap), damaged(formatDsb(value, { allowEmbeddedKey }), places)])
  ))
  holds(fc.oneof(hostile, bytes, bytes.map((file) => Buffer.concat([file, Buffer.from('INUTUEYE')]))), (file) => {
    const found = outcome(() => findDsb(file.subarray(-DSB_TAIL_BYTES), file.length))
    if (typeof found === 'string') return found.startsWith('DSB_')
    if (found.kind === 'none') return file.subarray(-8).toString('latin1') !== 'INUTUEYE'
    return formatDsb(found.block, { allowEmbeddedKey }).equals(file.subarray(found.unsignedBytes)) && found.unsignedBytes + found.totalBytes === file.length
  })
})

const rows = fc.uniqueArray(record, { selector: (one) => `${one.fileset}:${one.vrmf}`, minLength: 1, maxLength: 4 })

void t.test('catalogue stanzas and their script read as their records, and print back byte for byte', async () => {
  holds(rows, (records) => {
    const stanzas = formatDscStanzas(records)
    const script = formatDscScript(records)
    deepStrictEqual(parseDscStanzas(stanzas), records)
    deepStrictEqual(parseDscScript(script), records)
    return formatDscStanzas(parseDscStanzas(stanzas)) === stanzas && formatDscScript(parseDscScript(Buffer.from(script))) === script
  })
})

void t.test('damaged stanzas and scripts are a format error, or other records that print as a text of the same form', async () => {
  const forms = [
    { format: formatDscStanzas, parse: parseDscStanzas }, { format: formatDscScript, parse: parseDscScript },
  ] satisfies { format: (records: SignatureRecord[]) => string; parse: (text: string) => SignatureRecord[] }[]
  holds(fc.tuple(rows, fc.nat(), fc.oneof(latin1, fc.constantFrom('', '\n', '"', '# ', '\t', '\nEND_OF_STANZAS\n'))), ([records, place, noise]) => {
    for (const { format, parse } of forms) {
      const text = format(records)
      const at = place % text.length
      const read = outcome(() => parse(text.slice(0, at) + noise + text.slice(at + noise.length)))
      if (typeof read !== 'string') deepStrictEqual(parse(format(read)), read)
    }
  })
})

void t.test('any bytes have a format, and the one that a scanner ends with', async () => {
  const marks = fc.constantFrom('09006bea', '09006fea', 'edabeedb', '1f9d', '1f8b08', '504b0304', 'fd377a585a00', '').map((mark) => Buffer.from(mark, 'hex'))
  holds(fc.tuple(marks, bytes), ([mark, rest]) => {
    const file = Buffer.concat([mark, rest])
    const format = recogniseFormat(file)
    const result = scanned([Buffer.from(file)])
    if (format === 'installp') return
    deepStrictEqual(result, format === 'toc' ? { kind: 'toc' } : { kind: 'other', format })
  })
})
