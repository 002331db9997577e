import { createHash } from 'node:crypto'
import t from 'tap'
import { ENTRY_BYTES_MAX } from '../../../formats/log/bundle.ts'
import { formatCanonicalJson } from '../../../formats/log/canonical-json.ts'
import type { CanonicalValue } from '../../../formats/log/canonical-json.ts'
import { formatEntry, parseEntry } from '../../../formats/log/entry.ts'
import type { EntryRecord, LogEntry, SignatureEntry } from '../../../formats/log/entry.ts'

const at = '2026-11-24T09:15:00.000Z'
const spki = 'ab'.repeat(32)
const sha256 = '7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730'
const id = '0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21'
const record: EntryRecord = { package: 'PkgA', fileset: 'PkgA.rte', vrmf: '1.0.0.0', ftype: 'I', timestamp: '1375425475' }
const signature = {
  kind: 'signature', at, client: 'release-bot', spki, id, filename: 'PkgA.1.0.0.0.bff', sha256, sizeBytes: 3584, keyid: '1001', algorithm: 'rsa-2048-sha256', covers: 'file', source: 'path',
  format: 'installp', signature: 'AAAA', records: [record],
} as const satisfies LogEntry

const lines: readonly (readonly [LogEntry, string])[] = [
  [signature, `{"algorithm":"rsa-2048-sha256","at":"${at}","client":"release-bot","covers":"file","filename":"PkgA.1.0.0.0.bff","format":"installp","id":"${id}","keyid":"1001","kind":"signature","records":[{"fileset":"PkgA.rte","ftype":"I","package":"PkgA","timestamp":"1375425475","vrmf":"1.0.0.0"}],"sha256":"${sha256}","signature":"AAAA","sizeBytes":3584,"source":"path","spki":"${spki}"}`],
  [{ kind: 'refusal', at, client: 'release-bot', spki, operation: 'sign', code: 'OPERATION_DENIED' }, `{"at":"${at}","client":"release-bot","code":"OPERATION_DENIED","kind":"refusal","operation":"sign","spki":"${spki}"}`],
  [{ kind: 'refusal', at, spki, operation: 'whoami', code: 'CLIENT_UNKNOWN' }, `{"at":"${at}","code":"CLIENT_UNKNOWN","kind":"refusal","operation":"whoami","spki":"${spki}"}`],
  [{ kind: 'refusal', at, client: 'b', spki, operation: 'sign', filename: 'a.bff', sha256, keyid: '1', code: 'FILESET_LEVEL_ALREADY_SIGNED' }, `{"at":"${at}","client":"b","code":"FILESET_LEVEL_ALREADY_SIGNED","filename":"a.bff","keyid":"1","kind":"refusal","operation":"sign","sha256":"${sha256}","spki":"${spki}"}`],
  [{ kind: 'refusal', at, spki, operation: 'sign', code: 'CLIENT_UNKNOWN', count: 9_007_199_254_740_991 }, `{"at":"${at}","code":"CLIENT_UNKNOWN","count":9007199254740991,"kind":"refusal","operation":"sign","spki":"${spki}"}`],
  [{ kind: 'failure', at, client: 'b', spki, filename: 'Ünï\u2028"\\.bff', sha256, keyid: '1', code: 'SIGNER_TIMEOUT' }, `{"at":"${at}","client":"b","code":"SIGNER_TIMEOUT","filename":"Ünï\u2028\\"\\\\.bff","keyid":"1","kind":"failure","sha256":"${sha256}","spki":"${spki}"}`],
  [{ kind: 'failure', at, client: 'b', spki, code: 'NOT_A_PACKAGE' }, `{"at":"${at}","client":"b","code":"NOT_A_PACKAGE","kind":"failure","spki":"${spki}"}`],
  [{ kind: 'key', at, keyid: '1001', change: 'added', spkiSha256: spki }, `{"at":"${at}","change":"added","keyid":"1001","kind":"key","spkiSha256":"${spki}"}`],
  [{ kind: 'configuration', at, sha256 }, `{"at":"${at}","kind":"configuration","sha256":"${sha256}"}`],
  [{ kind: 'start', at, version: '1.0.0-rc.1+7' }, `{"at":"${at}","kind":"start","version":"1.0.0-rc.1+7"}`],
  [{ kind: 'stop', at }, `{"at":"${at}","kind":"stop"}`],
]

