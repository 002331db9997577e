import * as fc from 'fast-check'
import t from 'tap'
import { fitsPattern } from '../../../server/policy/pattern.ts'
import { count } from '../../helpers/full-size.ts'

void t.test('a pattern fits the names that its grammar says, as a whole', async (t) => {
  const table: readonly [string, readonly string[], readonly string[]][] = [
    ['PkgA.rte', ['PkgA.rte'], ['PkgA.rt', 'PkgA.rte2', 'XPkgA.rte', 'pkga.rte', 'PkgAxrte', '']],
    ['PkgA.*', ['PkgA.rte', 'PkgA.msg.de_DE', 'PkgA.'], ['PkgA', 'PkgAB.rte', 'MyPkgA.rte']],
    ['*', ['PkgA', '', '*'], []],
    ['*.rte', ['PkgA.rte', '.rte', 'a.rte.rte'], ['PkgA.rte.x', 'rte']],
    ['a*b*c', ['abc', 'aXbXc', 'abbcc', 'abcbc'], ['ac', 'acb', 'abcd', 'xabc']],
    ['ab*ba', ['abba', 'abXba'], ['aba', 'ab', 'ba']],
    ['a*a', ['aa', 'aXa'], ['a']],
    ['a+b', ['a+b'], ['aab', 'ab']],
    ['a.b', ['a.b'], ['aXb']],
  ]
  for (const [pattern, fitting, others] of table) {
    for (const name of fitting) t.ok(fitsPattern(pattern, name), `${pattern} fits ${name}`)
    for (const name of others) t.notOk(fitsPattern(pattern, name), `${pattern} does not fit ${name}`)
  }
})

void t.test('a pattern fits what the same regular expression fits', async () => {
  const text = (...alphabet: readonly string[]) => fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 12 })
  fc.assert(fc.property(text('a', 'b', '.', '*'), text('a', 'b', '.'), (pattern, name) => {
    const expression = new RegExp(`^${pattern.split('*').map((piece) => piece.replaceAll('.', '\\.')).join('.*')}$`, 's')
    return fitsPattern(pattern, name) === expression.test(name)
  }), { numRuns: count(5_000, 200_000) })
})

void t.test('a pattern that would keep a regular expression busy for ever takes no time', async (t) => {
  const start = performance.now()
  for (let round = 0; round < 1_000; round += 1) if (fitsPattern(`${'*a'.repeat(8)}*b`, 'a'.repeat(144))) t.fail('fits')
  t.ok(performance.now() - start < 2_000)
})
