import { createPrivateKey, createPublicKey } from 'node:crypto'
import { lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createPackageScanner } from '../../../formats/index.ts'
import { startBanner, type BannerFacts } from '../../../server/banner.ts'
import { loadConfig } from '../../../server/config/load.ts'
import { writeSamples } from '../../../server/development/samples.ts'
import { setUpDevelopment } from '../../../server/development/set-up.ts'

const PLACES = { certs: 'certs/dev', var: 'var', port: 0, browserPort: 0, adminPort: 0 }

void t.test('a development set-up is made once, is a good configuration, and is kept', async (t) => {
  const base = t.testdir({})
  const first = await setUpDevelopment(base, PLACES)
  t.strictSame(first.notes, ['made development certificates in certs/dev', 'made a signing key in var/keys/1001.pem', 'made three sample packages in var/packages', 'made a configuration in var/signing-server.yaml'])
  const config = await loadConfig(first.config)
  t.match(config, { listen: { host: '127.0.0.1', port: 0 }, admin: { host: '127.0.0.1' }, roots: [{ path: first.packages }], clients: [{ name: 'release-bot' }, { name: 'auditor' }] })
  t.equal(lstatSync(join(base, 'var/keys/1001.pem')).mode & 0o777, 0o600)
  const publicKey = createPublicKey(readFileSync(first.publicKey))
  t.ok(createPublicKey(createPrivateKey(readFileSync(join(base, 'var/keys/1001.pem')))).equals(publicKey))
  for (const file of Object.values(first.client)) t.ok(lstatSync(file).isFile())

  writeFileSync(join(first.packages, 'mine.bff'), 'kept')
  const second = await setUpDevelopment(base, PLACES)
  t.strictSame(second.notes, first.notes.map((note) => note.replace('made', 'kept')))
  rmSync(join(base, 'var/keys'), { recursive: true })
  t.match((await setUpDevelopment(base, PLACES)).notes[1], /^made a signing key/)
  t.equal(readFileSync(join(first.packages, 'mine.bff'), 'utf8'), 'kept')
})

void t.test('without other places it listens on the ports of the documentation', async (t) => {
  const { config } = await setUpDevelopment(t.testdir({}))
  t.match(await loadConfig(config), { listen: { port: 6000, browserPort: 6443 }, admin: { port: 6001 } })
})

void t.test('the samples are three packages with one fileset, with several, and an update, beside a table of contents', async (t) => {
  const folder = join(t.testdir({}), 'packages')
  const found = (await writeSamples(folder)).map((name) => scan(join(folder, name)))
  t.match(found, [{ kind: 'installp', package: 'PkgA', ftype: 'I', filesets: { length: 1 } }, { kind: 'installp', package: 'PkgB', filesets: { length: 3 } }, { kind: 'installp', package: 'PkgC', ftype: 'S' }])
  t.match(scan(join(folder, '.toc')), { kind: 'toc' })
})

function scan(path: string) {
  const scanner = createPackageScanner()
  scanner.push(readFileSync(path))
  return scanner.end()
}

void t.test('the banner says where the server listens, who may connect, and how to call it from where one stands', async (t) => {
  const base = t.testdir({})
  const development = await setUpDevelopment(base, PLACES)
  const config = await loadConfig(development.config)
  const at = (address: string, port: number) => ({ address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' })
  const facts: BannerFacts = { config, development, cwd: base, listening: { service: at('127.0.0.1', 6000), browser: at('127.0.0.1', 6443), admin: at('::1', 6001) } }
  t.equal(startBanner(facts), `signing-server is listening
  https://127.0.0.1:6000   service: curl, SDK, sign
  https://127.0.0.1:6443   the same for browsers, with API documentation at /docs
  http://[::1]:6001    health and metrics: /health/live, /health/ready, /metrics
client certificates of certs/dev/ca.pem may connect; listed are
  release-bot      URI:urn:example:release-bot   may sign, listFiles, verify, findSignatures, getSignature, exportSignature, getCheckpoint, getTile, getLogKey, auditLog, listKeys, getKey, exportKey, whoami
  auditor          URI:urn:example:auditor   may listFiles, verify, findSignatures, getSignature, exportSignature, getCheckpoint, getTile, getLogKey, auditLog, listKeys, getKey, exportKey, whoami
sign a directory or a package inside a root:
  root samples: var/packages
  npm run -s sign -- --host localhost --port 6000 --cert certs/dev/clients/release-bot/client.pem --key certs/dev/clients/release-bot/client.key --ca certs/dev/clients/release-bot/ca.pem var/packages
  curl --cert certs/dev/clients/release-bot/client.pem --key certs/dev/clients/release-bot/client.key --cacert certs/dev/clients/release-bot/ca.pem \\
    https://localhost:6000/sign -H 'content-type: application/json' -d '{"path":"${join(base, 'var/packages')}"}'
stop with Ctrl-C; running requests are finished first
`)
  const odd: BannerFacts = {
    cwd: '/elsewhere',
    listening: { ...facts.listening, service: at('2001:db8::1', 6000), browser: at('::', 6443) },
    config: { ...config, roots: [{ name: 'odd', path: "/it's here" }], clients: [{ name: 'c', match: { spkiSha256: 'ab' }, allow: [], keys: [], roots: [], digestOnly: false, resign: false, sees: 'own' }] },
  }
  const text = startBanner(odd)
  for (const part of ['https://[2001:db8::1]:6000   service', 'https://[::]:6443   the same', 'SPKI SHA-256 ab   may do nothing', "sign --host 2001:db8::1 --port 6000 --cert client.pem --key client.key --ca ca.pem '/it'\\''s here'", "https://[2001:db8::1]:6000/sign -H 'content-type: application/json' -d '{\"path\":\"/it'\\''s here\"}'", development.client.ca.slice(0, 0) + config.tls.clientCa]) t.ok(text.includes(part), part)
  t.match(startBanner({ ...odd, config: { ...config, roots: [], clients: [] }, listening: { ...odd.listening, service: at('0.0.0.0', 1) } }), /nobody: add to `clients`[^]*--host localhost --port 1 .* \/path\/in\/a\/root\n/)
})
