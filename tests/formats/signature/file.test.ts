import t from 'tap'
import {
  SIGNATURE_FILE_HEADER, formatSignatureFile, formatSignatureRecord, parseSignatureFile,
} from '../../../formats/signature/file.ts'
import type { SignatureRecord } from '../../../formats/signature/file.ts'

function base64(bytes: number): string {
  return Buffer.alloc(bytes, 0xa7).toString('base64')
}

function record(changes: Partial<SignatureRecord> = {}): SignatureRecord {
  return {
    keyid: '1001', package: 'PkgA', timestamp: '1375425475', fileset: 'PkgA.rte', ftype: 'I', vrmf: '1.0.0.0', signature: base64(256), ...changes,
  }
}

function line(changes: Partial<SignatureRecord> = {}): string {
  const { package: name, fileset, vrmf, ftype, keyid, timestamp, signature } = record(changes)
  return `${name}:${fileset}:${vrmf}:${ftype}:${keyid}:${timestamp}:${signature}\n`
}

void t.test('a canonical signature file reads as its records and prints back byte for byte', async (t) => {
  const text = `${SIGNATURE_FILE_HEADER}\n${line()}${line({ fileset: 'PkgA.doc', vrmf: '1.0.0.1' })}`
  const records = parseSignatureFile(text, { signatureBytes: 256 })
  t.strictSame(records, [record(), record({ fileset: 'PkgA.doc', vrmf: '1.0.0.1' })])
  t.equal(formatSignatureFile(records), text)
  t.strictSame(parseSignatureFile(Buffer.from(text)), records)
  t.equal(`${formatSignatureRecord(record())}\n`, line())
  t.equal(SIGNATURE_FILE_HEADER, '#package:fileset:vrmf:ftype:keyid:timestamp:signature')
})

void t.test('signatures of RSA-2048, 3072 and 4096 are whole, whatever padding they end in', async (t) => {
  const sizes: [number, number, string][] = [[256, 344, '=='], [384, 512, ''], [512, 684, '=']]
  for (const [bytes, characters, padding] of sizes) {
    const signature = base64(bytes)
    t.equal(signature.length, characters)
    t.equal(/=*$/.exec(signature)?.[0], padding)
    t.equal(parseSignatureFile(line({ signature }) + line({ signature }), { signatureBytes: bytes }).length, 2)
    t.equal(parseSignatureFile(line({ signature }))[0]?.signature, signature)
  }
})

void t.test('CRLF, blank lines, comments and a missing last line end are accepted and not kept', async (t) => {
  const text = `# made by hand\r\n\r\n  \t\r\n${line().trimEnd()}\r\n#:::::::\r\n\n${line({ fileset: 'PkgA.doc' }).trimEnd()}`
  t.strictSame(parseSignatureFile(text), [record(), record({ fileset: 'PkgA.doc' })])
})

void t.test('a file without a record is refused with its own code', async (t) => {
  for (const text of ['', '\n', SIGNATURE_FILE_HEADER, `${SIGNATURE_FILE_HEADER}\n`, '#\r\n\r\n']) {
    t.throws(() => parseSignatureFile(text), { name: 'FormatError', code: 'SIGNATURE_FILE_EMPTY' }, JSON.stringify(text))
  }
  t.throws(() => formatSignatureFile([]), { code: 'SIGNATURE_FILE_EMPTY' })
})

