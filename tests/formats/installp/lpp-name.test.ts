import t from 'tap'
import { formatLppName, parseLppName } from '../../../formats/installp/lpp-name.ts'
import type { LppName, LppNameFileset } from '../../../formats/installp/lpp-name.ts'

const PKG_A = `4 R I PkgA {
PkgA.rte 1.0.0.0 01 N U en_US My runtime fileset
[
%
/usr/PkgA 0
INSTWORK 16 16
%
%
]
}
`

function text(options: { first?: string; line?: string; body?: string; after?: string } = {}): string {
  const { first = '4 R S bos {', line = 'bos.rte 7.3.2.1 1 b B en_US Base', body = '%\n', after = '}\n' } = options
  return `${first}\n${line}\n[\n${body}]\n${after}`
}

void t.test('lpp_name of a package with one fileset reads as that package and prints back byte for byte', async (t) => {
  const want = {
    format: '4', platform: 'R', type: 'I', package: 'PkgA',
    filesets: [{
      fileset: 'PkgA.rte', vrmf: '1.0.0.0', volume: '01', quiesce: 'N', content: 'U', language: 'en_US', description: 'My runtime fileset',
      body: ['%', '/usr/PkgA 0', 'INSTWORK 16 16', '%', '%'],
    }],
  }
  t.strictSame(parseLppName(PKG_A), want)
  t.strictSame(parseLppName(Buffer.from(PKG_A)), want)
  t.equal(formatLppName(want), PKG_A)
})

void t.test('a requisite line that looks like a fileset is not one', async (t) => {
  const body = 'evil.rte 9.9.9.9 01 N U en_US Not a fileset\n*prereq bos.rte 7.2.0.0\n{\n*coreq a 1.0.0.0\n}\n%\n'
  const { filesets } = parseLppName(text({ body }))
  t.strictSame(filesets.map(({ fileset }) => fileset), ['bos.rte'])
  t.equal(filesets[0]?.body.length, 6)
})

void t.test('several filesets are read in the order of the file', async (t) => {
  const second = 'bos.net 07.01.0000.0032 01 N H x\n[\n]\n'
  const { filesets } = parseLppName(text({ after: `\n${second}bos.net 7.1.0.33 01 Y U x  two  blanks \n[\n]\n}` }))
  t.strictSame(filesets.map(({ fileset, vrmf, description }) => [fileset, vrmf, description]), [
    ['bos.rte', '7.3.2.1', 'Base'], ['bos.net', '7.1.0.32', ''], ['bos.net', '7.1.0.33', 'two  blanks '],
  ])
})

void t.test('a description of any bytes is kept, one character a byte', async (t) => {
  const bytes = Buffer.concat([Buffer.from('4 R I P {\nP.rte 1.0.0.0 01 N U de_DE '), Buffer.from([0xfc, 0xc3, 0xbc, 0x7b, 0x5d]), Buffer.from('\n[\n]\n}\n')])
  const lppName = parseLppName(bytes)
  t.equal(lppName.filesets[0]?.description, '\u00fc\u00c3\u00bc{]')
  t.ok(Buffer.from(formatLppName(lppName), 'latin1').equals(bytes))
})

