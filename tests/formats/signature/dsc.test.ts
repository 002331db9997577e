import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { formatDscScript, formatDscStanzas, parseDscScript, parseDscStanzas } from '../../../formats/signature/dsc.ts'
import type { SignatureRecord } from '../../../formats/signature/file.ts'

const SIGNATURE = Buffer.alloc(256, 0xa7).toString('base64')

function record(changes: Partial<SignatureRecord> = {}): SignatureRecord {
  return {
    keyid: '1001', package: 'PkgA', timestamp: '1375425475', fileset: 'PkgA.rte', ftype: 'I', vrmf: '1.0.0.0', signature: SIGNATURE, ...changes,
  }
}

const STANZA = `dsc_inventory:
\tpkg_name = "PkgA"
\tlpp_name = "PkgA.rte"
\tver = 1
\trel = 0
\tmod = 0
\tfix = 0
\tftype = "I"
\tsignature = "${SIGNATURE}"
\ttimestamp = "1375425475"
\tkey = "1001"
`

// Each field at the width of its column: 144, 144, four shorts, 3, 1023 (the nearest base64 length), 63, 10.
const WIDEST = record({
  package: 'p'.repeat(144), fileset: 'f'.repeat(144), vrmf: '32767.32767.32767.32767', ftype: 'SRX', keyid: '9999999999',
  signature: Buffer.alloc(765, 1).toString('base64'), timestamp: '1'.repeat(63),
})

void t.test('a record is a stanza for odmadd, and stanzas read back as their records', async (t) => {
  t.equal(formatDscStanzas([record()]), STANZA)
  t.strictSame(parseDscStanzas(STANZA, { signatureBytes: 256 }), [record()])
  const records = [record(), record({ fileset: 'PkgA.doc', vrmf: '1.0.0.1' }), record({ vrmf: '1.0.0.1' }), WIDEST]
  const text = formatDscStanzas(records)
  t.equal(text.split('\n\n').length, 4, 'a blank line between stanzas')
  t.strictSame(parseDscStanzas(text), records)
  t.strictSame(parseDscStanzas(Buffer.from(text)), records)
  t.equal(formatDscStanzas(parseDscStanzas(text)), text)
})

void t.test('the published row of bos.rte.libc fits the stanza', async (t) => {
  const signature = 'lRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqfjCNfUWy73WgduuZRnkGeEeGHrC/LGy1VBH+NgXDfqKN+NxKZQmS7IA+wo4G0LsqcidzDIKE4ONbSOhQeA9k8izFxeFrLqFLmkntq6S3vcvku+5OF7ah'
  const text = formatDscStanzas([record({ package: 'bos', fileset: 'bos.rte.libc', vrmf: '7.3.2.1', ftype: 'S', signature })])
  t.match(text, /\tpkg_name = "bos"\n\tlpp_name = "bos.rte.libc"\n\tver = 7\n\trel = 3\n\tmod = 2\n\tfix = 1\n\tftype = "S"\n/)
  t.equal(parseDscStanzas(text, { signatureBytes: 117 })[0]?.signature, signature)
})

void t.test('what odmget prints is read: blank lines and other blanks around the names are not kept', async (t) => {
  const listed = `\n${STANZA.replaceAll('\t', '        ')}\n \t\n\n${STANZA.replaceAll('PkgA.rte', 'PkgA.doc').replaceAll(' = ', '\t=').trimEnd()}`
  t.strictSame(parseDscStanzas(listed), [record(), record({ fileset: 'PkgA.doc' })])
})