void t.test('malformed records are refused, each with its code', async (t) => {
  const padded = base64(256)
  const malformed: [string, string, string][] = [
    ['six fields', line().replace('PkgA:', ''), 'SIGNATURE_FIELD_COUNT'],
    ['eight fields', line({ timestamp: '10:30' }), 'SIGNATURE_FIELD_COUNT'],
    ['a word', 'create_pkgsign: done\n', 'SIGNATURE_FIELD_COUNT'],
    ['blank before a comment sign', ` ${SIGNATURE_FILE_HEADER}`, 'NAME_MALFORMED'],
    ['empty package', line({ package: '' }), 'NAME_MALFORMED'],
    ['package of 145 bytes', line({ package: 'p'.repeat(145) }), 'NAME_MALFORMED'],
    ['fileset with a blank', line({ fileset: 'Pkg A' }), 'NAME_MALFORMED'],
    ['VRMF with leading zeros', line({ vrmf: '01.0.0.0' }), 'VRMF_MALFORMED'],
    ['VRMF part 32768', line({ vrmf: '1.0.0.32768' }), 'VRMF_MALFORMED'],
    ['type of four letters', line({ ftype: 'ABCD' }), 'FTYPE_MALFORMED'],
    ['empty keyid', line({ keyid: '' }), 'KEYID_MALFORMED'],
    ['keyid of 11 digits', line({ keyid: '12345678901' }), 'KEYID_MALFORMED'],
    ['hexadecimal keyid', line({ keyid: '0x12' }), 'KEYID_MALFORMED'],
    ['empty timestamp', line({ timestamp: '' }), 'TIMESTAMP_MALFORMED'],
    ['timestamp of 64 digits', line({ timestamp: '1'.repeat(64) }), 'TIMESTAMP_MALFORMED'],
    ['timestamp with a quote', line({ timestamp: '12"34' }), 'TIMESTAMP_MALFORMED'],
    ['timestamp of a word', line({ timestamp: 'yesterday' }), 'TIMESTAMP_MALFORMED'],
    ['timestamp that ends in a blank', line({ timestamp: '12 ' }), 'TIMESTAMP_MALFORMED'],
    ['no signature', line({ signature: '' }), 'SIGNATURE_NOT_BASE64'],
    ['signature without its padding', line({ signature: padded.replace('==', '') }), 'SIGNATURE_NOT_BASE64'],
    ['signature with one = of two', line({ signature: padded.slice(0, -1) }), 'SIGNATURE_NOT_BASE64'],
    ['signature with stray bits', line({ signature: 'AB==' }), 'SIGNATURE_NOT_BASE64'],
    ['URL-safe signature', line({ signature: 'ab-_' }), 'SIGNATURE_NOT_BASE64'],
    ['signature with a blank inside', line({ signature: 'AAAA AAAA' }), 'SIGNATURE_NOT_BASE64'],
    ['padding inside', line({ signature: 'AA==AAAA' }), 'SIGNATURE_NOT_BASE64'],
    ['blank behind the signature', `${line().trimEnd()} \n`, 'SIGNATURE_NOT_BASE64'],
    ['lone CR', line().replace('\n', '\r\r\n'), 'SIGNATURE_NOT_BASE64'],
    ['truncated signature', line({ signature: padded.slice(0, 340) }), 'SIGNATURE_LENGTH_WRONG'],
    ['signature of another key length', line({ signature: base64(384) }), 'SIGNATURE_LENGTH_WRONG'],
    ['signature of RSA-6144', line({ signature: base64(768) }), 'SIGNATURE_LENGTH_WRONG'],
    ['garbage behind a good record', `${line()}\0`, 'SIGNATURE_FIELD_COUNT'],
  ]
  for (const [name, given, code] of malformed) {
    t.throws(() => parseSignatureFile(given, { signatureBytes: 256 }), { name: 'FormatError', code }, name)
  }
  t.throws(() => parseSignatureFile(line({ signature: base64(768) })), { code: 'SIGNATURE_LENGTH_WRONG' })
})

void t.test('keyids and timestamps are kept as they are written', async (t) => {
  for (const keyid of ['0', '0007', '9999999999']) t.equal(parseSignatureFile(line({ keyid }))[0]?.keyid, keyid)
  for (const timestamp of ['0', '20130802063755', '2013-08-02T06.37.55Z', '1'.repeat(63)]) {
    t.equal(parseSignatureFile(line({ timestamp }))[0]?.timestamp, timestamp)
  }
})

void t.test('a file with more records than the limit is refused', async (t) => {
  t.equal(parseSignatureFile(line().repeat(3), { maxRecords: 3 }).length, 3)
  t.throws(() => parseSignatureFile(line().repeat(4), { maxRecords: 3 }), { code: 'SIGNATURE_FILE_TOO_LONG' })
})

void t.test('a record that would not read back is not formatted', async (t) => {
  t.throws(() => formatSignatureRecord(record({ package: 'a\nb' })), { code: 'NAME_MALFORMED' })
  t.throws(() => formatSignatureRecord(record({ keyid: '1:2' })), { code: 'KEYID_MALFORMED' })
  t.throws(() => formatSignatureRecord(record({ timestamp: '1\n' })), { code: 'TIMESTAMP_MALFORMED' })
  t.throws(() => formatSignatureFile([record(), record({ vrmf: '1.0.0' })]), { code: 'VRMF_MALFORMED' })
})