void t.test('each kind of entry is one line of canonical JSON and reads back', async (t) => {
  for (const [entry, line] of lines) {
    t.equal(formatEntry(entry).toString(), line)
    t.strictSame(parseEntry(Buffer.from(line)), entry)
    t.notMatch(line, /\n/)
  }
})

void t.test('the order in which the members were set does not matter', async (t) => {
  const reversed = Object.fromEntries(Object.entries(signature).toReversed()) as unknown as LogEntry
  t.ok(formatEntry(reversed).equals(formatEntry(signature)))
})

void t.test('canonical JSON is that of RFC 8785: members by their UTF-16 code units, strings escaped no more than they must be', async (t) => {
  // RFC 8785, sections 3.2.2.2 and 3.2.3.
  const members = { '\u20ac': 'Euro Sign', '\r': 'Carriage Return', '\ufb33': 'Hebrew Letter Dalet With Dagesh', 1: 'One', '\u{1f600}': 'Emoji: Grinning Face', '\u0080': 'Control', '\u00f6': 'Latin Small Letter O With Diaeresis' }
  t.equal(formatCanonicalJson(members), '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}')
  t.equal(formatCanonicalJson('\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/'), '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"')
  t.equal(formatCanonicalJson([1, ['a'], { b: 9_007_199_254_740_991 }]), '[1,["a"],{"b":9007199254740991}]')
  for (const value of [0.5, Number.NaN, 2 ** 53, undefined, true]) t.throws(() => formatCanonicalJson(value as CanonicalValue), TypeError)
})

