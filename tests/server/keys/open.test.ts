import 'reflect-metadata'
import { generateKeyPairSync, webcrypto } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { openSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'
import t from 'tap'
import type { CommandKeyConfig, FileKeyConfig, Pkcs11KeyConfig, Pkcs12KeyConfig } from '../../../server/config/key-schema.ts'
import { openCommandKey } from '../../../server/keys/command-key.ts'
import { isHeld } from '../../../server/keys/key.ts'
import { openKeys } from '../../../server/keys/open.ts'
import { probeKey } from '../../../server/keys/probe.ts'
import { createThreadPool } from '../../../server/threads/pool.ts'
import { WORKER_MODULE } from '../../../server/threads/worker-module.ts'
import { keyBag, keystore as keystoreOf, plainContent } from '../../helpers/keystores.ts'

const pool = createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 10 })
t.teardown(() => pool.close())
const place = { pool, maxWholeBytes: 1000 }
const folder = t.testdir()
let files = 0

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const SPKI = publicKey.export({ type: 'spki', format: 'pem' })

const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }

async function file(content: string | Buffer, mode = 0o644): Promise<string> {
  files += 1
  const path = join(folder, String(files))
  await writeFile(path, content, { mode })
  return path
}

function commandKey(path: string, more: Partial<CommandKeyConfig> = {}): CommandKeyConfig {
  return { keyid: '1002', kind: 'command', publicKey: path, covers: 'unverified', ...more }
}

async function fileKey(keyid: string): Promise<FileKeyConfig> {
  return { keyid, kind: 'file', path: await file(privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600) }
}

async function certificateOf(key: KeyObject): Promise<string> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const signingKey = await webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), algorithm, true, ['sign'])
  const verifyKey = await webcrypto.subtle.importKey('spki', publicKey.export({ type: 'spki', format: 'der' }), algorithm, true, ['verify'])
  const keys = { privateKey: signingKey, publicKey: verifyKey }
  // Long expired, which does not matter: what it signed is verified, not who vouches for it.
  const dates = { notBefore: new Date('2001-01-01'), notAfter: new Date('2002-01-01') }
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=example', keys, signingAlgorithm: algorithm, ...dates })
  return certificate.toString('pem')
}

void t.test('a certificate that the configuration names of a key', async (t) => {
  const key = await fileKey('1001')

  void t.test('is kept when it is one of this key, whatever its dates', async (t) => {
    const pem = await certificateOf(privateKey)
    const keyring = await openKeys([{ ...key, certificate: await file(pem) }, commandKey(await file(SPKI), { certificate: await file(pem) })], place)
    t.strictSame([...keyring.values()].map(({ certificatePem }) => certificatePem?.trim()), [pem, pem].map((text) => text.trim()))
    t.equal((await openKeys([key], place)).get('1001')?.certificatePem, undefined)
  })

  void t.test('stops the start when it is of another key, damaged, something else or not there', async (t) => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const foreign = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=other',
      keys: { privateKey: await webcrypto.subtle.importKey('pkcs8', other.privateKey.export({ type: 'pkcs8', format: 'der' }), RSA, true, ['sign']), publicKey: await webcrypto.subtle.importKey('spki', other.publicKey.export({ type: 'spki', format: 'der' }), RSA, true, ['verify']) },
      signingAlgorithm: RSA,
    })
    const damaged = (await certificateOf(privateKey)).replace(/^MII.{20}/m, 'MIIAAAAAAAAAAAAAAAAAAAA')
    const rows: readonly [string, RegExp][] = [
      [await file(foreign.toString('pem')), /^key 1001: .+ is the certificate of another key$/], [await file(damaged), /is damaged: no certificate can be read from it$/],
      [await file(SPKI), /is not one certificate in PEM form/], [await file('text'), /^key 1001: /], [join(folder, 'absent'), /^key 1001: /],
    ]
    for (const [certificate, want] of rows) await t.rejects(openKeys([{ ...key, certificate }], place), { name: 'KeyFaults', faults: [want] }, String(want))
  })
})

void t.test('openCommandKey', async (t) => {
  void t.test('opens a public key and a certificate, which anybody may read', async (t) => {
    for (const pem of [SPKI, await certificateOf(privateKey)]) {
      const { publicKey: opened, ...rest } = await openCommandKey(commandKey(await file(pem)))
      t.strictSame(rest, { keyid: '1002', kind: 'command', covers: 'unverified', algorithm: 'rsa-2048-sha256', signatureBytes: 256 })
      t.ok(opened.equals(publicKey))
    }
    const installedPath = '/etc/security/certificates/example.pem'
    t.match(await openCommandKey(commandKey(await file(SPKI), { covers: 'file', installedPath })), { covers: 'file', installedPath })
  })

  void t.test('refuses everything else with a sentence', async (t) => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' })
    const rows = [
      [privateKey.export({ type: 'pkcs8', format: 'pem' }), 'FILE holds a private key; the server wants the public one only, and nobody else should have this one'],
      [privateKey.export({ type: 'pkcs1', format: 'pem' }), 'FILE holds a private key; the server wants the public one only, and nobody else should have this one'],
      [publicKey.export({ type: 'pkcs1', format: 'pem' }), 'FILE is in PKCS#1 form; convert it: openssl rsa -RSAPublicKey_in -in FILE -pubout -out NEW'],
      [SPKI + SPKI, 'FILE is not one public key or certificate in PEM form (BEGIN PUBLIC KEY or BEGIN CERTIFICATE)'],
      ['', 'FILE is not one public key or certificate in PEM form (BEGIN PUBLIC KEY or BEGIN CERTIFICATE)'],
      ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', 'FILE is damaged: no public key can be read from it'],
      ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'FILE is damaged: no public key can be read from it'],
      [ec, 'the key in FILE is of type ec; an RSA key is needed'],
    ] as const
    for (const [content, fault] of rows) {
      const path = await file(content)
      await t.rejects(openCommandKey(commandKey(path)), { name: 'KeyFaults', faults: [fault.replaceAll('FILE', path)] })
    }
  })
})

