import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { configurationPage } from '../../../server/config/document.ts'
import { COMMAND_EXAMPLE, EXAMPLE } from '../../../server/config/example.ts'
import { loadConfig } from '../../../server/config/load.ts'
import { ConfigFile } from '../../../server/config/schema.ts'
import { emitFile } from '../../../server/emit-file.ts'

const COMMAND = 'server/config/emit-docs.ts'

function folderWithFiles(test: Pick<typeof t, 'testdir'>): string {
  const folder = test.testdir({ tls: { 'server.pem': '', 'server.key': '', 'ca.pem': '', 'ca.crl': '' }, keys: { '1001.pem': '', '1001.passphrase': '', '1001.pub.pem': '' }, lpp_source: {}, uploads: {} })
  for (const secret of ['tls/server.key', 'keys/1001.pem', 'keys/1001.passphrase']) chmodSync(join(folder, secret), 0o600)
  return folder
}

void t.test('the examples of docs/configuration.md can be loaded and show every section', async (t) => {
  const folder = folderWithFiles(t)
  const command = EXAMPLE.replace(/^keys:\n[^]*?^clients:/m, `${COMMAND_EXAMPLE}clients:`)
  for (const [text, kind] of [[EXAMPLE, 'embedded'], [command, 'command']] as const) {
    writeFileSync(join(folder, 'signing-server.yaml'), text.replace('/export/nim/lpp_source', join(folder, 'lpp_source')))
    const config = await loadConfig(join(folder, 'signing-server.yaml'))
    t.match(config, { signer: { kind }, keys: [{ keyid: '1001' }], listen: { host: '0.0.0.0' }, store: { url: `sqlite:${folder}/var/signing.db` } })
    for (const section of Object.keys(ConfigFile.properties)) t.match(text, new RegExp(`^${section}:`, 'm'), section)
    t.ok(configurationPage().includes(text === EXAMPLE ? text : COMMAND_EXAMPLE))
  }
})

void t.test('the page has a row for every member, with its type and default', async (t) => {
  const page = configurationPage()
  for (const row of [
    '| `port` | 0 … 65535 | `6000` |', '| `cert` | path of a file | must be given |', '| `path` | path of a directory | must be given |', '| `timestamp` | mapping | the defaults |',
    '| `environment` | mapping of text | empty |', '| `fileBytes` | 1 … 2⁵³ − 1 | `17179869184` |', '| `keyid` | text like `^[0-9]{1,10}$` | must be given |', '| `kind` | `command` |', '| `passin` | text | none |',
    '| `keys` | list of mappings | must be given |', '| `command` | list of text |', '## `clients[].match` with `spkiSha256`', '## `signer` with `kind: command`', '## `signer.timestamp`',
  ]) t.ok(page.includes(row), row)
  t.notMatch(page, /undefined|\[object/)
  for (const line of page.split('\n').filter((text) => text.startsWith('| '))) t.equal(line.replaceAll('\\|', '').split('|').length, 6, line)
})

void t.test('docs/configuration.md is what the schema says', async (t) => {
  t.equal(readFileSync('docs/configuration.md', 'utf8'), configurationPage())
  t.match(spawnSync(process.execPath, [COMMAND, '--check'], { encoding: 'utf8' }), { status: 0, stderr: '' })
})

void t.test('emitFile writes, or compares and says what to run', async (t) => {
  const folder = t.testdir({})
  mkdirSync(join(folder, 'docs'))
  const target = pathToFileURL(join(folder, 'docs/page.md'))
  const said: string[] = []
  const emit = async (text: string, ...args: readonly string[]) => await emitFile(target, text, { args, complain: (line) => said.push(line) })
  t.equal(await emit('one', '--check'), 1, 'a file that is missing')
  t.equal(await emit('one'), 0)
  t.equal(await emit('one', '--check'), 0)
  t.equal(await emit('two', '--check'), 1)
  t.equal(readFileSync(target, 'utf8'), 'one')
  t.strictSame(said, Array(2).fill('page.md differs from what it is generated from; run `npm run generate`'))
})
