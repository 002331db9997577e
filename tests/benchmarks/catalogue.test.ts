import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { clientNumber, fillCatalogue, idNumber, packageNumber, signedNumber } from '../../benchmarks/harness/catalogue.ts'
import { Unavailable } from '../../benchmarks/harness/measurement.ts'
import { makePlace, writeConfig, type Place } from '../../benchmarks/harness/place.ts'
import type { BenchServer } from '../../benchmarks/harness/server.ts'
import { keyInSoftHsm } from '../../benchmarks/harness/softhsm.ts'
import { reloadsIn, reloadUntil, withVisitor } from '../../benchmarks/soak/reloads.ts'
import { verifySignature } from '../../formats/index.ts'
import type { Pkcs11KeyConfig } from '../../server/config/key-schema.ts'
import { loadConfig } from '../../server/config/load.ts'
import type { DigestKey, OpenedKey } from '../../server/keys/key.ts'
import { createTokens } from '../../server/keys/pkcs11.ts'
import { openLogKey } from '../../server/store/log-key.ts'
import { openStore } from '../../server/store/open.ts'
import { withoutSoftHsm } from '../helpers/softhsm.ts'

void t.test('each number is a signature of its own, the same each time', async (t) => {
  t.strictSame(signedNumber(7), signedNumber(7))
  t.match(idNumber(7), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  const many = Array.from({ length: 100 }, (_, index) => signedNumber(index))
  const facts = many.flatMap(({ subject, signature }) => [signature.id, signature.sha256, signature.filename, subject.artefact])
  t.equal(new Set(facts).size, 400)
  t.equal(new Set(many.map(({ signature }) => signature.records[0]?.package)).size, 10, 'a package has ten levels')
})

void t.test('a catalogue is filled by the write path of the store: everything is found, proven and intact, and goes on', async (t) => {
  const folder = t.testdir()
  const location = { url: `sqlite:${join(folder, 'filled.db')}`, identity: await openLogKey({ origin: 'benchmark/filled', path: join(folder, 'log.key') }), keepMs: 1000 }
  t.ok((await fillCatalogue(location, { from: 0, to: 30 })) > 0)
  await fillCatalogue(location, { from: 30, to: 40 })
  const store = await openStore(location)
  t.teardown(async () => await store.close())
  t.match(await store.audit(), { intact: true })
  t.match(await store.get(idNumber(39)), { client: clientNumber(39), signature: { sha256: signedNumber(39).signature.sha256 } })
  t.ok(await store.proof(idNumber(0)))
  t.equal((await store.find({ package: packageNumber(25), limit: 20 })).length, 10)
  t.match(await store.lookUp(signedNumber(12).subject), { kind: 'signed', signature: { id: idNumber(12) } })
  t.equal(await store.lookUp(signedNumber(40).subject), undefined)
  await t.rejects(fillCatalogue(location, { from: 39, to: 41 }), { message: 'a signature of the catalogue was not recorded' })
})

void t.test('what a token needs and is not there makes a benchmark unavailable, and not failed', async (t) => {
  await t.rejects(keyInSoftHsm({} as Place, { folders: ['/nowhere'] }), Unavailable)
  const folder = t.testdir({ 'libsofthsm2.so': '' })
  await t.rejects(keyInSoftHsm({} as Place, { folders: [folder], addon: 'no-such-addon' }), Unavailable)
})

void t.test('the key of a place signs from a token as the configuration says that it is named', { skip: withoutSoftHsm }, async (t) => {
  const place = await makePlace(t.testdir())
  const { keys } = await loadConfig(await writeConfig(place, 'token', { keys: [await keyInSoftHsm(place)] }))
  const [config] = keys as readonly [Pkcs11KeyConfig]
  const tokens = createTokens([config], { info: () => undefined, warn: () => undefined, error: () => undefined })
  t.teardown(async () => await tokens.close())
  const { key, publicKey } = (await tokens.open(config)) as OpenedKey & Readonly<{ key: DigestKey }>
  const sha256 = randomBytes(32)
  t.ok(verifySignature({ publicKey, sha256, signature: await key.sign(sha256) }))
  t.equal(publicKey.export({ type: 'spki', format: 'pem' }), readFileSync(place.publicKey, 'utf8'))
})

void t.test('a reload brings a client and takes it away, and is counted by the log', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'server.yaml')
  const original = 'listen: { port: 1 }\nclients:\n  - { name: release-bot, allow: [sign] }\n'
  writeFileSync(file, original)
  t.match(parse(withVisitor(original)), { listen: { port: 1 }, clients: [{ name: 'release-bot', allow: ['sign'] }, { name: 'visitor', allow: ['whoami'] }] })
  t.equal(reloadsIn('{"msg":"reloaded"}\n{"msg":"reload refused"}\n{"cause":"SIGHUP","msg":"reloaded"}\n'), 2)
  let signals = 0
  const onSignal = (): void => void (signals += 1)
  process.on('SIGHUP', onSignal)
  t.teardown(() => process.off('SIGHUP', onSignal))
  const server = { pid: process.pid, log: () => '{"msg":"reloaded"}\n' } as BenchServer
  t.strictSame(await reloadUntil(server, { file, until: performance.now() - 1 }), { asked: 0, done: 1 }, 'a run that is over asks for none')
  t.strictSame(await reloadUntil(server, { file, until: performance.now() + 300, pauseMs: 20 }), { asked: signals, done: 1 })
  t.ok(signals >= 1, `${signals} signals`)
  t.strictSame(parse(readFileSync(file, 'utf8')), parse(signals % 2 === 1 ? withVisitor(original) : original))
})
