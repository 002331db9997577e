import t from 'tap'
import * as fc from 'fast-check'
import { answerText } from '../../cli/answer-text.ts'
import { isAboutFile } from '../../cli/exit-status.ts'
import { printable } from '../../cli/printable.ts'
import { createTurns } from '../../cli/turns.ts'
import { ERROR_CODES } from '../../server/errors.ts'

const runs = { numRuns: 300 * Number(process.env.TEST_FULL_FACTOR ?? 1) }

void t.test('printable spells what moves cursors, breaks lines or turns text, and nothing else', async (t) => {
  t.equal(printable('PkgÄ 漢字 🎉 back\\slash'), 'PkgÄ 漢字 🎉 back\\slash')
  t.equal(printable('\0\t\n\r\u001b[31m\u007f\u0085\u009b'), '\\u0000\\u0009\\u000a\\u000d\\u001b[31m\\u007f\\u0085\\u009b')
  t.equal(printable('\u2028\u2029\u202e\u2066\u200f\u061c'), '\\u2028\\u2029\\u202e\\u2066\\u200f\\u061c')
  t.equal(printable('a\ud800b'), 'a\\ud800b')
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
    const safe = printable(text)
    return !/[\p{Control}\p{Surrogate}]/u.test(safe) && printable(safe) === safe
  }), runs)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => JSON.parse(printable(JSON.stringify(text))) === text), runs)
})

void t.test('turns give every outcome once, in the order of the listing, as early as can be', async (t) => {
  const turns = createTurns<string>(['a', 'b', 'c'])
  t.strictSame(turns.take('b', 'B'), [])
  t.strictSame(turns.take('a', 'A'), ['A', 'B'])
  t.strictSame(turns.rest(), [])
  t.strictSame(turns.take('c', 'C'), ['C'])
  const twice = createTurns<number>(['x', 'x', 'y'])
  t.strictSame(twice.take('y', 3), [])
  t.strictSame(twice.take('x', 1), [1])
  t.strictSame(twice.take('x', 2), [2, 3], 'a name that is listed twice has two turns')
  const cut = createTurns<string>(['a', 'b', 'c', 'd'])
  for (const name of ['stray', 'd', 'd', 'b']) cut.take(name, name)
  t.strictSame(cut.rest(), ['b', 'd', 'stray', 'd'], 'what waits comes in order, what has no turn at the end')

  const shuffled = fc.uniqueArray(fc.string(), { maxLength: 40 }).chain((files) => fc.tuple(fc.constant(files), fc.shuffledSubarray(files, { minLength: files.length })))
  fc.assert(fc.property(shuffled, ([files, finished]) => {
    const turns = createTurns<string>(files)
    const out = finished.flatMap((name, count) => {
      const ready = turns.take(name, name)
      const given = new Set(finished.slice(0, count + 1))
      const due = files.findIndex((file) => !given.has(file))
      return ready.length > 0 && files.indexOf(ready.at(-1)!) !== (due === -1 ? files.length : due) - 1 ? ['late'] : ready
    })
    return JSON.stringify(out) === JSON.stringify(files)
  }), runs)
})

void t.test('an answer is a table, blocks or one block, whatever it holds', async (t) => {
  t.equal(answerText({ path: '/a', files: [
    { name: 'PkgA.bff', kind: 'file', sizeBytes: 3584, format: 'installp', signed: true },
    { name: '.t\noc', kind: 'file', sizeBytes: 7, format: null, signed: false, more: 'x' },
  ], nextCursor: null }), [
    'name        kind  sizeBytes  format    signed  more',
    'PkgA.bff    file  3584       installp  true    -',
    '.t\\u000aoc  file  7          -         false   x',
    '',
  ].join('\n'))
  t.equal(answerText({ files: [] }), '')
  t.equal(answerText({ name: 'bot', sans: ['URI:a', 'URI:b'], keys: [''], nested: { a: 1 }, none: null, pem: '-----BEGIN B\u0007\n-----E\n', line: 'a\nb' }), 'name: bot\nsans: URI:a, URI:b\nkeys: -\nnested: {"a":1}\nnone: -\npem:\n  -----BEGIN B\\u0007\n  -----E\nline: a\\u000ab\n')
  t.equal(answerText({ keyid: '1', map: { a: { verdict: 'yes', because: 'x\ny' }, b: { verdict: 'no' } }, empty: {}, lists: { a: [] } }), 'keyid: 1\nmap:\n  a: yes, x\\u000ay\n  b: no\nempty: {}\nlists: {"a":[]}\n')
  t.equal(answerText({ keys: [{ keyid: '1', pem: '-----BEGIN a\nb\n' }, { keyid: '2', pem: '-----BEGIN c\nd\n' }] }), 'keyid: 1\npem:\n  -----BEGIN a\n  b\n\nkeyid: 2\npem:\n  -----BEGIN c\n  d\n')
})

void t.test('each code is either about a file or about the request', async (t) => {
  const aboutFile = ERROR_CODES.filter(isAboutFile)
  t.strictSame(aboutFile, [
    'FORMAT_NOT_ALLOWED', 'FILESET_NOT_ALLOWED', 'SIGNATURE_COUNT_REACHED',
    'FILE_NAME_REFUSED', 'FILE_KIND_REFUSED', 'FILE_CHANGED', 'FILE_TOO_LARGE', 'NOT_A_PACKAGE', 'PACKAGE_MALFORMED', 'DSB_MALFORMED', 'DSB_STACKED', 'FORMAT_NOT_ACCEPTED', 'DIGEST_MISMATCH', 'DIGEST_NOT_SIGNABLE',
    'FILESET_LEVEL_ALREADY_SIGNED', 'CONTENT_UNAVAILABLE',
    'SIGNER_BUSY', 'SIGNER_NOT_AVAILABLE', 'SIGNER_TIMEOUT', 'SIGNER_FAILED', 'SIGNER_OUTPUT_TOO_LARGE', 'SIGNER_NO_RECORD', 'SIGNER_RECORD_MALFORMED',
    'SIGNER_SIGNATURE_TRUNCATED', 'SIGNER_RECORD_MISMATCH', 'SIGNATURE_INVALID', 'STORE_FAILED', 'STORAGE_FULL',
  ])
  t.notOk(isAboutFile('SIGNATURE_NOT_FOUND'))
})