const wrong: readonly (readonly [string, object])[] = [
  ['no kind', { at }], ['an unknown kind', { kind: 'signed', at }], ['a kind of the prototype', { kind: 'constructor', at }], ['a member too many', { kind: 'stop', at, version: '1' }],
  ['a member too few', { kind: 'start', at }], ['a member of another kind', { kind: 'configuration', at, sha256, keyid: '1' }],
  ['no time', { kind: 'stop', at: '' }], ['a time without milliseconds', { kind: 'stop', at: '2026-11-24T09:15:00Z' }], ['a time with an offset', { kind: 'stop', at: '2026-11-24T09:15:00.000+00:00' }],
  ['the 30th of February', { kind: 'stop', at: '2026-02-30T09:15:00.000Z' }], ['a 61st second', { kind: 'stop', at: '2026-11-24T09:15:60.000Z' }], ['a number as time', { kind: 'stop', at: 0 }],
  ['a client with a space', { ...signature, client: 'release bot' }], ['an empty client', { ...signature, client: '' }], ['a client with a line end', { ...signature, client: 'a\n' }], ['a long client', { ...signature, client: 'a'.repeat(145) }],
  ['a short spki', { ...signature, spki: spki.slice(1) }], ['an spki in capitals', { ...signature, spki: spki.toUpperCase() }], ['no UUID', { ...signature, id: '1' }], ['a UUID in capitals', { ...signature, id: id.toUpperCase() }],
  ['a path', { ...signature, filename: '/export/a.bff' }], ['a relative path', { ...signature, filename: 'a/b' }], ['the directory itself', { ...signature, filename: '.' }], ['the directory above', { ...signature, filename: '..' }], ['no filename', { ...signature, filename: '' }],
  ['a filename with a control character', { ...signature, filename: 'a\u0000' }], ['a filename that is not well-formed', { ...signature, filename: 'a\uD800' }], ['a filename of 256 bytes', { ...signature, filename: 'ü'.repeat(128) }], ['a number as filename', { ...signature, filename: 1 }],
  ['a negative size', { ...signature, sizeBytes: -1 }], ['half a byte', { ...signature, sizeBytes: 0.5 }], ['a huge size', { ...signature, sizeBytes: 2 ** 53 }], ['a size as text', { ...signature, sizeBytes: '1' }],
  ['a keyid of letters', { ...signature, keyid: 'a' }], ['a keyid of 11 digits', { ...signature, keyid: '12345678901' }], ['another cover', { ...signature, covers: 'all' }], ['another source', { ...signature, source: 'disk' }],
  ['no signature', { ...signature, signature: '' }], ['a signature without padding', { ...signature, signature: 'AAA' }], ['stray bits in a signature', { ...signature, signature: 'AAB=' }], ['a long signature', { ...signature, signature: 'A'.repeat(8196) }], ['a number as signature', { ...signature, signature: 1 }],
  ...[0, -1, 0.5, 2 ** 53, '1'].map((count): readonly [string, object] => [`a count of ${JSON.stringify(count)}`, { kind: 'refusal', at, spki, operation: 'sign', code: 'CLIENT_UNKNOWN', count }]),
  ['a refused path', { kind: 'refusal', at, spki, operation: 'sign', code: 'CLIENT_UNKNOWN', filename: 'a/b' }], ['a count of failures', { kind: 'failure', at, client: 'b', spki, code: 'NOT_A_PACKAGE', count: 1 }],
  ['no UUID that is replaced', { ...signature, replaces: 'x' }],
  ['no records', { ...signature, records: undefined }], ['records that are no list', { ...signature, records: {} }], ['a record that is a list', { ...signature, records: [[]] }], ['a record that is null', { ...signature, records: [null] }],
  ['a record without a fileset', { ...signature, records: [{ ...record, fileset: undefined }] }], ['a record with a slash', { ...signature, records: [{ ...record, fileset: '/usr' }] }], ['a record with a colon in its time', { ...signature, records: [{ ...record, timestamp: '1:2' }] }],
  ['a record with an empty time', { ...signature, records: [{ ...record, timestamp: '' }] }], ['a record that repeats the signature', { ...signature, records: [{ ...record, signature: 'AAAA' }] }], ['records and their digest', { ...signature, recordCount: 1, recordsSha256: sha256 }],
  ['a code in lower case', { kind: 'failure', at, client: 'b', spki, code: 'not_a_package' }], ['a sentence as code', { kind: 'failure', at, client: 'b', spki, code: 'NOT A PACKAGE' }], ['another change', { kind: 'key', at, keyid: '1', change: 'lost', spkiSha256: spki }],
]

/** The entry as JSON with its members in order, so that nothing but the fault can be what is refused. */
function inOrder(entry: object): string {
  const sort = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))) : value
  return JSON.stringify(entry, sort)
}

void t.test('an entry with a member that is missing, unknown or not as it must be is refused, read or written', async (t) => {
  for (const [name, entry] of wrong) {
    t.throws(() => formatEntry(entry as LogEntry), { name: 'FormatError', code: 'LOG_ENTRY_MALFORMED' }, name)
    t.throws(() => parseEntry(Buffer.from(inOrder(entry))), { code: 'LOG_ENTRY_MALFORMED' }, name)
  }
  t.equal(inOrder(signature), formatEntry(signature).toString(), 'the sound one is read so')
  // What JSON cannot even spell.
  for (const changes of [{ replaces: undefined }, { sizeBytes: -0 }]) t.throws(() => formatEntry({ ...signature, ...changes } as LogEntry), { code: 'LOG_ENTRY_MALFORMED' })
  for (const value of [null, 1, 'stop', [], undefined]) t.throws(() => formatEntry(value as unknown as LogEntry), { code: 'LOG_ENTRY_MALFORMED' })
})