void t.test('a key whose private part is destroyed', async (t) => {
  const opened = async (pem: string) => (await openKeys([{ keyid: '1001', kind: 'public', publicKey: await file(pem), state: 'revoked' }], place)).get('1001')

  void t.test('is opened by its public part, of every algorithm', async (t) => {
    t.match(await opened(SPKI), { keyid: '1001', kind: 'public', covers: 'file', algorithm: 'rsa-2048-sha256', signatureBytes: 256, publicKey, key: { kind: 'digest' }, life: { state: 'revoked' } })
    const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })
    t.match(await opened(ed25519), { algorithm: 'ed25519', key: { kind: 'message', maxBytes: 1000 } }, 'what it verifies is as bounded as what it signed')
    const installedPath = '/etc/security/certificates/example.pem'
    t.match((await openKeys([{ keyid: '1', kind: 'public', publicKey: await file(SPKI), state: 'retired', installedPath }], place)).get('1'), { installedPath })
  })

  void t.test('signs nothing, whoever asks', async (t) => {
    const key = await opened(SPKI)
    t.ok(key !== undefined && isHeld(key))
    if (key !== undefined && isHeld(key)) await t.rejects(probeKey(key), { code: 'SIGNER_NOT_AVAILABLE', message: 'of key 1001 there is only the public part' })
  })

  void t.test('is refused when it is none', async (t) => {
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ type: 'spki', format: 'pem' })
    await t.rejects(opened(pem), { name: 'KeyFaults', faults: [/^key 1001: the key in .* is an EC key on the curve secp384r1; P-256/] })
  })
})

void t.test('openKeys', async (t) => {
  void t.test('asks the tokens for keys of kind pkcs11', async (t) => {
    const config: Pkcs11KeyConfig = { keyid: '7', kind: 'pkcs11', module: '/none.so', token: { label: 'none' }, key: { label: 'none' }, pinFile: '/none', extractable: false, sessions: 1, timeoutMs: 1, waiting: 0, environment: {} }
    const opened = await openCommandKey(commandKey(await file(SPKI)))
    t.equal((await openKeys([config], place, { open: async () => ({ ...opened, keyid: '7' }) })).get('7')?.publicKey, opened.publicKey)
    await t.rejects(openKeys([config], place), { name: 'TypeError' }, 'without tokens that is a mistake of ours')
  })

  void t.test('opens all keys in the order of the configuration', async (t) => {
    const keyring = await openKeys([await fileKey('9'), commandKey(await file(SPKI)), await fileKey('1001')], place)
    t.strictSame([...keyring].map(([keyid, key]) => [keyid, key.keyid, key.kind]), [['9', '9', 'file'], ['1002', '1002', 'command'], ['1001', '1001', 'file']])
  })

  void t.test('opens a keystore, and reads a passphrase from a descriptor before any file is open that could have its number', async (t) => {
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
    const passphraseFd = openSync(await file('secret'), 'r')
    const encrypted: FileKeyConfig = { keyid: '3', kind: 'file', path: await file(pem, 0o600), passphraseFd }
    const keystore: Pkcs12KeyConfig = { keyid: '4', kind: 'pkcs12', path: await file(keystoreOf({ contents: [plainContent(keyBag(privateKey))] }), 0o600), passphraseFile: await file('secret', 0o600) }
    const keyring = await openKeys([await fileKey('1001'), keystore, encrypted], place)
    t.strictSame([...keyring].map(([keyid, { kind }]) => [keyid, kind]), [['1001', 'file'], ['4', 'pkcs12'], ['3', 'file']])
    const faults = [`key 3: descriptor ${passphraseFd} cannot be read (EBADF); whoever starts the server opens it`]
    await t.rejects(openKeys([await fileKey('1001'), keystore, encrypted], place), { name: 'KeyFaults', faults }, 'it can be read once')
  })

  void t.test('reports the faults of all keys together, each with its keyid', async (t) => {
    const [missing, damaged] = [join(folder, 'missing'), await file('')]
    const configs = [commandKey(missing), await fileKey('1001'), commandKey(damaged, { keyid: '7' }), await fileKey('1001'), await fileKey('1001')]
    const faults = [
      'key 1001: the keyid is given more than once',
      `key 1002: ${missing} cannot be opened (ENOENT)`,
      `key 7: ${damaged} is not one public key or certificate in PEM form (BEGIN PUBLIC KEY or BEGIN CERTIFICATE)`,
    ]
    await t.rejects(openKeys(configs, place), { name: 'KeyFaults', faults, message: faults.join('\n') })
  })

  void t.test('lets an error of the pool through, which is no fault of a key', async (t) => {
    const closed = createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 1 })
    await closed.close()
    await t.rejects(openKeys([await fileKey('1001')], { pool: closed, maxWholeBytes: 1 }), { name: 'SigningError', code: 'SHUTTING_DOWN' })
  })
})

void t.test('probeKey', async (t) => {
  const keyring = await openKeys([await fileKey('1001')], place)
  const opened = keyring.get('1001') as Parameters<typeof probeKey>[0]

  void t.test('resolves for a key that signs', async (t) => {
    await t.resolves(probeKey(opened))
  })

  void t.test('rejects with SIGNER_FAILED for a key whose signatures do not verify', async (t) => {
    await t.rejects(probeKey({ ...opened, key: { kind: 'digest', sign: async () => Buffer.alloc(256) } }), { name: 'SigningError', code: 'SIGNER_FAILED' })
  })
})
