import { chownSync, copyFileSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyObject } from 'node:crypto'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { OPERATIONS } from '../../server/schemas/whoami.ts'
import { testPki } from './pki.ts'
import { rsaKeyPair } from './signables.ts'

/** The members of a configuration file; a member given here replaces the whole default one. */
export type ConfigMembers = Readonly<Record<string, unknown>>

/** A temporary folder with everything a server needs: certificates, a signing key with keyid 1001, and the directory `packages`, its root. */
export type Place = Readonly<{
  folder: string
  /** The root that `release-bot` and `auditor` may use. */
  root: string
  publicKey: KeyObject
  publicKeyPath: string
  /** Plain PKCS#8; for the embedded signer and for the fake command alike. */
  privateKeyPath: string
  /** Writes a configuration file and returns its path. */
  configure(members?: ConfigMembers): string
  /** Gives everything to another user, for a server that must not be root. */
  giveTo(uid: number): void
}>

/** `release-bot` as a member of `clients` that may do everything: digests alone too, and see the signatures of all. */
export const TRUSTED_BOT: ConfigMembers = { name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: OPERATIONS, keys: ['1001'], roots: ['nim'], digestOnly: true, resign: true, sees: 'all' }

let pair: ReturnType<typeof rsaKeyPair> | undefined
const signingKey = () => (pair ??= rsaKeyPair())

/** Makes a place that is removed with the test. */
export async function makePlace(t: Test): Promise<Place> {
  // Not t.testdir(): that one lies in the checkout. The real path, because that is what a server shows and compares.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'signing-server-system-')))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const root = join(folder, 'packages')
  const publicKeyPath = join(folder, '1001.pub.pem')
  const privateKeyPath = join(folder, '1001.pem')
  mkdirSync(root)
  const { publicKey, pem } = signingKey()
  writeFileSync(privateKeyPath, pem, { mode: 0o600 })
  writeFileSync(publicKeyPath, publicKey.export({ type: 'spki', format: 'pem' }))
  await copyCertificates(folder)
  return {
    folder,
    root,
    publicKey,
    publicKeyPath,
    privateKeyPath,
    configure: (members = {}) => {
      const file = join(folder, 'signing-server.yaml')
      writeFileSync(file, stringify({ ...defaults(), ...members }, { aliasDuplicateObjects: false }), { mode: 0o600 })
      return file
    },
    giveTo: (uid) => giveAll(folder, uid),
  }
}

async function copyCertificates(folder: string): Promise<void> {
  const { server, caPath, crlPath } = await testPki()
  copyFileSync(server.certPath, join(folder, 'server.pem'))
  copyFileSync(server.keyPath, join(folder, 'server.key'))
  copyFileSync(caPath, join(folder, 'ca.pem'))
  copyFileSync(crlPath, join(folder, 'ca.crl'))
}

function defaults(): ConfigMembers {
  const client = (name: string, allow: readonly string[]) => ({ name, match: { san: `URI:urn:example:${name}` }, allow: [...allow], keys: ['1001'], roots: ['nim'] })
  return {
    listen: { host: '127.0.0.1', port: 0, browserPort: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    tls: { cert: 'server.pem', key: 'server.key', clientCa: 'ca.pem', crl: 'ca.crl' },
    roots: [{ name: 'nim', path: 'packages' }],
    keys: [{ keyid: '1001', kind: 'file', path: '1001.pem' }],
    signer: { kind: 'embedded' },
    clients: [client('release-bot', OPERATIONS), client('auditor', ['listFiles', 'listKeys', 'getKey'])],
    store: { url: 'sqlite:signing.db' },
  }
}

function giveAll(path: string, uid: number): void {
  const stats = lstatSync(path)
  if (stats.isSymbolicLink()) return
  chownSync(path, uid, uid)
  if (stats.isDirectory()) for (const name of readdirSync(path)) giveAll(join(path, name), uid)
}