void t.test('blanks between the fields are accepted and not kept', async (t) => {
  const loose = parseLppName(text({ first: '3  N\tML bos  { ', line: 'bos.rte\t7.3.2.1  1 b B en_US   Base', after: '\n} \n\n' }))
  t.strictSame([loose.format, loose.platform, loose.type, loose.filesets[0]?.description], ['3', 'N', 'ML', 'Base'])
  t.match(formatLppName(loose), /^3 N ML bos \{\nbos\.rte 7\.3\.2\.1 1 b B en_US Base\n/)
})

void t.test('malformed lpp_name files are refused, each with its code', async (t) => {
  const malformed: [string, string, string][] = [
    ['empty file', '', 'LPP_NAME_MALFORMED'],
    ['first line without brace', text({ first: '4 R S bos' }), 'LPP_NAME_MALFORMED'],
    ['first line of AIX 3.1', text({ first: '2 R S bos {' }), 'LPP_NAME_MALFORMED'],
    ['CRLF', text().replaceAll('\n', '\r\n'), 'LPP_NAME_MALFORMED'],
    ['type of four letters', text({ first: '4 R SSSS bos {' }), 'FTYPE_MALFORMED'],
    ['package with a colon', text({ first: '4 R S b:s {' }), 'NAME_MALFORMED'],
    ['package name of 145 bytes', text({ first: `4 R S ${'p'.repeat(145)} {` }), 'NAME_MALFORMED'],
    ['fileset with a colon', text({ line: 'b:s 1.0.0.0 1 N U x y' }), 'NAME_MALFORMED'],
    ['VRMF part 32768', text({ line: 'bos.rte 7.3.2.32768 1 N U x y' }), 'VRMF_MALFORMED'],
    ['three-part VRMF', text({ line: 'bos.rte 7.3.2 1 N U x y' }), 'VRMF_MALFORMED'],
    ['too few fields', text({ line: 'bos.rte 7.3.2.1 1 N U' }), 'LPP_NAME_MALFORMED'],
    ['volume that is no number', text({ line: 'bos.rte 7.3.2.1 x N U x y' }), 'LPP_NAME_MALFORMED'],
    ['control byte in a field', text({ line: 'bos.rte 7.3.2.1 1 N U x\u0007 y' }), 'LPP_NAME_MALFORMED'],
    ['no filesets', '4 R S bos {\n}\n', 'LPP_NAME_EMPTY'],
    ['no body', '4 R S bos {\nbos.rte 7.3.2.1 1 N U x y\n}\n', 'LPP_NAME_MALFORMED'],
    ['no body at the end of the file', '4 R S bos {\nbos.rte 7.3.2.1 1 N U x y', 'LPP_NAME_MALFORMED'],
    ['unclosed body', '4 R S bos {\nbos.rte 7.3.2.1 1 N U x y\n[\n%\n', 'LPP_NAME_MALFORMED'],
    ['body inside a body', text({ body: '[\n' }), 'LPP_NAME_MALFORMED'],
    ['unclosed package', text({ after: '' }), 'LPP_NAME_MALFORMED'],
    ['second package', text({ after: '}\n4 R I evil {\n}\n' }), 'LPP_NAME_MALFORMED'],
    ['NUL bytes behind the end', text({ after: '}\n\0\0' }), 'LPP_NAME_MALFORMED'],
    ['one level twice', text({ after: 'bos.rte 07.3.2.1 1 N U x y\n[\n]\n}' }), 'LPP_NAME_DUPLICATE'],
  ]
  for (const [name, given, code] of malformed) t.throws(() => parseLppName(given), { name: 'FormatError', code }, name)
})

void t.test('an error names the line and never repeats it', async (t) => {
  t.throws(() => parseLppName(text({ line: '\u001b[31mevil' })), { message: 'line 2 of lpp_name is not "<fileset> <vrmf> <volume> <quiesce> <content> <language> <description>"' })
  t.throws(() => parseLppName(text({ after: '}\n\nrest' })), { message: 'line 8 of lpp_name stands after the closing "}"' })
  t.throws(() => parseLppName(text({ body: '%\n[\n' })), { message: 'line 5 of lpp_name opens a "[" inside another' })
})

void t.test('a value that no lpp_name file can hold is not formatted', async (t) => {
  const fileset: LppNameFileset = { fileset: 'P.rte', vrmf: '1.0.0.0', volume: '01', quiesce: 'N', content: 'U', language: 'x', description: '', body: [] }
  const value: LppName = { format: '4', platform: 'R', type: 'I', package: 'P', filesets: [fileset] }
  t.equal(formatLppName(value), '4 R I P {\nP.rte 1.0.0.0 01 N U x\n[\n]\n}\n')
  const refused: [string, LppName, string][] = [
    ['a body line that closes the body', { ...value, filesets: [{ ...fileset, body: ['x', ']'] }] }, 'LPP_NAME_MALFORMED'],
    ['a body line that hides another fileset', { ...value, filesets: [{ ...fileset, body: [']\nQ.rte 1.0.0.0 01 N U x\n['] }] }, 'LPP_NAME_MALFORMED'],
    ['a body line of two lines', { ...value, filesets: [{ ...fileset, body: ['a\nb'] }] }, 'LPP_NAME_MALFORMED'],
    ['a description that starts with a blank', { ...value, filesets: [{ ...fileset, description: ' x' }] }, 'LPP_NAME_MALFORMED'],
    ['a language of two words', { ...value, filesets: [{ ...fileset, language: 'x y' }] }, 'LPP_NAME_MALFORMED'],
    ['a VRMF with leading zeros', { ...value, filesets: [{ ...fileset, vrmf: '01.0.0.0' }] }, 'LPP_NAME_MALFORMED'],
    ['no filesets', { ...value, filesets: [] }, 'LPP_NAME_EMPTY'],
  ]
  for (const [name, given, code] of refused) t.throws(() => formatLppName(given), { code }, name)
})