void t.test('malformed stanzas are refused, each with its code', async (t) => {
  const column = (name: string, value: string): string => STANZA.replace(new RegExp(`${name} = .*`), `${name} = ${value}`)
  const malformed: [string, string, string][] = [
    ['no stanza', '', 'DSC_EMPTY'], ['blank lines', '\n \n\t\n', 'DSC_EMPTY'],
    ['a comment', `# made by hand\n${STANZA}`, 'DSC_MALFORMED'], ['a comment inside', STANZA.replace('\trel', '* x\n\trel'), 'DSC_MALFORMED'],
    ['another class', STANZA.replace('dsc_inventory', 'dsc_key'), 'DSC_MALFORMED'], ['a blank before the class', ` ${STANZA}`, 'DSC_MALFORMED'],
    ['a class alone', 'dsc_inventory:', 'DSC_MALFORMED'], ['a column too few', STANZA.replace(/\tkey.*\n/, ''), 'DSC_MALFORMED'],
    ['a column too many', `${STANZA}\tkey = "1"\n`, 'DSC_MALFORMED'], ['columns in another order', STANZA.replace('ver', 'rel'), 'DSC_MALFORMED'],
    ['a column without a blank in front', STANZA.replace('\tver', 'ver'), 'DSC_MALFORMED'], ['CRLF', STANZA.replaceAll('\n', '\r\n'), 'DSC_MALFORMED'],
    ['a value on two lines', STANZA.replace('"PkgA"', '"Pkg\nA"'), 'DSC_MALFORMED'], ['a string without quotes', column('key', '1001'), 'DSC_MALFORMED'],
    ['a short in quotes', column('ver', '"1"'), 'DSC_MALFORMED'], ['a backslash', column('pkg_name', '"Pkg\\A"'), 'DSC_MALFORMED'],
    ['a quote inside', column('pkg_name', '"Pkg"A"'), 'DSC_MALFORMED'], ['something behind a value', column('ver', '1 # x'), 'DSC_MALFORMED'],
    ['a leading zero', column('ver', '01'), 'DSC_MALFORMED'], ['a negative number', column('ver', '-1'), 'DSC_MALFORMED'],
    ['short 32768', column('fix', '32768'), 'VRMF_MALFORMED'], ['short 99999', column('fix', '99999'), 'VRMF_MALFORMED'],
    ['short 100000', column('fix', '100000'), 'DSC_MALFORMED'], ['package of 145 bytes', column('pkg_name', `"${'p'.repeat(145)}"`), 'NAME_MALFORMED'],
    ['fileset of 145 bytes', column('lpp_name', `"${'p'.repeat(145)}"`), 'NAME_MALFORMED'], ['no name', column('lpp_name', '""'), 'NAME_MALFORMED'],
    ['a colon in a name', column('lpp_name', '"a:b"'), 'NAME_MALFORMED'], ['type of 4 characters', column('ftype', '"ABCD"'), 'FTYPE_MALFORMED'],
    ['keyid of 11 digits', column('key', '"12345678901"'), 'KEYID_MALFORMED'], ['timestamp of 64 characters', column('timestamp', `"${'1'.repeat(64)}"`), 'TIMESTAMP_MALFORMED'],
    ['signature of 1024 characters', column('signature', `"${'A'.repeat(1024)}"`), 'SIGNATURE_LENGTH_WRONG'],
    ['signature of another key', column('signature', `"${Buffer.alloc(384).toString('base64')}"`), 'SIGNATURE_LENGTH_WRONG'],
    ['signature without padding', column('signature', `"${SIGNATURE.replace('==', '')}"`), 'SIGNATURE_NOT_BASE64'],
    ['URL alphabet', column('signature', '"ab-_"'), 'SIGNATURE_NOT_BASE64'], ['blanks in the signature', column('signature', '"AAAA AAAA"'), 'SIGNATURE_NOT_BASE64'],
    ['one level twice', `${STANZA}\n${STANZA.replace('1001', '1002')}`, 'DSC_DUPLICATE'],
  ]
  for (const [name, text, code] of malformed) {
    t.throws(() => parseDscStanzas(text, { signatureBytes: 256 }), { name: 'FormatError', code }, name)
  }
  t.throws(() => parseDscStanzas(column('ver', '"1"')), { message: 'line 4 of the stanzas is not "ver = <value>"' })
  t.throws(() => parseDscStanzas(`\n\nx\n`), { message: 'line 3 of the stanzas is not "dsc_inventory:"' })
})

void t.test('a record that a row cannot hold is not formatted, and neither are two for one level', async (t) => {
  const refused: [string, SignatureRecord[], string][] = [
    ['none', [], 'DSC_EMPTY'], ['a quote in a name', [record({ package: '"' })], 'NAME_MALFORMED'], ['a line end', [record({ fileset: 'a\nb' })], 'NAME_MALFORMED'],
    ['VRMF of three', [record({ vrmf: '1.0.0' })], 'VRMF_MALFORMED'], ['a quote in the timestamp', [record({ timestamp: '1"2' })], 'TIMESTAMP_MALFORMED'],
    ['a word as keyid', [record({ keyid: 'x' })], 'KEYID_MALFORMED'], ['a long signature', [record({ signature: 'A'.repeat(1024) })], 'SIGNATURE_LENGTH_WRONG'],
    ['one level twice', [record(), record({ ftype: 'S' })], 'DSC_DUPLICATE'],
  ]
  for (const [name, records, code] of refused) {
    for (const format of [formatDscStanzas, formatDscScript]) t.throws(() => format(records), { name: 'FormatError', code }, name)
  }
})

void t.test('more rows than the limit are refused', async (t) => {
  const records = ['1', '2', '3'].map((fix) => record({ vrmf: `1.0.0.${fix}` }))
  t.equal(parseDscStanzas(formatDscStanzas(records), { maxRecords: 3 }).length, 3)
  t.throws(() => parseDscStanzas(formatDscStanzas(records), { maxRecords: 2 }), { code: 'DSC_TOO_LONG' })
})

