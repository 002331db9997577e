import * as fc from 'fast-check'
import t from 'tap'
import { decodeUtf8, splitLines } from '../../sdk/ndjson.ts'
import { ConnectionError } from '../../sdk/problem.ts'

const numRuns = 300 * Number(process.env.TEST_FULL_FACTOR ?? 1)

async function* feed(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0
  for (const cut of [...cuts, bytes.length]) {
    yield bytes.subarray(start, cut)
    start = cut
  }
}

async function linesOf(bytes: Uint8Array, cuts: readonly number[] = [], maxLineBytes = 1000): Promise<{ lines: string[]; code: string | undefined }> {
  const lines: string[] = []
  try {
    for await (const line of splitLines(feed(bytes, cuts), maxLineBytes)) lines.push(line)
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error
    return { lines, code: error.code }
  }
  return { lines, code: undefined }
}

const everyByte = (bytes: Uint8Array): number[] => Array.from({ length: bytes.length }, (_, index) => index)

void t.test('lines come out whole, whole chunks or byte by byte', async (t) => {
  const table = [
    ['nothing', { given: '', want: [] }],
    ['one line', { given: '{"event":"end"}\n', want: ['{"event":"end"}'] }],
    ['an empty line', { given: '\n\na\n', want: ['', '', 'a'] }],
    ['characters of two, three and four bytes', { given: 'é\n€\n𝕏𝕏\n', want: ['é', '€', '𝕏𝕏'] }],
    ['separators of Unicode, which are no newlines here', { given: 'a\u2028b\u0085c\r\n', want: ['a\u2028b\u0085c\r'] }],
    ['a byte order mark', { given: '\uFEFF{}\n', want: ['\uFEFF{}'] }],
  ] as const
  for (const [name, { given, want }] of table) {
    const bytes = Buffer.from(given)
    t.strictSame(await linesOf(bytes), { lines: want, code: undefined }, name)
    t.strictSame(await linesOf(bytes, everyByte(bytes)), { lines: want, code: undefined }, `${name}, byte by byte`)
  }
})

void t.test('what is no NDJSON is refused after the lines before it', async (t) => {
  const table = [
    ['a last line without newline', { given: Buffer.from('a\nb'), want: { lines: ['a'], code: 'ANSWER_CUT_OFF' } }],
    ['a line that is cut in a character', { given: Buffer.from('a\n€').subarray(0, 4), want: { lines: ['a'], code: 'ANSWER_CUT_OFF' } }],
    ['bytes that are not UTF-8', { given: Buffer.from([0x61, 0x0a, 0xff, 0x0a]), want: { lines: ['a'], code: 'ANSWER_NOT_UNDERSTOOD' } }],
    ['a character that its line cuts', { given: Buffer.from([0xe2, 0x82, 0x0a, 0xac, 0x0a]), want: { lines: [], code: 'ANSWER_NOT_UNDERSTOOD' } }],
    ['a surrogate in CESU-8', { given: Buffer.from([0xed, 0xa0, 0x80, 0x0a]), want: { lines: [], code: 'ANSWER_NOT_UNDERSTOOD' } }],
    ['a line one byte too long', { given: Buffer.from(`a\n${'b'.repeat(9)}\n`), want: { lines: ['a'], code: 'ANSWER_NOT_UNDERSTOOD' } }],
    ['a line too long that never ends', { given: Buffer.from('b'.repeat(9)), want: { lines: [], code: 'ANSWER_NOT_UNDERSTOOD' } }],
  ] as const
  for (const [name, { given, want }] of table) {
    t.strictSame(await linesOf(given, [], 8), want, name)
    t.strictSame(await linesOf(given, everyByte(given), 8), want, `${name}, byte by byte`)
  }
  t.strictSame(await linesOf(Buffer.from(`${'b'.repeat(8)}\n`), [], 8), { lines: ['b'.repeat(8)], code: undefined }, 'the limit itself is allowed')
})

void t.test('the length of a line is bounded before its end arrives', async (t) => {
  let sent = 0
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      sent += 1
      yield Buffer.alloc(10, 0x61)
    }
  }
  await t.rejects(splitLines(endless(), 35).next(), { code: 'ANSWER_NOT_UNDERSTOOD' })
  t.equal(sent, 4)
})

void t.test('any lines, cut anywhere, come out as they went in', async () => {
  const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ' '))
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(200)), async (lines, wild) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''))
      const cuts = wild.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b)
      const got = await linesOf(bytes, cuts, 10_000)
      return got.code === undefined && JSON.stringify(got.lines) === JSON.stringify(lines)
    }),
    { numRuns },
  )
})

void t.test('any bytes give lines that print back, or a ConnectionError', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200)), async (bytes, wild) => {
      const cuts = wild.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b)
      const { lines, code } = await linesOf(bytes, cuts, 50)
      const printed = Buffer.from(lines.map((text) => `${text}\n`).join(''))
      return code === undefined ? printed.equals(bytes) : printed.equals(bytes.subarray(0, printed.length))
    }),
    { numRuns },
  )
})

void t.test('decodeUtf8 joins parts that cut a character', async (t) => {
  const bytes = Buffer.from('€')
  t.equal(decodeUtf8([bytes.subarray(0, 1), bytes.subarray(1)]), '€')
})
