import { assert, property, shuffledSubarray } from 'fast-check'
import t from 'tap'
import type { SignatureRecord } from '../../../formats/index.ts'
import type { SigningError } from '../../../server/errors.ts'
import { checkRecords } from '../../../server/signers/check-records.ts'

const info = {
  package: 'PkgA',
  ftype: 'I',
  // One fileset at two levels is a package that exists; the order is not the alphabet's.
  filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgA.adt', vrmf: '1.0.0.0' }, { fileset: 'PkgA.rte', vrmf: '1.0.0.1' }],
  builtAt: 1,
  lppNameModifiedAt: 1,
}
const record = (fileset: string, vrmf: string): SignatureRecord => ({ keyid: '1001', package: 'PkgA', timestamp: '1', fileset, ftype: 'I', vrmf, signature: 'AAAA' })
const good = info.filesets.map(({ fileset, vrmf }) => record(fileset, vrmf))
const [first, second, third] = good as [SignatureRecord, SignatureRecord, SignatureRecord]

t.test('checkRecords answers the records of a package in the order of lpp_name, whatever order they came in', async (t) => {
  t.strictSame(checkRecords(good, info, '1001'), good)
  assert(property(shuffledSubarray(good, { minLength: 3 }), (records) => {
    t.strictSame(checkRecords(records, info, '1001'), good)
  }), { numRuns: 50 * Number(process.env['TEST_FULL_FACTOR'] ?? 1) })
  const differing = good.map((each, index) => ({ ...each, signature: `AAA${index}` }))
  t.strictSame(checkRecords(differing, info, '1001'), differing, 'each record may have its own signature')
})

t.test('checkRecords refuses records of anything but exactly this package and key', async (t) => {
  const rows: readonly [string, readonly SignatureRecord[], SigningError['code']][] = [
    ['no record', [], 'SIGNER_RECORD_MISMATCH'],
    ['another package', [first, second, { ...third, package: 'PkgB' }], 'SIGNER_RECORD_MISMATCH'],
    ['another case of the package', [first, second, { ...third, package: 'pkga' }], 'SIGNER_RECORD_MISMATCH'],
    ['another type', [{ ...first, ftype: 'S' }, second, third], 'SIGNER_RECORD_MISMATCH'],
    ['another key', [{ ...first, keyid: '1002' }, second, third], 'SIGNER_RECORD_MISMATCH'],
    ['the same keyid with a leading zero', [{ ...first, keyid: '01001' }, second, third], 'SIGNER_RECORD_MISMATCH'],
    ['another level', [first, { ...second, vrmf: '1.0.0.2' }, third], 'SIGNER_RECORD_MISMATCH'],
    ['another fileset', [first, { ...second, fileset: 'PkgA.doc' }, third], 'SIGNER_RECORD_MISMATCH'],
    ['a missing fileset', [first, third], 'SIGNER_RECORD_MISMATCH'],
    ['one fileset more', [...good, record('PkgA.doc', '1.0.0.0')], 'SIGNER_RECORD_MISMATCH'],
    ['a fileset twice, equal', [...good, first], 'SIGNER_RECORD_MALFORMED'],
    ['a fileset twice, differing', [...good, { ...first, signature: 'BBBB' }], 'SIGNER_RECORD_MALFORMED'],
    ['a fileset twice in place of another', [first, second, second], 'SIGNER_RECORD_MALFORMED'],
  ]
  for (const [name, records, code] of rows) t.throws(() => checkRecords(records, info, '1001'), { name: 'SigningError', code }, name)
})

t.test('checkRecords tells the log what was wrong, a bounded part of it, and the client nothing but a sentence', async (t) => {
  const many = Array.from({ length: 1000 }, (_, index) => record(`PkgA.x${index}`, '1.0.0.0'))
  try {
    checkRecords([...good, ...many], info, '1001')
    t.fail('was accepted')
  } catch (error) {
    const { message, facts } = error as SigningError
    t.notMatch(message, 'PkgA')
    t.strictSame(facts, { additional: [0, 1, 2, 3, 4].map((index) => `PkgA:PkgA.x${index}:1.0.0.0:I:1001`) })
  }
})
