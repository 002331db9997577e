import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { FileKeyConfig, Pkcs12KeyConfig } from '../../../server/config/key-schema.ts'
import type { KeyFaults } from '../../../server/keys/key-faults.ts'
import type { Keyring, OpenedKey } from '../../../server/keys/key.ts'
import { keepKeys, type KeepingOptions, type KeptKeys } from '../../../server/keys/kept.ts'
import { openKeys, type KeyConfig } from '../../../server/keys/open.ts'
import { createThreadPool } from '../../../server/threads/pool.ts'
import { WORKER_MODULE } from '../../../server/threads/worker-module.ts'
import { openedKey, rsaKeyPair } from '../../helpers/signables.ts'

const pool = createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 10 })
t.teardown(() => pool.close())
const pairs = [rsaKeyPair(), rsaKeyPair()] as const

async function open(configs: readonly KeyConfig[], options: KeepingOptions = {}): Promise<Readonly<{ keyring: Keyring; kept: KeptKeys }>> {
  const keeping = keepKeys(options)
  return { keyring: await openKeys(configs, { pool, maxWholeBytes: 1000, keeping }), kept: keeping.kept() }
}

/** As if the files had been changed long ago. */
function aged(kept: KeptKeys): KeptKeys {
  return new Map([...kept].map(([keyid, { marks, ...rest }]) => [keyid, { ...rest, marks: new Map([...marks].map(([path, mark]) => [path, { ...mark, changedMs: 0 }])) }]))
}

const partOf = (key: OpenedKey | undefined): unknown => (key as Readonly<{ key?: unknown }> | undefined)?.key

void t.test('a key is the same one as long as its configuration and its files are', async (t) => {
  const folder = t.testdir({})
  const [path, publicKey] = [join(folder, '1001.pem'), join(folder, '1002.pub')]
  writeFileSync(path, pairs[0].pem, { mode: 0o600 })
  writeFileSync(publicKey, pairs[0].publicKey.export({ type: 'spki', format: 'pem' }))
  const file: FileKeyConfig = { keyid: '1001', kind: 'file', path }
  const command = { keyid: '1002', kind: 'command', publicKey, covers: 'file' } as const
  const first = await open([file, command])
  const before = aged(first.kept)
  const again = await open([{ ...file, state: 'revoked', successor: '1002', revokedAt: '2026-11-24T09:15:00Z', revocationReason: 'lost' }, command], { before })
  t.equal(partOf(again.keyring.get('1001')), partOf(first.keyring.get('1001')))
  t.equal(again.keyring.get('1002')?.publicKey, first.keyring.get('1002')?.publicKey)
  t.match(again.keyring.get('1001'), { life: { state: 'revoked', successor: '1002' } }, 'its life is another')
  t.strictSame((await open([file], { before })).keyring.get('1001')?.life, { state: 'active' }, 'and none of it stays')
  const anew: readonly (readonly [string, FileKeyConfig, KeepingOptions])[] = [
    ['its files are young', file, { before: first.kept }], ['its configuration is another', { ...file, installedPath: '/etc/security/certificates/x.pem' }, { before }],
    ['its token is another', file, { before, isRenewed: () => true }], ['it is new', { ...file, keyid: '1003' }, { before }],
  ]
  for (const [why, config, options] of anew) t.not(partOf((await open([config], options)).keyring.get(config.keyid)), partOf(first.keyring.get('1001')), why)
  writeFileSync(path, pairs[1].pem)
  writeFileSync(publicKey, pairs[1].publicKey.export({ type: 'spki', format: 'pem' }))
  const replaced = await open([file, command], { before })
  for (const keyid of ['1001', '1002']) t.ok(replaced.keyring.get(keyid)?.publicKey.equals(pairs[1].publicKey), keyid)
})

void t.test('a key in a token is the same one as long as its token and its public key are', async (t) => {
  const folder = t.testdir({})
  const publicKey = join(folder, '1001.pub')
  writeFileSync(publicKey, 'one')
  const base = { kind: 'pkcs11', module: '/nowhere', token: { label: 'release' }, key: { id: '01' }, pinFile: '/nowhere', extractable: false, sessions: 1, timeoutMs: 1, waiting: 0, environment: {} } as const
  const configs = [{ ...base, keyid: '1001', publicKey }, { ...base, keyid: '1002' }]
  const asked: string[] = []
  const tokens = {
    open: async ({ keyid }: Readonly<{ keyid: string }>) => {
      asked.push(keyid)
      return { ...openedKey('command', pairs[0]), keyid }
    },
  }
  const ask = async (options: KeepingOptions): Promise<readonly string[]> => {
    await openKeys(configs, { pool, maxWholeBytes: 1000, keeping: keepKeys(options) }, tokens)
    return asked.splice(0).toSorted()
  }
  const keeping = keepKeys()
  await openKeys(configs, { pool, maxWholeBytes: 1000, keeping }, tokens)
  const before = aged(keeping.kept())
  t.strictSame(asked.splice(0).toSorted(), ['1001', '1002'])
  t.strictSame(await ask({ before }), [])
  t.strictSame(await ask({ before, isRenewed: ({ keyid }) => keyid === '1002' }), ['1002'])
  writeFileSync(publicKey, 'other')
  t.strictSame(await ask({ before }), ['1001'])
})

void t.test('a key whose passphrase came from a descriptor is kept, and never read from that descriptor again', async (t) => {
  const folder = t.testdir({ passphrase: 'correct horse\n', trap: 'must not be read' })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const path = join(folder, '1001.pem')
  const write = (): void => writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'correct horse' }), { mode: 0o600 })
  write()
  const passphraseFd = openSync(join(folder, 'passphrase'), 'r')
  const config: FileKeyConfig = { keyid: '1001', kind: 'file', path, passphraseFd }
  const { keyring, kept } = await open([config])
  const trap = openSync(join(folder, 'trap'), 'r')
  t.teardown(() => closeSync(trap))
  const kept2 = await open([config], { before: kept })
  t.equal(partOf(kept2.keyring.get('1001')), partOf(keyring.get('1001')), 'young or not')
  t.ok(createPublicKey(privateKey).equals(kept2.keyring.get('1001')?.publicKey as never))
  const fault = /^key 100\d: its passphrase comes from a descriptor, which is read once, at the start: restart the server$/
  const keystore: Pkcs12KeyConfig = { keyid: '1002', kind: 'pkcs12', path, passphraseFd: trap }
  const faultsOf = async (opening: Promise<unknown>): Promise<unknown> => await opening.catch(({ faults }: KeyFaults) => faults)
  t.match(await faultsOf(open([config, keystore], { before: kept })), [fault])
  write()
  t.match(await faultsOf(open([config], { before: aged(kept) })), [fault])
  const secret = { ...config, passphraseFd: undefined, passphraseFile: join(folder, 'secret') }
  writeFileSync(secret.passphraseFile, 'correct horse', { mode: 0o600 })
  const { passphraseFd: _none, ...fromFile } = secret
  const ofFile = await open([fromFile], { before: kept })
  t.equal(partOf((await open([fromFile], { before: aged(ofFile.kept) })).keyring.get('1001')), partOf(ofFile.keyring.get('1001')))
})
