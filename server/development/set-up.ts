import { generateKeyPair } from 'node:crypto'
import { access, mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { generateDevelopmentPki } from '../../certs/generate.ts'
import { OPERATIONS } from '../schemas/whoami.ts'
import { writeSamples } from './samples.ts'

/** A set-up to try the server with: everything a first call needs, on this machine alone. */
export type Development = Readonly<{
  /** The configuration file. */
  config: string
  /** The certificate, key and authority of the client `release-bot`. */
  client: Readonly<{ cert: string; key: string; ca: string }>
  /** The directory with the sample packages. */
  packages: string
  publicKey: string
  /** What was made now and what was there already, a line each. */
  notes: readonly string[]
}>

/** Where the parts of a set-up lie below `base`, and on which ports it listens (0: free ones). */
export type DevelopmentPlaces = Readonly<{ certs: string; var: string; port: number; browserPort: number; adminPort: number }>

const PLACES: DevelopmentPlaces = { certs: 'certs/dev', var: 'var', port: 6000, browserPort: 6443, adminPort: 6001 }

/**
 * Makes what is missing of a development set-up below `base` and keeps what is there: certificates, a signing key, sample packages
 * and a configuration that listens on loopback.
 */
export async function setUpDevelopment(base: string, places: DevelopmentPlaces = PLACES): Promise<Development> {
  const notes: string[] = []
  const note = (made: boolean, what: string, path: string) => notes.push(`${made ? 'made' : 'kept'} ${what} in ${relative(base, path)}`)
  const certs = join(base, places.certs)
  const pki = await generateDevelopmentPki(certs)
  note(pki.kind !== 'kept', 'development certificates', certs)
  const vars = join(base, places.var)
  const keys = join(vars, 'keys')
  const privateKey = join(keys, '1001.pem')
  const publicKey = join(keys, '1001.pub.pem')
  note(await unlessThere(privateKey, async () => await makeKey(keys, privateKey, publicKey)), 'a signing key', privateKey)
  const packages = join(vars, 'packages')
  note(await unlessThere(packages, async () => void (await writeSamples(packages))), 'three sample packages', packages)
  const config = join(vars, 'signing-server.yaml')
  note(await unlessThere(config, async () => await writeFile(config, developmentConfig({ vars, certs, places }), { mode: 0o600 })), 'a configuration', config)
  const client = join(certs, 'clients', 'release-bot')
  return { config, packages, publicKey, notes, client: { cert: join(client, 'client.pem'), key: join(client, 'client.key'), ca: join(client, 'ca.pem') } }
}

async function unlessThere(path: string, make: () => Promise<void>): Promise<boolean> {
  const there = await access(path).then(() => true, () => false)
  if (!there) await make()
  return !there
}

async function makeKey(folder: string, privateKey: string, publicKey: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  await writeFile(publicKey, pair.publicKey)
  await writeFile(privateKey, pair.privateKey, { mode: 0o600, flag: 'wx' })
}

type ConfigPlaces = Readonly<{ vars: string; certs: string; places: DevelopmentPlaces }>

function developmentConfig({ vars, certs, places }: ConfigPlaces): string {
  const from = (path: string) => relative(vars, path)
  const config = {
    listen: { host: '127.0.0.1', port: places.port, browserPort: places.browserPort },
    admin: { host: '127.0.0.1', port: places.adminPort },
    tls: { cert: from(join(certs, 'server.pem')), key: from(join(certs, 'server.key')), clientCa: from(join(certs, 'ca.pem')), crl: from(join(certs, 'ca.crl')) },
    roots: [{ name: 'samples', path: 'packages' }],
    keys: [{ keyid: '1001', kind: 'file', path: 'keys/1001.pem', installedPath: '/etc/security/certificates/development.pem' }],
    signer: { kind: 'embedded' },
    clients: [
      { name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: [...OPERATIONS], keys: ['1001'], roots: ['samples'], digestOnly: true },
      { name: 'auditor', match: { san: 'URI:urn:example:auditor' }, allow: OPERATIONS.filter((operation) => operation !== 'sign'), keys: ['1001'], roots: ['samples'], sees: 'all' },
    ],
    store: { url: 'sqlite:signing.db' },
  }
  return `# Made for development. Paths are relative to this file's folder; docs/configuration.md explains every member.\n${stringify(config)}`
}