void t.test('the same entry in any other spelling is refused', async (t) => {
  const line = `{"at":"${at}","kind":"stop"}`
  const spellings = [
    '', '{', 'null', '[]', `${line}\n`, ` ${line}`, `\uFEFF${line}`, line.replace(',', ', '), line.replace('stop', '\\u0073top'), `{"kind":"stop","at":"${at}"}`, `{"at":"${at}","at":"${at}","kind":"stop"}`,
    `{"__proto__":{},"at":"${at}","kind":"stop"}`, `{"at":"${at}","kind":"stop"}{}`, '['.repeat(60_000),
  ]
  for (const text of spellings) t.throws(() => parseEntry(Buffer.from(text)), { name: 'FormatError', code: 'LOG_ENTRY_MALFORMED' }, text.slice(0, 80))
  t.throws(() => parseEntry(Buffer.from([0x7b, 0xff, 0x7d])), { code: 'LOG_ENTRY_MALFORMED' }, 'no UTF-8')
  const exponent = formatEntry({ ...signature, sizeBytes: 1000 }).toString().replace('1000', '1e3')
  t.throws(() => parseEntry(Buffer.from(exponent)), { code: 'LOG_ENTRY_MALFORMED' }, 'exponent')
  t.strictSame(parseEntry(new Uint8Array(Buffer.from(line))), { kind: 'stop', at })
})

void t.test('a signature of a record is there only where it is another', async (t) => {
  const entry: LogEntry = { ...signature, records: [record, { ...record, fileset: 'PkgA.doc', signature: 'BBBB' }] }
  t.strictSame(parseEntry(formatEntry(entry)), entry)
})

function manyRecords(count: number): SignatureEntry & { records: readonly EntryRecord[] } {
  return { ...signature, filename: 'a'.repeat(255), records: Array.from({ length: count }, (_, index) => ({ ...record, fileset: `PkgA.${String(index).padStart(138, '0')}` })) }
}

void t.test('records that do not fit into 65,535 bytes are replaced by their number and digest, one byte below they are there', async (t) => {
  const one = formatEntry(manyRecords(1)).length
  const each = formatEntry(manyRecords(2)).length - one
  const count = 1 + Math.floor((ENTRY_BYTES_MAX - one) / each)
  const fits = manyRecords(count)
  const spare = ENTRY_BYTES_MAX - formatEntry(fits).length
  t.ok(spare >= 4 && spare < each, `${spare} to spare`)
  // Four characters of base64 at a time, and the rest on the algorithm.
  const exact = { ...fits, signature: 'A'.repeat(4 + Math.floor(spare / 4) * 4), algorithm: 'a'.repeat(15 + (spare % 4)) }
  t.equal(formatEntry(exact).length, ENTRY_BYTES_MAX)
  t.strictSame(parseEntry(formatEntry(exact)), exact)

  const { records, ...rest } = { ...exact, algorithm: `${exact.algorithm}a` }
  const entry = { ...rest, records }
  const bytes = formatEntry(entry)
  const parsed = parseEntry(bytes)
  const list = `[${records.map(({ fileset }) => `{"fileset":"${fileset}","ftype":"I","package":"PkgA","timestamp":"1375425475","vrmf":"1.0.0.0"}`).join(',')}]`
  t.strictSame(parsed, { ...rest, recordCount: count, recordsSha256: createHash('sha256').update(list).digest('hex') })
  t.ok(bytes.length < 3000, `${bytes.length} bytes`)
  t.ok(formatEntry(parsed).equals(bytes), 'the short form prints back')
  t.notOk(formatEntry({ ...entry, records: records.with(0, record) }).equals(bytes), 'other records, another digest')
})

void t.test('ten thousand filesets, and everything at its longest, still fit', async (t) => {
  t.match(parseEntry(formatEntry(manyRecords(10_000))), { kind: 'signature', recordCount: 10_000 })
  const word = 'a'.repeat(144)
  const longest: LogEntry = { ...signature, client: word, filename: '"'.repeat(255), sizeBytes: Number.MAX_SAFE_INTEGER, keyid: '1234567890', algorithm: word, format: word, signature: 'A'.repeat(8192), replaces: id, records: [] }
  t.ok(formatEntry(longest).length < 16_384)
})

void t.test('bytes beyond the limit are refused before they are read', async (t) => {
  t.throws(() => parseEntry(Buffer.alloc(ENTRY_BYTES_MAX + 1, 0x20)), { name: 'FormatError', code: 'LOG_ENTRY_TOO_LONG' })
  t.throws(() => parseEntry(Buffer.alloc(ENTRY_BYTES_MAX, 0x20)), { code: 'LOG_ENTRY_MALFORMED' })
})