void t.test('the script deletes each level, adds the stanzas, and says what it assumes', async (t) => {
  const records = [record(), record({ fileset: 'PkgA.doc', vrmf: '7.3.0.32767' })]
  const script = formatDscScript(records)
  t.match(script, /^#!\/bin\/sh\n#/)
  t.match(script, /\n# Assumed[^\n]*\n(?:# {3}[^\n]+\n)+set -e\nODMDIR=\/usr\/lib\/objrepos\nexport ODMDIR\n/)
  t.ok(script.includes(`
odmdelete -o dsc_inventory -q "lpp_name='PkgA.rte' AND ver=1 AND rel=0 AND mod=0 AND fix=0"
odmdelete -o dsc_inventory -q "lpp_name='PkgA.doc' AND ver=7 AND rel=3 AND mod=0 AND fix=32767"

odmadd <<'END_OF_STANZAS'
${formatDscStanzas(records)}END_OF_STANZAS
`))
  t.strictSame(parseDscScript(script, { signatureBytes: 256 }), records)
  t.strictSame(parseDscScript(Buffer.from(script)), records)
  t.equal(formatDscScript(parseDscScript(script)), script)
})

void t.test('the script calls the commands with exactly its queries and stanzas', { skip: !existsSync('/bin/sh') && 'no /bin/sh' }, async (t) => {
  const records = [record({ fileset: 'a.b_c-d+e' }), record({ timestamp: '2013-08-02 06.37/55_+Z' }), WIDEST]
  const recorder = '#!/bin/sh\nfor argument in "$ODMDIR" "${0##*/}" "$@"; do echo "$argument"; done >> "$CALLS"\n'
  const folder = t.testdir({ odmdelete: recorder, odmadd: `${recorder}cat > "$CALLS.added"\n`, script: formatDscScript(records) })
  const calls = join(folder, 'calls')
  for (const command of ['odmdelete', 'odmadd']) execFileSync('/bin/chmod', ['755', join(folder, command)])
  execFileSync('/bin/sh', [join(folder, 'script')], { env: { PATH: `${folder}:/usr/bin:/bin`, CALLS: calls } })
  const level = 'ver=1 AND rel=0 AND mod=0 AND fix=0'
  t.strictSame(readFileSync(calls, 'utf8').trimEnd().split('\n'), [
    ...[`'a.b_c-d+e' AND ${level}`, `'PkgA.rte' AND ${level}`, `'${'f'.repeat(144)}' AND ver=32767 AND rel=32767 AND mod=32767 AND fix=32767`]
      .flatMap((query) => ['/usr/lib/objrepos', 'odmdelete', '-o', 'dsc_inventory', '-q', `lpp_name=${query}`]),
    '/usr/lib/objrepos', 'odmadd',
  ])
  t.equal(readFileSync(`${calls}.added`, 'utf8'), formatDscStanzas(records))
})

void t.test('a script that does anything else is refused', async (t) => {
  const script = formatDscScript([record()])
  const others: [string, string, string][] = [
    ['no script', '', 'DSC_MALFORMED'], ['stanzas alone', STANZA, 'DSC_MALFORMED'], ['an end missing', script.replace(/END_OF_STANZAS\n$/, ''), 'DSC_MALFORMED'],
    ['a command in front', script.replace('set -e', 'set -e\nreboot'), 'DSC_MALFORMED'], ['a command behind', `${script}reboot\n`, 'DSC_MALFORMED'],
    ['no delete', script.replace(/odmdelete .*\n/, ''), 'DSC_MALFORMED'], ['another delete', script.replace('fix=0', 'fix=1'), 'DSC_MALFORMED'],
    ['another folder', script.replace('/usr/lib/objrepos', '/tmp'), 'DSC_MALFORMED'], ['a comment in the stanzas', script.replace('dsc_inv', '# x\ndsc_inv'), 'DSC_MALFORMED'],
    ['a blank line in the stanzas', script.replace('\tkey = "1001"\n', '\tkey = "1001"\n\n'), 'DSC_MALFORMED'],
    ['the end first', `\nEND_OF_STANZAS\n${script.replace(/END_OF_STANZAS\n$/, '')}`, 'DSC_MALFORMED'],
    ['a damaged signature', script.replace('==', ''), 'SIGNATURE_NOT_BASE64'], ['CRLF', script.replaceAll('\n', '\r\n'), 'DSC_MALFORMED'],
  ]
  for (const [name, text, code] of others) t.throws(() => parseDscScript(text), { name: 'FormatError', code }, name)
  t.throws(() => parseDscScript(script, { signatureBytes: 384 }), { code: 'SIGNATURE_LENGTH_WRONG' })
  t.strictSame(parseDscScript(`# note\n${script.replace(/# Known.*\n/, '')}`), [record()], 'other comments are accepted')
})
