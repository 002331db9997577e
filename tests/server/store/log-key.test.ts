import { spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { formatVerifierKey, makeVerifierKey } from '../../../formats/index.ts'
import { openLogKey } from '../../../server/store/log-key.ts'

const origin = 'signing-server/log'
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' })

void t.test('a log key that is not there is made: folder 0700, file 0600, and nothing beside it; opened again it is the same', async (t) => {
  const folder = join(t.testdir(), 'var', 'lib')
  const path = join(folder, 'log.pem')
  const made = await openLogKey({ origin, path })
  t.strictSame([statSync(folder).mode & 0o777, statSync(path).mode & 0o777, readdirSync(folder).length], [0o700, 0o600, 1])
  t.equal(readFileSync(path, 'utf8'), pemOf(made.privateKey))
  t.equal(made.privateKey.asymmetricKeyType, 'ed25519')
  t.equal(made.verifierKey, formatVerifierKey(makeVerifierKey(origin, createPublicKey(made.privateKey))))
  const again = await openLogKey({ origin, path })
  t.strictSame([again.verifierKey, again.origin, again.privateKey.equals(made.privateKey)], [made.verifierKey, origin, true])
  t.not((await openLogKey({ origin: 'other/log', path })).verifierKey, made.verifierKey)
})

void t.test('replicas that start together end up with one key, whole at any moment', async (t) => {
  const path = join(t.testdir(), 'log.pem')
  const made = await Promise.all(Array.from({ length: 20 }, async () => await openLogKey({ origin, path })))
  t.equal(new Set(made.map(({ verifierKey }) => verifierKey)).size, 1)
  t.equal(readFileSync(path, 'utf8'), pemOf((made[0] as (typeof made)[0]).privateKey))
  t.strictSame(readdirSync(join(path, '..')), ['log.pem'])
})

void t.test('what is no key of a log, or one that others may read, is refused and not changed', async (t) => {
  const folder = t.testdir({ folder: {} })
  const pem = pemOf(generateKeyPairSync('ed25519').privateKey)
  const unusable = /^transparencyLog\.key is not an Ed25519 private key in PKCS#8 PEM$/
  const table: [string, string, RegExp, number?][] = [
    ['empty', '', unusable],
    ['garbage', 'no key', unusable],
    ['half', pem.slice(0, 60), unusable],
    ['public', createPublicKey(pem).export({ type: 'spki', format: 'pem' }), unusable],
    ['rsa', pemOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey), unusable],
    ['x25519', pemOf(generateKeyPairSync('x25519').privateKey), unusable],
    ['encrypted', generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }), unusable],
    ['long', pem + ' '.repeat(20_000), unusable],
    ['group', pem, /^others may read the key of the log, transparencyLog\.key: chmod 600 it$/, 0o640],
    ['others', pem, /^others may read/, 0o604],
    ['writable', pem, /^others may read/, 0o620],
  ]
  for (const [name, content, message, mode = 0o600] of table) {
    const path = join(folder, name)
    writeFileSync(path, content)
    chmodSync(path, mode)
    await t.rejects(openLogKey({ origin, path }), { code: 'STORE_FAILED', message, facts: { path } }, name)
    t.equal(readFileSync(path, 'utf8'), content)
  }
  const path = join(folder, 'sound')
  writeFileSync(path, pem, { mode: 0o400 })
  t.equal(pemOf((await openLogKey({ origin, path })).privateKey), pem, 'one that only its owner may read is taken')
})

void t.test('what is no regular file is refused, and a place where none can be', async (t) => {
  const folder = t.testdir({ file: '' })
  const sound = join(folder, 'sound')
  await openLogKey({ origin, path: sound })
  symlinkSync(sound, join(folder, 'link'))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
  mkdirSync(join(folder, 'directory'))
  spawnSync('mkfifo', ['-m', '600', join(folder, 'fifo')])
  const table: [string, RegExp][] = [
    ['link', /^the key of the log cannot be read$/], ['dangling', /^the key of the log cannot be read$/], ['directory', /is not an Ed25519 private key/], ['fifo', /is not an Ed25519 private key/],
    ['file/log.pem', /^the key of the log cannot be read$/], ['x'.repeat(300), /^the key of the log cannot be read$/],
  ]
  for (const [name, message] of table) await t.rejects(openLogKey({ origin, path: join(folder, name) }), { code: 'STORE_FAILED', message, facts: { path: join(folder, name) } }, name)
  symlinkSync('nowhere', join(folder, 'lost'))
  await t.rejects(openLogKey({ origin, path: join(folder, 'lost', 'log.pem') }), { code: 'STORE_FAILED', message: 'the key of the log cannot be made' })
})
