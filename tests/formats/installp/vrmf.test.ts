import t from 'tap'
import { checkFtype, checkName } from '../../../formats/installp/name.ts'
import { formatVrmf, normaliseVrmf, parseVrmf } from '../../../formats/installp/vrmf.ts'

void t.test('a canonical VRMF parses and prints back', async (t) => {
  for (const text of ['7.3.2.1', '0.0.0.0', '9999.0.0.9999', '32767.32767.32767.32767', '1.10.100.1000']) {
    t.equal(formatVrmf(parseVrmf(text)), text)
  }
  t.strictSame(parseVrmf('7.3.2.1'), { version: 7, release: 3, modification: 2, fix: 1 })
})

void t.test('text that would not print back is no VRMF', async (t) => {
  const hostile = [
    '', '7', '7.3.2', '7.3.2.1.0', '07.3.2.1', '7.3.2.00', '7.3.2.', '.7.3.2', '7..3.2', '+7.3.2.1', '-7.3.2.1', '7.3.2.1 ', ' 7.3.2.1',
    '7.3.2.1\n', '7,3,2,1', '0x7.3.2.1', '1e1.0.0.0', '7.3.2.32768', '32768.0.0.0', '99999.0.0.0', '100000.0.0.0', '٧.3.2.1', '7.3.2.*',
  ]
  for (const text of hostile) t.throws(() => parseVrmf(text), { name: 'FormatError', code: 'VRMF_MALFORMED' }, JSON.stringify(text))
})

void t.test('a VRMF value with a part that is no 15-bit integer is not formatted', async (t) => {
  for (const part of [-1, 1.5, 32_768, Number.NaN, Number.POSITIVE_INFINITY]) {
    const vrmf = { version: 7, release: 3, modification: 2, fix: part }
    t.throws(() => formatVrmf(vrmf), { code: 'VRMF_MALFORMED' }, String(part))
  }
})

void t.test('leading zeros of a VRMF are stripped where lpp_name is read', async (t) => {
  t.equal(normaliseVrmf('07.01.0000.0032'), '7.1.0.32')
  t.equal(normaliseVrmf('7.1.0.32'), '7.1.0.32')
  t.equal(normaliseVrmf('00000.00000.00000.32767'), '0.0.0.32767')
  for (const text of ['', '7.1.0', '7.1.0.0.0', '7.1.0.32768', '7.1.0.000001', '7.1.0.x', ' 7.1.0.0', '7.1.0.-0', '7.1.0.0\n']) {
    t.throws(() => normaliseVrmf(text), { code: 'VRMF_MALFORMED' }, JSON.stringify(text))
  }
})

void t.test('a name of 144 bytes is accepted and one of 145 is refused', async (t) => {
  const longest = 'a'.repeat(144)
  t.equal(checkName(longest), longest)
  t.equal(checkName('bos.rte.libc_64-x+y'), 'bos.rte.libc_64-x+y')
  for (const name of ['', `${longest}a`, 'a:b', 'a b', 'a/b', 'a\nb', 'a\0b', 'ä', 'a"b', '$(id)', 'a;b', '*']) {
    t.throws(() => checkName(name), { code: 'NAME_MALFORMED' }, JSON.stringify(name.slice(0, 20)))
  }
})

void t.test('a package type is one to three capital letters or digits', async (t) => {
  for (const ftype of ['I', 'S', 'ML', 'SR', 'ABC', '3']) t.equal(checkFtype(ftype), ftype)
  for (const ftype of ['', 'i', 'ABCD', 'A:', ' I', 'I\n']) t.throws(() => checkFtype(ftype), { code: 'FTYPE_MALFORMED' }, JSON.stringify(ftype))
})
