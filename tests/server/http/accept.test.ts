import * as fc from 'fast-check'
import t from 'tap'
import { chooseMediaType, wantsGzip } from '../../../server/http/accept.ts'

const JSON_TYPE = 'application/json'
const NDJSON = 'application/x-ndjson'

void t.test('the media type that the client wants most is chosen, by weight, then by how exactly it is named, then by its order', async (t) => {
  const rows: readonly (readonly [string, string | undefined, string])[] = [
    ['no field', undefined, JSON_TYPE],
    ['an empty field', '', JSON_TYPE],
    ['one type', NDJSON, NDJSON],
    ['any type', '*/*', JSON_TYPE],
    ['any of a kind', 'application/*', JSON_TYPE],
    ['a named type before any type', `*/*, ${NDJSON}`, NDJSON],
    ['a named type before any of its kind', `application/*, ${NDJSON}`, NDJSON],
    ['the first of two named', `${NDJSON}, ${JSON_TYPE}`, NDJSON],
    ['the first of two named, the other way round', `${JSON_TYPE}, ${NDJSON}`, JSON_TYPE],
    ['the heavier of two', `${JSON_TYPE};q=0.8, ${NDJSON};q=0.9`, NDJSON],
    ['the heavier of two with three digits', `${JSON_TYPE};q=0.801,${NDJSON};q=0.800`, JSON_TYPE],
    ['no weight is the heaviest', `${JSON_TYPE};q=0.999, ${NDJSON}`, NDJSON],
    ['the weight of what is named exactly counts', `${NDJSON};q=0.1, */*;q=0.5`, JSON_TYPE],
    ['what has no weight is not wanted', `${JSON_TYPE};q=0, */*`, NDJSON],
    ['nothing is wanted', '*/*;q=0', JSON_TYPE],
    ['nothing that is on offer', 'text/html, image/*', JSON_TYPE],
    ['capitals and white space', ` text/html ,\tAPPLICATION/X-NDJSON ; Q=0.5`, NDJSON],
    ['a parameter of the type', `${NDJSON}; charset=utf-8; q=0.9, ${JSON_TYPE};q=0.8`, NDJSON],
    ['a quoted parameter with commas and an escaped quote', `text/html;title="a, ${NDJSON};q=1, \\" b", ${JSON_TYPE}`, JSON_TYPE],
    ['a quote without an end', `${NDJSON};title="a, ${JSON_TYPE}`, NDJSON],
    ['a weight above 1 is none', `${NDJSON};q=1.5`, JSON_TYPE],
    ['a weight that is no number is none', `${NDJSON};q=x, ${JSON_TYPE};q=0.1`, JSON_TYPE],
    ['a weight of four digits is none', `${NDJSON};q=0.9999, ${JSON_TYPE};q=0.1`, JSON_TYPE],
    ['a type whose name begins like another', `${NDJSON}-2, ${JSON_TYPE}`, JSON_TYPE],
    ['what a browser sends', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', JSON_TYPE],
    ['what looks like an element and is none', ';q=1, ,/, application/', JSON_TYPE],
  ]
  for (const [name, given, want] of rows) t.equal(chooseMediaType(given, [JSON_TYPE, NDJSON]), want, name)
})

void t.test('an answer is compressed only where the client asks for gzip', async (t) => {
  const rows: readonly (readonly [string | undefined, boolean])[] = [
    [undefined, false], ['', false], ['gzip', true], ['GZIP', true], ['gzip, deflate, br', true], ['br', false], ['identity', false], ['*', true], ['*;q=0', false], ['gzip;q=0', false],
    ['gzip;q=0, *', false], ['gzip;q=0.5, identity', false], ['identity;q=0.5, gzip', true], ['gzip, identity', true], ['gzip;q=1.0, identity;q=0.5, *;q=0', true], ['gzipped', false],
  ]
  for (const [given, want] of rows) t.equal(wantsGzip(given), want, String(given))
})

void t.test('whatever the field, an answer is chosen, and a long hostile one costs no time', async (t) => {
  const part = fc.oneof(fc.constantFrom(JSON_TYPE, NDJSON, '*/*', 'application/*', ';', ',', '"', '\\', 'q=', 'q=0.5', ' '), fc.string({ maxLength: 5 }))
  fc.assert(fc.property(fc.array(part, { maxLength: 20 }).map((parts) => parts.join('')), (field) => [JSON_TYPE, NDJSON].includes(chooseMediaType(field, [JSON_TYPE, NDJSON]))))
  const started = performance.now()
  for (const piece of ['"\\', '"', '",', ';', ',']) chooseMediaType(piece.repeat(16_384 / piece.length), [JSON_TYPE, NDJSON])
  t.ok(performance.now() - started < 1000)
})
