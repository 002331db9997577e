import * as fc from 'fast-check'
import t from 'tap'
import { BerError, childOf, integerOf, octetsOf, oidOf, parseBer, TAG, type BerElement } from '../../../server/asn1/ber.ts'
import { count } from '../../helpers/full-size.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

void t.test('parseBer reads definite and indefinite lengths, and keeps no copy', async (t) => {
  const bytes = hex('30 0a 02 01 05 24 80 04 01 61 00 00')
  const { tag, raw, children: [number, parts] } = parseBer(bytes)
  t.strictSame([tag, raw.length, raw.buffer === bytes.buffer], [TAG.sequence, 12, true])
  t.equal(integerOf(number as BerElement), 5)
  t.equal(octetsOf(parts as BerElement).toString(), 'a')
  t.equal((parts as BerElement).content.toString('hex'), '040161')
  t.equal(parseBer(hex(`04 82 0100 ${'61'.repeat(256)}`)).content.length, 256, 'a length of two bytes')
  t.equal(parseBer(hex('04 84 00000001 61')).content.toString(), 'a', 'a length with zeros in front, which DER would not have')
})

void t.test('parseBer refuses what is not exactly one element', async (t) => {
  const nested = (depth: number) => hex('30 80'.repeat(depth) + '00 00'.repeat(depth))
  t.equal(parseBer(nested(31)).tag, TAG.sequence, '31 deep')
  const rows: readonly (readonly [string, string | Buffer])[] = [
    ['nothing', ''], ['a tag alone', '30'], ['a content that is cut off', '04 02 61'], ['a length that is cut off', '04 82 01'], ['a length of five bytes', '04 85 00 00 00 00 00'],
    ['a byte behind', '02 01 05 00'], ['a tag number above 30', '1f 81 01 00'], ['a child that is cut off', '30 02 04 01'], ['no end', '30 80 02 01 05'], ['a primitive without a length', '04 80 00 00'],
    ['nested too deep', nested(40)], ['nested much too deep', hex('30 80'.repeat(30_000))], ['nested in definite lengths', Array.from({ length: 40 }).reduce<Buffer>((inner) => Buffer.concat([Buffer.from([0x30, inner.length]), inner]), Buffer.alloc(0))],
  ]
  for (const [name, given] of rows) t.throws(() => parseBer(typeof given === 'string' ? hex(given) : given), { name: 'BerError' }, name)
})

void t.test('values are what they must be', async (t) => {
  const at = (text: string) => parseBer(hex(text))
  t.equal(oidOf(at('06 09 2a864886f70d010701')), '1.2.840.113549.1.7.1')
  t.equal(oidOf(at('06 09 608648016503040201')), '2.16.840.1.101.3.4.2.1')
  t.equal(oidOf(at('06 05 2b0e03021a')), '1.3.14.3.2.26')
  for (const text of ['06 00', '06 02 2a 86', '04 01 2a', `06 0a ${'ff'.repeat(9)}01`]) t.throws(() => oidOf(at(text)), BerError, text)
  t.strictSame(['02 01 00', '02 02 00 ff', '02 02 08 00', `02 08 7f${'ff'.repeat(7)}`].map((text) => integerOf(at(text))), [0, 255, 2048, Infinity])
  for (const text of ['02 00', '02 01 80', '04 01 01']) t.throws(() => integerOf(at(text)), BerError, text)
  t.equal(octetsOf(at('a0 06 04 01 61 04 01 62')).toString(), 'ab', '[0] in parts')
  t.equal(octetsOf(at('80 01 61')).toString(), 'a', '[0]')
  t.throws(() => octetsOf(at('30 00')), BerError)
  t.equal(childOf(at('30 03 02 01 05'), 0, TAG.integer).content[0], 5)
  for (const [position, tag] of [[0, TAG.octets], [1, TAG.integer]] as const) t.throws(() => childOf(at('30 03 02 01 05'), position, tag), BerError)
})

void t.test('whatever bytes there are, they are read or refused', async () => {
  const read = (bytes: Uint8Array): void => {
    try {
      parseBer(Buffer.from(bytes))
    } catch (error) {
      if (!(error instanceof BerError)) throw error
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), read), { numRuns: count(300, 20_000) })
})
