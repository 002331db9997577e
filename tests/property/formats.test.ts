import { deepStrictEqual } from 'node:assert'
import { generateKeyPairSync, sign } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import {
  FormatError, createBffReader, createPackageScanner, formatLppName, formatSignatureFile, formatVrmf, normaliseVrmf, parseLppName,
  parseSignatureFile, parseVrmf, verifySignature, writeBff, writePackage,
} from '../../formats/index.ts'
import { pack } from '../../formats/installp/pack.ts'
import { createUnpacker } from '../../formats/installp/unpack.ts'
import type { BffMember } from '../../formats/index.ts'

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
    return scanner.end()
  })
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
