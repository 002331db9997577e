import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { generateDevelopmentPki } from '../../certs/generate.ts'

/** What a client proves itself with, PEM texts. */
export type Credentials = Readonly<{ cert: string; key: string; ca: string }>

/** A folder with all that a server needs: certificates, an RSA-2048 key with keyid 1001, and an empty root. */
export type Place = Readonly<{
  folder: string
  root: string
  privateKey: string
  publicKey: string
  /** The certificate files of the server, for what stands in for it. */
  tls: Readonly<{ cert: string; key: string; clientCa: string; crl: string }>
  credentials: Credentials
}>

/** Makes such a folder. Packages go below `root`. */
export async function makePlace(folder: string): Promise<Place> {
  const certs = join(folder, 'certs')
  const root = join(folder, 'packages')
  await generateDevelopmentPki(certs)
  await mkdir(root)
  const [privateKey, publicKey] = [join(folder, '1001.pem'), join(folder, '1001.pub.pem')]
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  await writeFile(privateKey, pair.privateKey, { mode: 0o600 })
  await writeFile(publicKey, pair.publicKey)
  const text = async (file: string) => await readFile(join(certs, 'clients', 'release-bot', file), 'utf8')
  return {
    folder,
    root,
    privateKey,
    publicKey,
    tls: { cert: join(certs, 'server.pem'), key: join(certs, 'server.key'), clientCa: join(certs, 'ca.pem'), crl: join(certs, 'ca.crl') },
    credentials: { cert: await text('client.pem'), key: await text('client.key'), ca: await text('ca.pem') },
  }
}

/** Members of the configuration that differ from {@link writeConfig}'s; each replaces the whole member. */
export type ConfigMembers = Readonly<Record<string, unknown>>

/** Writes a configuration for the place: defaults everywhere, free ports, one client that may do everything. Returns its path. */
export async function writeConfig(place: Place, name: string, members: ConfigMembers): Promise<string> {
  const config = {
    listen: { host: '127.0.0.1', port: 0, browserPort: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    tls: place.tls,
    roots: [{ name: 'packages', path: place.root }],
    keys: [{ keyid: '1001', kind: 'file', path: place.privateKey }],
    signer: { kind: 'embedded' },
    clients: [
      {
        name: 'release-bot',
        match: { san: 'URI:urn:example:release-bot' },
        allow: ['sign', 'listFiles', 'verify', 'getSignature', 'exportSignature', 'findSignatures', 'getCheckpoint', 'getTile', 'auditLog', 'listKeys', 'getKey', 'whoami'],
        keys: ['1001'],
        roots: ['packages'],
        digestOnly: true,
      },
    ],
    ...members,
  }
  const path = join(place.folder, `${name}.yaml`)
  await writeFile(path, stringify(config), { mode: 0o600 })
  return path
}
